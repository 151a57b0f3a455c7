"""The Hugging Face tokenizer: 520 structural tokens, then 12,000 pieces of text.

A `str` is always text in which structural tokens may be written out ("[MI_Click] Buy [MASK]"); a
`Path` or a list of events is a session. Text from pages reaches ids only through sessions, where it
is redacted and can never spell a structural token.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec
from transformers import BatchEncoding, PreTrainedTokenizer

from rrweb_tokenizer.chapters import EncodedSession
from rrweb_tokenizer.fast_export import build_fast_tokenizer
from rrweb_tokenizer.recognisers import Recogniser, recogniser_name
from rrweb_tokenizer.recording import NotARecording, find_events
from rrweb_tokenizer.schema import Event, decode_events
from rrweb_tokenizer.serializer import Serializer, copy_events
from rrweb_tokenizer.structural_vocab import (
    NUM_STRUCTURAL,
    NUM_TEXT_PIECES,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    UNK_ID,
    VOCAB_SIZE,
    render_json,
)
from rrweb_tokenizer.text_model import TextModel

__all__ = ["RRWebTokenizer"]

_VOCAB_FILES: Final = {
    "structural_vocab_file": "structural_vocab.json",
    "bpe_model_file": "text_bpe.model",
}
_FAST_FILE: Final = "tokenizer.json"
_COMPRESSED: Final = {".gz": "gunzip", ".zst": "unzstd"}
_PACKAGE: Final = Path(__file__).parent


class RRWebTokenizer(PreTrainedTokenizer):  # type: ignore[misc]  # transformers is untyped
    """Tokenizer of rrweb sessions and of strings that mix structural tokens and text.

    Args:
        structural_vocab_file: JSON of the structural tokens; it must equal this package's table.
            The shipped file where not given. `structural_vocab_path` is another name for it.
        bpe_model_file: SentencePiece model of 12,000 pieces; the shipped one where not given.
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
        """12,520: structural tokens and pieces."""
        return VOCAB_SIZE

    def get_vocab(self) -> dict[str, int]:
        """Token string -> id, for all ids."""
        vocab: dict[str, int] = self._token_ids | self._added_tokens_encoder
        return vocab

    def _convert_token_to_id(self, token: str) -> int:
        return self._token_ids.get(token, UNK_ID)

    def _convert_id_to_token(self, index: int) -> str:
        return self._tokens[index] if 0 <= index < VOCAB_SIZE else STRUCTURAL_TOKENS[UNK_ID]

    # --- sessions

    def encode_session(
        self, session: str | os.PathLike[str] | bytes | Mapping[str, Any] | Sequence[Any]
    ) -> EncodedSession:
        """The ids, keyframes and events of a whole session, without [CLS] and [SEP].

        Args:
            session: A path to an uncompressed recording, the bytes of one, its decoded JSON (a list
                of events or an object with an `events` list), or typed events.

        Raises:
            ValueError: There is no recording in it, or the file is compressed; says what to do.
        """
        if isinstance(session, list) and session and isinstance(session[0], msgspec.Struct):
            return self.encode_events(copy_events(session))
        return self.encode_events(_events_of(session))

    def encode_events(self, events: list[Event]) -> EncodedSession:
        """As `encode_session`, for typed events that are used up: their nodes are changed."""
        return self._serializer.serialize(events)

    def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> BatchEncoding:
        """Encodes text, a session, or a list of either; arguments are those of any tokenizer.

        A `str` is text, a `Path` a recording's file, a list of events a session. A session becomes
        the ids of all of it; truncation, padding, tensors and so on work as for text.
        """
        if _is_session(text):
            text = self.encode_session(text).ids.tolist()
        elif isinstance(text, list | tuple) and text and all(map(_is_session, text)):
            text = [self.encode_session(session).ids.tolist() for session in text]
        return super().__call__(text, *args, **kwargs)

    @cached_property
    def _serializer(self) -> Serializer:
        if self.saved_recogniser is not None and self.text_model.recogniser is None:
            raise ValueError(
                f"this tokenizer was saved with the recogniser {self.saved_recogniser}, without "
                "which it would read what that one hides: load it with recogniser=that function, "
                "or with saved_recogniser=None to go without"
            )
        return Serializer(self.text_model)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_serializer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # --- strings

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:
        """Token strings of a text; `split_special_tokens=True` takes "[MASK]" for plain text."""
        if kwargs.get("split_special_tokens", self.split_special_tokens):
            return self._pieces_of(text)
        tokens: list[str] = super().tokenize(text, **kwargs)
        return tokens

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return [text] if text in STRUCTURAL_IDS else self._pieces_of(text)

    def _pieces_of(self, text: str) -> list[str]:
        return [self._tokens[token_id] for token_id in self.text_model.encode_plain(text)]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        """A text that a person can read: structural tokens in brackets, pieces joined to words."""
        ids = [self._token_ids.get(token, UNK_ID) for token in tokens]
        parts: list[str] = []
        for is_text, run in groupby(ids, lambda token_id: token_id >= NUM_STRUCTURAL):
            if is_text:
                parts.append(self.text_model.decode_plain(list(run)))
            else:
                parts += [STRUCTURAL_TOKENS[token_id] for token_id in run]
        return " ".join(parts)

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
    if text_model.num_pieces != NUM_TEXT_PIECES:
        raise ValueError(
            f"{path}: {text_model.num_pieces:,} pieces, but the vocabulary has room for exactly "
            f"{NUM_TEXT_PIECES:,}: train with --vocab_size {NUM_TEXT_PIECES}"
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


def _is_session(candidate: Any) -> bool:
    """Whether a tokenizer's input is a recording: a path, or a list of events."""
    if isinstance(candidate, list) and candidate:
        return isinstance(candidate[0], dict | msgspec.Struct)
    return isinstance(candidate, Path)


def _events_of(session: Any) -> list[Event]:
    """The typed events of a path, of bytes, or of decoded JSON."""
    name = "the session"
    if isinstance(session, str | os.PathLike):
        path = Path(session)
        name = str(path)
        if path.suffix.lower() in _COMPRESSED:
            remedy = f"{_COMPRESSED[path.suffix.lower()]} {path.name}"
            raise ValueError(
                f"{path}: compressed; unpack it first ({remedy}), or prepare whole folders with "
                "python -m data_prep prepare, which reads it as it is"
            )
        text = path.read_bytes()
    elif isinstance(session, bytes | bytearray | memoryview):
        text = bytes(session)
    else:
        text = json.dumps(session).encode()
    try:
        decoded = decode_events(find_events(text).parts)
    except NotARecording as error:
        raise ValueError(f"{name}: no rrweb recording: {error.reason}") from error
    if not decoded.events:
        raise ValueError(f"{name}: no usable rrweb event: {decoded.first_error}")
    return decoded.events
