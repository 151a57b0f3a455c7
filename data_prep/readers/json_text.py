"""Recordings as JSON text: a list of events, an object around it, or JSON Lines."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.limits import Limits
from data_prep.readers.session import Session, UnreadableError
from rrweb_tokenizer.recording import NotARecording, find_events

__all__ = ["is_json_text", "read_json_text"]

# UTF-32's mark begins with UTF-16's, so it comes first.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_OPENS_JSON = re.compile(rb"[ \t\r\n]*[\[{]")


def is_json_text(content: bytes) -> bool:
    """Tell whether the content may be JSON: it opens with a bracket, a brace, or a text's mark."""
    if content.startswith(tuple(mark for mark, _ in _BYTE_ORDER_MARKS)):
        return True
    return _OPENS_JSON.match(content) is not None


def read_json_text(content: bytes, path: Path, source_id: str, limits: Limits) -> Iterator[Session]:
    """Yield the one session of a JSON text.

    Raises:
        UnreadableError: No JSON, or JSON that is no recording.
    """
    del limits  # the size was checked before; there is one session
    text = _as_utf8(content)
    try:
        found = find_events(text)
    except NotARecording as error:
        raise UnreadableError(error.reason) from None
    yield Session(
        session_id=source_id,
        path=path,
        parts=found.parts,
        fields=found.fields,
        sha256=hashlib.sha256(text).hexdigest(),
        num_bytes=len(text),
    )


def _as_utf8(content: bytes) -> bytes:
    """Return the text as UTF-8 without a mark, so that equal texts have equal hashes."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding).encode()
            except UnicodeError:
                raise UnreadableError(f"not valid {encoding.upper()}") from None
    return content
