"""JSON Lines: events, lists of events, rows of windows, or whole recordings, one a line.

What a line is follows from the line alone but in one case. Lists of events may be the batches of
one session or sessions by themselves: where the first two lists each open with a page (a full
snapshot among their first events), every list is a session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import msgspec
from msgspec import Struct, field

from rrweb_tokenizer.forms import event_list, posthog
from rrweb_tokenizer.forms.found import (
    DECODE_ERRORS,
    FoundSession,
    NotARecording,
    decode_elements,
    decode_members,
    session_id_of,
    starts_with,
)
from rrweb_tokenizer.forms.joining import MAX_JOINED_BYTES, Joiner
from rrweb_tokenizer.forms.packed import Expander
from rrweb_tokenizer.forms.wrapper import find_in_object
from rrweb_tokenizer.surrogates import without_lone_surrogates

__all__ = ["are_lines", "find_in_lines"]

_FULL_SNAPSHOT: Final = 2
_NUM_PROBED: Final = 5


_ABSENT: Final = msgspec.Raw(b"")


class _Line(Struct):
    """The members that tell what a line's object is."""

    type: msgspec.Raw = _ABSENT
    window_id: str | int | None = field(default=None, name="windowId")
    session_id: str | int | None = field(default=None, name="sessionId")
    cv: str | None = None
    page_id: str | int | None = field(default=None, name="pageId")
    event: msgspec.Raw = _ABSENT


class _Type(Struct):
    type: int | None = None


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_type: Final = msgspec.json.Decoder(_Type).decode


def are_lines(first_line: bytes) -> bool:
    """Whether a text's first line is a whole list or object, so that it may be JSON Lines."""
    try:
        first = msgspec.json.decode(first_line, type=msgspec.Raw)
    except DECODE_ERRORS:
        return False
    return starts_with(first, b"[") or starts_with(first, b"{") or starts_with(first, b'"')


def find_in_lines(
    lines: Iterable[bytes],
    expander: Expander,
    *,
    max_bytes: int = MAX_JOINED_BYTES,
    is_whole: bool = True,
) -> Iterator[FoundSession]:
    """Yield the sessions of lines as soon as they are whole; memory is bounded by `max_bytes`.

    Args:
        lines: the lines, with or without their ends.
        expander: unpacks packed strings.
        max_bytes: bound on what is held, and thus on one joined session.
        is_whole: these are all the lines, so that a single session needs no name.

    Raises:
        NotARecording: one session is larger than `max_bytes`.
    """
    return _LineReader(expander, max_bytes).read(lines, is_whole=is_whole)


class _LineReader:
    """What has to be remembered from line to line."""

    def __init__(self, expander: Expander, max_bytes: int) -> None:
        self._expander = expander
        self._joiner = Joiner(max_bytes)
        self._first_list: tuple[int, bytes] | None = None
        self._are_sessions: bool | None = None
        self._num_out = 0
        self._num_joined = 0

    def read(self, lines: Iterable[bytes], *, is_whole: bool) -> Iterator[FoundSession]:
        for number, raw_line in enumerate(lines):
            line = raw_line.strip(b" \t\r\n")
            if not line:
                continue
            for session in self._read_line(number, line):
                self._num_out += 1
                yield session
        yield from self._batches_so_far()
        yield from self._joiner.finish(is_whole=is_whole and self._num_out == 0)

    def _read_line(self, number: int, line: bytes) -> Iterable[FoundSession]:
        if line[:1] == b"{":
            return self._object(number, line)
        if line[:1] == b"[":
            return self._list(number, line)
        parts = [line]
        if line[:1] == b'"':
            with contextlib.suppress(*DECODE_ERRORS):
                parts = event_list.unpack_strings([msgspec.Raw(line)], self._expander)
        return self._piece(number, FoundSession(parts=parts, form="lines"))

    def _damaged(self, number: int, line: bytes) -> Iterable[FoundSession]:
        repaired = without_lone_surrogates(line)
        if repaired != line:
            return self._read_line(number, repaired)
        return self._piece(number, FoundSession(parts=[line], form="lines"))

    def _piece(self, number: int, piece: FoundSession) -> list[FoundSession]:
        self._num_joined += 1
        return self._joiner.add(replace(piece, segment=number))

    # --- lists

    def _list(self, number: int, line: bytes) -> Iterator[FoundSession]:
        try:
            elements = decode_elements(line)
        except DECODE_ERRORS:
            yield from self._damaged(number, line)
            return
        if not elements:
            return
        row = posthog.window_row(elements)
        if row is not None:
            event = posthog.expand_event(row[1], self._expander)
            yield from self._joiner.add_event(number, event, "posthog rows", "", row[0])
        elif starts_with(elements[0], b'"'):
            parts = event_list.unpack_strings(elements, self._expander)
            yield from self._piece(number, FoundSession(parts=parts, form="lines of packed"))
        elif self._are_sessions is not None:
            yield from self._settled_list(number, line)
        elif self._first_list is None and not self._num_joined:
            self._first_list = (number, line)
        else:
            first = self._first_list
            self._are_sessions = (
                first is not None
                and _opens_a_page(decode_elements(first[1]))
                and _opens_a_page(elements)
            )
            yield from self._batches_so_far()
            yield from self._settled_list(number, line)

    def _batches_so_far(self) -> Iterator[FoundSession]:
        if self._first_list is not None:
            first, self._first_list = self._first_list, None
            yield from self._settled_list(*first)

    def _settled_list(self, number: int, line: bytes) -> Iterator[FoundSession]:
        for session in event_list.find_in_list(line, self._expander):
            if self._are_sessions:
                record = f"{number}/{session.record}" if session.record else str(number)
                yield replace(session, record=record, form=f"lines of {session.form}")
            else:
                yield from self._piece(number, replace(session, form="lines"))

    # --- objects

    def _object(self, number: int, line: bytes) -> Iterable[FoundSession]:
        try:
            keys = _decode_line(line)
        except DECODE_ERRORS:
            return self._damaged(number, line)
        has_type = keys.type is not _ABSENT
        if has_type and not starts_with(keys.type, b'"'):
            event = posthog.expand_event(line, self._expander) if keys.cv is not None else line
            return self._event(number, keys, event, "lines")
        if starts_with(keys.event, b"{") and not has_type:
            return self._event(number, keys, bytes(keys.event), "lines of steel")
        return self._recording(number, line)

    def _event(self, number: int, keys: _Line, event: bytes, form: str) -> Iterable[FoundSession]:
        window = keys.window_id if keys.window_id is not None else keys.page_id
        batches = list(self._batches_so_far())
        self._num_joined += 1
        out = self._joiner.add_event(
            number,
            event,
            form,
            "" if keys.session_id is None else str(keys.session_id),
            "" if window is None else str(window),
        )
        return batches + out

    def _recording(self, number: int, line: bytes) -> Iterator[FoundSession]:
        """A whole recording, or a piece of one, in its wrapper."""
        try:
            found = list(_find_in_line(line, self._expander))
        except NotARecording:
            yield from self._piece(number, FoundSession(parts=[line], form="lines"))
            return
        for session in found:
            record = session.record or session_id_of(session.fields)
            named = replace(session, record=record, form=f"lines of {session.form}")
            if record or session.segment is not None:
                yield from self._piece(number, named)
            else:
                yield replace(named, record=str(number))


def _find_in_line(line: bytes, expander: Expander) -> Iterator[FoundSession]:
    members = decode_members(line)
    lists = posthog.window_lists(members)
    if lists is not None and "window_id" in members:
        # A line of a blob: all lines are one session, each line a batch of one window.
        for window, raw in lists[0].items():
            for session in event_list.find_in_list(bytes(raw), expander):
                yield replace(session, form="posthog", window=window, segment=0)
        return
    yield from find_in_object(line, expander)


def _opens_a_page(elements: list[msgspec.Raw]) -> bool:
    for raw in elements[:_NUM_PROBED]:
        try:
            if _decode_type(raw).type == _FULL_SNAPSHOT:
                return True
        except DECODE_ERRORS:
            continue
    return False
