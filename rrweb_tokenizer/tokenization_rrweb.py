"""The Hugging Face tokenizer: 520 structural tokens, then the pieces of text, 12,000 as shipped.

A `str` is always text in which structural tokens may be written out ("[MI_Click] Buy [MASK]"); a
`Path`, bytes or a list of events is a session. Text from pages reaches ids only through sessions,
where it is redacted and can never spell a structural token.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from tokenizers import Tokenizer
from transformers import BatchEncoding, PreTrainedTokenizer

from rrweb_tokenizer.chapters import EncodedSession
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.compressed import unpacked
from rrweb_tokenizer.fast_export import build_fast_tokenizer
from rrweb_tokenizer.normalize import replace_unencodable
from rrweb_tokenizer.recognisers import Recogniser, recogniser_name
from rrweb_tokenizer.recording import NotARecording, find_events
from rrweb_tokenizer.rendering import drop_marks, has_marks, readable, render
from rrweb_tokenizer.schema import Event, decode_events
from rrweb_tokenizer.serializer import Serializer, copy_events
from rrweb_tokenizer.session_batch import SessionOptions, encode_sessions, is_session, sessions_of
from rrweb_tokenizer.structural_vocab import (
    MAX_VOCAB_SIZE,
    NUM_STRUCTURAL,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    UNK_ID,
    render_json,
)
from rrweb_tokenizer.text_model import TextModel

__all__ = ["RRWebTokenizer"]

_VOCAB_FILES: Final = {
    "structural_vocab_file": "structural_vocab.json",
    "bpe_model_file": "text_bpe.model",
}
_FAST_FILE: Final = "tokenizer.json"
_REBUILT: Final = ("_serializer", "_fast")
_PACKAGE: Final = Path(__file__).parent


class RRWebTokenizer(PreTrainedTokenizer):  # type: ignore[misc]  # transformers is untyped
    """Tokenizer of rrweb sessions and of strings that mix structural tokens and text.

    Called as any tokenizer, with text, a session or a list of either. A session is a `Path`, the
    bytes of a recording, a list of events (as JSON gives them, or typed), an object with an
    `events` list, or an `EncodedSession`; a `str` is always text. Without truncation a session is
    one row; `truncation=True` keeps its first window, and with `return_overflowing_tokens=True` it
    gives all windows, which start at keyframes and overlap by at least `stride` ids, with
    `overflow_to_sample_mapping`, `window_starts`, `event_spans` and `event_times_ms`. Those are no
    inputs of a model: pop them, as the mapping for long texts. See `session_batch`.

    Args:
        structural_vocab_file: JSON of the structural tokens; it must equal this package's table.
            The shipped file where not given. `structural_vocab_path` is another name for it.
        bpe_model_file: SentencePiece model of at most 65,016 pieces; the shipped one of 12,000
            where not given.
            `bpe_model_path` is another name for it.
        text_model_sha256: Expected hash of that model; saved with the tokenizer, so that a model
            file which changed afterwards is refused.
        recogniser: Finds in the text of sessions what patterns cannot, such as names; see
            `recognisers.Recogniser`. A saved tokenizer keeps its name, never its code.
        saved_recogniser: That name, out of a saved tokenizer: sessions are then encoded only with
            this recogniser given again. None to go without, or to take another.

    Raises:
        ValueError: A file is missing, damaged or of another vocabulary; names the file.
    """

    vocab_files_names = _VOCAB_FILES
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012 - transformers' own attribute

    def __init__(
        self,
        structural_vocab_file: str | os.PathLike[str] | None = None,
        bpe_model_file: str | os.PathLike[str] | None = None,
        *,
        structural_vocab_path: str | os.PathLike[str] | None = None,
        bpe_model_path: str | os.PathLike[str] | None = None,
        text_model_sha256: str | None = None,
        recogniser: Recogniser | None = None,
        saved_recogniser: str | None = None,
        model_max_length: int = 2048,
        **kwargs: Any,
    ) -> None:
        self.structural_vocab_file = str(
            structural_vocab_file or structural_vocab_path or _PACKAGE / "structural_vocab.json"
        )
        self.bpe_model_file = str(bpe_model_file or bpe_model_path or _PACKAGE / "text_bpe.model")
        _check_structural(Path(self.structural_vocab_file))
        self.text_model = TextModel.from_file(self.bpe_model_file, recogniser=recogniser)
        self.saved_recogniser = _name_of_recogniser(recogniser, saved_recogniser)
        _check_pieces(self.text_model, self.bpe_model_file, text_model_sha256)
        self._tokens = STRUCTURAL_TOKENS + self.text_model.pieces
        self._token_ids = {token: i for i, token in enumerate(self._tokens)}
        specials = ("pad", "unk", "cls", "sep", "mask")
        for name, token in zip(specials, STRUCTURAL_TOKENS, strict=False):
            kwargs[f"{name}_token"] = token
        kwargs["special_tokens_pattern"] = "cls_sep"
        super().__init__(
            model_max_length=model_max_length,
            text_model_sha256=self.text_model.sha256,
            saved_recogniser=self.saved_recogniser,
            **kwargs,
        )
        # Written-out structural tokens are split off strings, but only the first five are special:
        # the others may be masked.
        self._update_trie(list(STRUCTURAL_TOKENS))

    # --- vocabulary

    @property
    def vocab_size(self) -> int:
        """Structural tokens and pieces: 12,520 with the shipped text model."""
        return len(self._tokens)

    def get_vocab(self) -> dict[str, int]:
        """Token string -> id, for all ids."""
        vocab: dict[str, int] = self._token_ids | self._added_tokens_encoder
        return vocab

    def _convert_token_to_id(self, token: str) -> int:
        return self._token_ids.get(token, UNK_ID)

    def _convert_id_to_token(self, index: int) -> str:
        return self._tokens[index] if 0 <= index < len(self._tokens) else STRUCTURAL_TOKENS[UNK_ID]

    # --- sessions

    @paused_collection()  # from here on, so that the events are gone when it ends
    def encode_session(
        self,
        session: str
        | os.PathLike[str]
        | bytes
        | Mapping[str, Any]
        | Sequence[Any]
        | EncodedSession,
    ) -> EncodedSession:
        """The ids, keyframes and events of a whole session, without [CLS] and [SEP].

        Args:
            session: A path to a recording or its bytes, also as gzip or zstd; its decoded JSON (a
                list of events or an object with an `events` list), or typed events; one that is
                encoded already is given back.

        Raises:
            ValueError: There is no recording in it; says why.
        """
        if isinstance(session, EncodedSession):
            return session
        if isinstance(session, list | tuple) and session and isinstance(session[0], msgspec.Struct):
            return self.encode_events(copy_events(session))
        return self.encode_events(_events_of(session))

    def encode_events(self, events: list[Event]) -> EncodedSession:
        """As `encode_session`, for typed events that are used up: their nodes are changed."""
        return self._serializer.serialize(events)

    def _encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        # Where transformers' __call__ and encode meet, with padding and truncation sorted out.
        found = sessions_of(text)
        if found is None:
            if is_session(text_pair):
                raise ValueError("a text and a session are no pair: encode the session by itself")
            if options.pop("return_event_spans", None):
                raise ValueError("a text has no events for return_event_spans to point at")
            return super()._encode_plus(text, text_pair=text_pair, **options)
        if text_pair is not None:
            raise ValueError("a session has no text_pair: encode the other text by itself")
        sessions, is_batched = found
        checked = SessionOptions(**options)
        return encode_sessions(self, self._encode_each(sessions), checked, is_batched=is_batched)

    def _encode_each(self, sessions: list[Any]) -> list[EncodedSession]:
        encoded: list[EncodedSession] = []
        for number, session in enumerate(sessions):
            try:
                encoded.append(self.encode_session(session))
            except ValueError as error:
                place = f"session {number} of {len(sessions)}: " if len(sessions) > 1 else ""
                raise ValueError(f"{place}{error}") from error
        return encoded

    @cached_property
    def _serializer(self) -> Serializer:
        if self.saved_recogniser is not None and self.text_model.recogniser is None:
            raise ValueError(
                f"this tokenizer was saved with the recogniser {self.saved_recogniser}, without "
                "which it would read what that one hides: load it with recogniser=that function, "
                "or with saved_recogniser=None to go without"
            )
        return Serializer(self.text_model)

    @cached_property
    def _fast(self) -> Tokenizer:
        return build_fast_tokenizer(self.text_model)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _REBUILT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # --- strings

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:
        """Token strings of a text; `split_special_tokens=True` takes "[MASK]" for plain text."""
        if kwargs.get("split_special_tokens", self.split_special_tokens):
            return self._pieces_of(drop_marks(text))
        tokens: list[str] = super().tokenize(text, **kwargs)
        return tokens

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return [text] if text in STRUCTURAL_IDS else self._pieces_of(text)

    def _pieces_of(self, text: str) -> list[str]:
        if has_marks(text):
            text = replace_unencodable(text)
            tokens: list[str] = self._fast.encode(text, add_special_tokens=False).tokens
            return tokens
        return [self._tokens[token_id] for token_id in self.text_model.encode_plain(text)]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """A text that a person can read: structural tokens in brackets, pieces joined to words."""
        return readable((self._token_ids.get(token, UNK_ID) for token in tokens), self.text_model)

    def _decode(self, token_ids: int | Sequence[int], **options: Any) -> str:
        """As for every tokenizer; what is no id, such as the label -100, counts as [UNK]."""
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        known = [i if 0 <= i < len(self._tokens) else UNK_ID for i in map(int, ids)]
        text: str = super()._decode(known, **options)
        return text

    def render(self, ids: Iterable[int]) -> str:
        """The string that encodes, without [CLS] and [SEP] added, to exactly these ids.

        As readable as `decode`; where a text was cut within a word, invisible marks say where its
        pieces end. `tokenizer.json` reads them too.

        Args:
            ids: any ids, as a list, an array or a tensor of one dimension.

        Raises:
            ValueError: An id is outside the vocabulary.
        """
        return render(map(int, ids), self.text_model)

    # --- files

    def save_vocabulary(
        self, save_directory: str | os.PathLike[str], filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Writes the two files that decide the ids, and returns their paths."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        contents = {
            "structural_vocab_file": render_json().encode(),
            "bpe_model_file": self.text_model.model_proto,
        }
        paths: list[str] = []
        for name, content in contents.items():
            path = Path(save_directory) / (prefix + _VOCAB_FILES[name])
            path.write_bytes(content)
            paths.append(str(path))
        return tuple(paths)

    def _save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        file_names: tuple[str, ...],
        legacy_format: bool | None = None,
        filename_prefix: str | None = None,
    ) -> tuple[str, ...]:
        # Here and not in save_pretrained, so that the file is there before anything is pushed.
        saved: tuple[str, ...] = super()._save_pretrained(
            save_directory, file_names, legacy_format, filename_prefix
        )
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = Path(save_directory) / (prefix + _FAST_FILE)
        build_fast_tokenizer(self.text_model).save(str(path))
        return (*saved, str(path))


def _check_structural(path: Path) -> None:
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: no JSON object of structural tokens") from error
    if not isinstance(pairs, list) or not all(type(pair) is tuple for pair in pairs):
        raise ValueError(f"{path}: no JSON object of structural tokens")
    if sorted(pairs, key=str) == sorted(STRUCTURAL_IDS.items(), key=str):
        return
    odd = next((pair for pair in pairs if STRUCTURAL_IDS.get(pair[0]) != pair[1]), None)
    what = f"{odd[0]!r} has id {odd[1]!r} there" if odd else f"{len(pairs)} tokens there"
    raise ValueError(
        f"{path}: another structural vocabulary than this package's table of {NUM_STRUCTURAL} "
        f"tokens ({what}). It comes from another version: install that version of rrweb-bert"
    )


def _check_pieces(text_model: TextModel, path: str, sha256: str | None) -> None:
    max_pieces = MAX_VOCAB_SIZE - NUM_STRUCTURAL
    if text_model.num_pieces > max_pieces:
        raise ValueError(
            f"{path}: {text_model.num_pieces:,} pieces, but ids of 16 bits have room for "
            f"{max_pieces:,}: train with a smaller --vocab_size"
        )
    if sha256 is not None and sha256 != text_model.sha256:
        raise ValueError(
            f"{path}: its sha256 {text_model.sha256} is not {sha256}, which was saved with the "
            "tokenizer: the file was changed or belongs to another model"
        )


def _name_of_recogniser(recogniser: Recogniser | None, saved: str | None) -> str | None:
    if recogniser is None:
        return saved
    name = recogniser_name(recogniser)
    if saved is not None and saved != name:
        raise ValueError(
            f"this tokenizer was saved with the recogniser {saved}, not {name}: the ids of "
            "sessions will be others; pass saved_recogniser=None as well if that is what you want"
        )
    return name


def _events_of(session: Any) -> list[Event]:
    """The typed events of a path, of bytes, or of decoded JSON."""
    name = "the session"
    if isinstance(session, str | os.PathLike):
        path = Path(session)
        name = str(path)
        text = path.read_bytes()
    elif isinstance(session, bytes | bytearray | memoryview):
        text = bytes(session)
    else:
        try:
            text = json.dumps(session).encode()
        except (TypeError, RecursionError) as error:
            raise ValueError(
                f"{name}: its events are not as JSON gives them ({error}); "
                "give the recording's path or bytes"
            ) from error
    try:
        decoded = decode_events(find_events(unpacked(text)).parts)
    except NotARecording as error:
        raise ValueError(f"{name}: no rrweb recording: {error.reason}") from error
    if not decoded.events:
        raise ValueError(f"{name}: no usable rrweb event: {decoded.first_error}")
    return decoded.events
