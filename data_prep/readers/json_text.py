"""Recordings as JSON text: every form that `rrweb_tokenizer.recording` knows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

from data_prep.readers.content import Content
from data_prep.readers.reader import Reader, expander_of
from data_prep.readers.session import UnreadableError
from rrweb_tokenizer.forms.lines import are_lines, find_in_lines
from rrweb_tokenizer.recording import FoundSession, find_pieces

__all__ = ["READER"]

# UTF-32's mark begins with UTF-16's, so it comes first.
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_OPENS_JSON: Final = re.compile(rb"[ \t\r\n]*[\[{]|[ \t\r\n]*\"")
_STREAMED_FROM_BYTES: Final = 64 << 20
"""Shorter texts are read as a whole; longer ones line by line, where they consist of lines."""


def _is_json_text(head: bytes) -> bool:
    if head.startswith(tuple(mark for mark, _ in _BYTE_ORDER_MARKS)):
        return True
    return _OPENS_JSON.match(head) is not None


def _read(content: Content) -> Iterator[FoundSession]:
    """Yield the sessions of a text; long JSON Lines in memory that does not grow with them.

    Raises:
        UnreadableError: Too large, or not in the encoding that its mark says.
        NotARecording: No JSON, or JSON that is no recording.
    """
    max_session_bytes = content.limits.max_session_bytes
    start, is_all = content.read_up_to(_STREAMED_FROM_BYTES)
    if not is_all and are_lines(start[: start.find(b"\n") + 1].removeprefix(codecs.BOM_UTF8)):
        del start
        yield from find_in_lines(
            _without_mark(content.lines()), expander_of(content), max_bytes=max_session_bytes
        )
        return
    del start
    text = _as_utf8(content.read_all())
    yield from find_pieces(text, expander_of(content), max_joined_bytes=max_session_bytes)


def _without_mark(lines: Iterator[bytes]) -> Iterator[bytes]:
    yield next(lines, b"").removeprefix(codecs.BOM_UTF8)
    yield from lines


def _as_utf8(text: bytes) -> bytes:
    """Return the text as UTF-8 without a mark, so that equal texts have equal hashes."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if text.startswith(mark):
            try:
                return text.decode(encoding).encode()
            except UnicodeError:
                raise UnreadableError(f"not valid {encoding.upper()}") from None
    return text


READER: Final = Reader(name="JSON text", detect=_is_json_text, read=_read)
