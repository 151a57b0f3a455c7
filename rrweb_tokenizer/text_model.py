"""Text -> ids: normalise, redact, split into the pieces of a SentencePiece BPE model.

A piece's id is `TEXT_ID_OFFSET` plus its number in the model; a value class has the id of its
structural token. Characters that the model lacks become byte pieces, so text is never [UNK].
"""

from __future__ import annotations

import hashlib
from array import array
from pathlib import Path
from typing import Any, Final

import sentencepiece

from rrweb_tokenizer.memo import Memo
from rrweb_tokenizer.normalize import normalize_text, replace_unencodable
from rrweb_tokenizer.recognisers import Recogniser
from rrweb_tokenizer.redact import MAX_TEXT_CHARS, ValueClass, redact
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, TEXT_ID_OFFSET

__all__ = ["MEMO_BYTES", "TextModel", "TextModelError"]

MEMO_BYTES: Final = 32 << 20
"""About how much memory the answers to recent texts may take, in each process."""

_MEMO_TEXT_CHARS: Final = 4_096
_MEMO_ENTRY_BYTES: Final = 250
_NUM_BYTE_PIECES: Final = 256
# Without a space for so long after the last character needed, a word is cut all the same.
_WORD_CHARS: Final = 1_000
# SentencePiece's time grows faster than the text: 5 s for a million characters, 0.5 s in such bits.
_BIT_CHARS: Final = 10_000
_VALUE_CLASS_IDS: Final = {member: STRUCTURAL_IDS[f"[{member.value}]"] for member in ValueClass}


class TextModelError(ValueError):
    """A model file is no SentencePiece model, or not one of the kind that is needed."""


class TextModel:
    """A SentencePiece model that encodes text from pages; satisfies `text_encoder.TextEncoder`.

    The same text always gives the same ids. Pickles as its bytes; threads may share it.

    Args:
        model_proto: The bytes of a SentencePiece model file: identity normalisation, byte fallback,
            piece 0 the only unknown one, no control pieces.
        memo_bytes: Bound on the memory of remembered answers; 0 remembers nothing.
        recogniser: Finds what patterns cannot, such as names; see `recognisers.Recogniser`. It must
            pickle where the model does: a function of a module, not a lambda.

    Raises:
        TextModelError: The bytes are something else.
    """

    def __init__(
        self,
        model_proto: bytes,
        *,
        memo_bytes: int = MEMO_BYTES,
        recogniser: Recogniser | None = None,
    ) -> None:
        self.recogniser = recogniser
        self.model_proto: Final = model_proto
        self.sha256: Final = hashlib.sha256(model_proto).hexdigest()
        self._processor = _load(model_proto)
        self.pieces: Final[tuple[str, ...]] = tuple(
            self._processor.id_to_piece(list(range(self._processor.get_piece_size())))
        )
        self._max_piece_chars = max(len(piece) for piece in self.pieces)
        self._memo: Memo[tuple[array[int], bool]] = Memo(memo_bytes)
        _check(self._processor, self.pieces)

    @classmethod
    def from_file(cls, path: str | Path, *, recogniser: Recogniser | None = None) -> TextModel:
        """The model in a file.

        Raises:
            TextModelError: The file is not there or holds something else; names it.
        """
        try:
            return cls(Path(path).read_bytes(), recogniser=recogniser)
        except OSError as error:
            raise TextModelError(f"{path}: cannot be read: {error.strerror}") from error
        except TextModelError as error:
            raise TextModelError(f"{path}: {error}") from error

    @property
    def num_pieces(self) -> int:
        """Number of pieces of the model, byte pieces and the unknown piece included."""
        return len(self.pieces)

    def scores(self) -> dict[str, float]:
        """Piece -> score, but for bytes and unknown; of two joins the better score comes first."""
        ids = range(len(self.pieces))
        is_other = (self._processor.is_byte, self._processor.is_unknown)
        return {
            self.pieces[i]: self._processor.get_score(i)
            for i in ids
            if not any(check(i) for check in is_other)
        }

    def encode(self, text: str, max_pieces: int) -> tuple[list[int], bool]:
        """The ids of a text from a page, personal data as value classes; True when it was cut.

        Ids are those of pieces (520 and above) or of value classes, never another structural
        token's, whatever the text spells. Only as much is encoded as `max_pieces` needs, so the
        cost does not grow with a long text.

        Args:
            text: Raw text, unpaired surrogates included.
            max_pieces: At most so many ids come back; fewer where the cut would part a character
                or the pieces of a word; see `_cut`.
        """
        key = (text, max_pieces)
        known = self._memo.get(key)
        if known is None:
            ids, is_cut = self._encode(text, max_pieces)
            known = (array("H", ids), is_cut)
            if len(text) <= _MEMO_TEXT_CHARS:
                self._memo.put(key, known, 4 * len(text) + 2 * len(ids) + _MEMO_ENTRY_BYTES)
            return ids, is_cut
        return known[0].tolist(), known[1]

    def encode_plain(self, text: str) -> list[int]:
        """The ids of the pieces of a text that needs neither normalising nor redacting.

        Unpaired surrogates and U+2581 are replaced, for the model cannot encode them as they are.
        Value classes and other structural tokens never come back.
        """
        text = replace_unencodable(text)
        ids: list[int] = []
        start = 0
        while start < len(text):
            # Pieces never cross a space, so that cutting there changes no id.
            space = text.find(" ", start + _BIT_CHARS)
            stop = space if space >= 0 else len(text)
            ids += self._processor.encode(text[start:stop])
            start = stop
        return [piece_id + TEXT_ID_OFFSET for piece_id in ids]

    def decode_plain(self, ids: list[int]) -> str:
        """The text of piece ids (520 and above); bytes that are no UTF-8 become U+FFFD."""
        text: str = self._processor.decode([token_id - TEXT_ID_OFFSET for token_id in ids])
        return text

    def _encode(self, text: str, max_pieces: int) -> tuple[list[int], bool]:
        ids: list[int] = []
        for part in redact(text, self.recogniser):
            if isinstance(part, ValueClass):
                ids.append(_VALUE_CLASS_IDS[part])
            else:
                ids += self.encode_plain(self._enough_of(part, max_pieces + 1 - len(ids)))
            if len(ids) > max_pieces:
                return self._cut(ids, max_pieces), True
        is_over_limit = len(text) > MAX_TEXT_CHARS and len(normalize_text(text)) > MAX_TEXT_CHARS
        return ids, is_over_limit

    def _cut(self, ids: list[int], max_pieces: int) -> list[int]:
        """At most so many of a text's ids, such that their string has these ids again.

        So a cut text has no half character and no space at its end, and its last word the pieces
        that its letters have when they stand alone.
        """
        stop = min(max_pieces, len(ids))
        while stop and not self._is_whole(ids, stop):
            stop -= 1
        return ids[:stop]

    def _is_whole(self, ids: list[int], stop: int) -> bool:
        start = stop
        while start and ids[start - 1] >= TEXT_ID_OFFSET:
            start -= 1
            if self.pieces[ids[start] - TEXT_ID_OFFSET].startswith("\u2581"):
                break
        word = ids[start:stop]
        return not word or self.encode_plain(self.decode_plain(word)) == word

    def _enough_of(self, segment: str, num_pieces: int) -> str:
        """The start of a segment that has at least `num_pieces` pieces, cut at a space."""
        num_chars = num_pieces * self._max_piece_chars
        if len(segment) <= num_chars:
            return segment
        space = segment.find(" ", num_chars, num_chars + _WORD_CHARS)
        return segment[: space if space >= 0 else num_chars + _WORD_CHARS]

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (self.model_proto, self.recogniser))


def _restored(model_proto: bytes, recogniser: Recogniser | None) -> TextModel:
    return TextModel(model_proto, recogniser=recogniser)


def _load(model_proto: bytes) -> sentencepiece.SentencePieceProcessor:
    if not model_proto:
        raise TextModelError("an empty file is no SentencePiece model")
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model_proto)
    except (RuntimeError, OSError) as error:
        raise TextModelError("not a SentencePiece model, or damaged") from error


def _check(processor: sentencepiece.SentencePieceProcessor, pieces: tuple[str, ...]) -> None:
    """Raises TextModelError where the model would break a promise of `TextModel`."""
    ids = range(len(pieces))
    wanted = {
        "piece 0 is its only unknown piece": [i for i in ids if processor.is_unknown(i)] == [0],
        "it has no control pieces": not any(processor.is_control(i) for i in ids),
        "it falls back to bytes": sum(map(processor.is_byte, ids)) == _NUM_BYTE_PIECES,
        "its pieces are distinct": len(set(pieces)) == len(pieces),
        "no piece is a structural token": not any(piece in STRUCTURAL_IDS for piece in pieces),
        "it normalises nothing but spaces": _round_trips(processor),
    }
    broken = [promise for promise, is_kept in wanted.items() if not is_kept]
    if broken:
        raise TextModelError(
            f"not a text model for this tokenizer; needed is that {', '.join(broken)}. "
            "Train one with python -m data_prep.train_text_model"
        )


def _round_trips(processor: sentencepiece.SentencePieceProcessor) -> bool:
    """Whether compatibility characters, case and accents survive (nmt_nfkc changes them)."""
    text = "\ufb01\u2460\uff21 e\u0301 \u00c9a"
    return bool(processor.decode(processor.encode(f"  {text}  ")) == text)
