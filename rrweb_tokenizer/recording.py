"""The text of a recording -> where its events stand.

Nothing is decoded beyond what tells the forms apart; `schema.decode_events` does the rest. The
forms themselves are in `rrweb_tokenizer.forms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from rrweb_tokenizer.forms.event_list import find_in_list
from rrweb_tokenizer.forms.found import (
    DECODE_ERRORS,
    FoundSession,
    NotARecording,
    decode_elements,
    is_json,
)
from rrweb_tokenizer.forms.joining import MAX_JOINED_BYTES, Joiner
from rrweb_tokenizer.forms.lines import are_lines, find_in_lines
from rrweb_tokenizer.forms.packed import Expander
from rrweb_tokenizer.forms.segments import find_in_segment, is_segment
from rrweb_tokenizer.forms.wrapper import find_in_object
from rrweb_tokenizer.surrogates import without_lone_surrogates

__all__ = ["FoundSession", "NotARecording", "find_events", "find_pieces", "find_sessions"]

_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"


def find_events(text: bytes) -> FoundSession:
    """Finds the events of the one session in a recording's JSON text.

    Several windows of one session come as one stream whose events name their windows
    (`windowId`), which the serializer keeps apart.

    Raises:
        NotARecording: the text is empty, no JSON, JSON without events, or holds several sessions.
    """
    sessions = list(find_sessions(text))
    if len(sessions) == 1:
        return sessions[0]
    if len({session.record for session in sessions}) == 1:
        return _one_stream(sessions)
    names = ", ".join(session.record for session in sessions[:3])
    raise NotARecording(
        f"it holds {len(sessions)} sessions ({names}{', ...' if len(sessions) > 3 else ''}); "
        "give the events of one of them, or prepare the file with python -m data_prep prepare"
    )


def _one_stream(windows: list[FoundSession]) -> FoundSession:
    parts: list[bytes] = []
    for session in windows:
        name = b'"windowId":' + msgspec.json.encode(session.window)
        for part in session.parts:
            if part[:1] != b"[" or not is_json(part):
                parts.append(part)  # damaged: counted when it is decoded
                continue
            events = [bytes(raw) for raw in decode_elements(part)]
            named = [
                b"{" + name + b"," + event[1:]
                if event[:1] == b"{" and event[1:2] != b"}"
                else event
                for event in events
            ]
            parts.append(b"[" + b",".join(named) + b"]")
    return replace(windows[0], parts=parts, window="")


def find_sessions(
    text: bytes, expander: Expander | None = None, *, max_joined_bytes: int = MAX_JOINED_BYTES
) -> Iterator[FoundSession]:
    """Yields the sessions in JSON text (UTF-8, a byte-order mark is allowed), at least one.

    Args:
        text: what a file holds, after decompression.
        expander: unpacks packed strings, with its bounds; one of its own where not given.
        max_joined_bytes: bound on a session that is put together from lines or segments.

    Raises:
        NotARecording: the text is empty, no JSON, or JSON without events.
    """
    expander = expander or Expander()
    joiner = Joiner(max_joined_bytes)
    num_out = num_pieces = 0
    for session in find_pieces(text, expander, max_joined_bytes=max_joined_bytes):
        if session.segment is None:
            num_out += 1
            yield session
        else:
            num_pieces += 1
            yield from joiner.add(session)
    yield from joiner.finish(is_whole=num_out == 0)
    if not num_out and not num_pieces:
        raise NotARecording("no event in it")


def find_pieces(
    text: bytes, expander: Expander, *, max_joined_bytes: int = MAX_JOINED_BYTES
) -> Iterator[FoundSession]:
    """As `find_sessions`, but pieces of sessions (those with a `segment`) are left apart."""
    text = text.removeprefix(_BOM)
    if is_segment(text):
        try:
            yield from find_in_segment(text, expander)
        except DECODE_ERRORS as error:
            raise NotARecording(_reason(error)) from None
        return
    text = text.strip(_SPACE)
    if not text:
        raise NotARecording("empty")
    if text[:1] not in (b"[", b"{", b'"'):
        raise NotARecording("not JSON: it starts with neither '[' nor '{'")
    try:
        if text[:1] == b"[":
            yield from find_in_list(text, expander)
        elif text[:1] == b"{":
            yield from find_in_object(text, expander)
        else:
            yield from _packed_text(text, expander)
    except DECODE_ERRORS as error:
        repaired = without_lone_surrogates(text)
        if repaired != text:
            yield from find_pieces(repaired, expander, max_joined_bytes=max_joined_bytes)
        else:
            yield from _from_lines(text, error, expander, max_joined_bytes)


def _packed_text(text: bytes, expander: Expander) -> Iterator[FoundSession]:
    """A single packed event: what `pack` returned, stored as JSON."""
    yield from find_in_list(b"[" + text + b"]", expander)


def _from_lines(
    text: bytes, error: Exception, expander: Expander, max_joined_bytes: int
) -> Iterator[FoundSession]:
    """JSON Lines, told by a first line that is a whole JSON value by itself."""
    lines = [line for line in text.splitlines() if line.strip(_SPACE)]
    if len(lines) < 2 or not are_lines(lines[0]):
        raise NotARecording(_reason(error)) from None
    yield from find_in_lines(lines, expander, max_bytes=max_joined_bytes)


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
