"""Rows of a table -> sessions: which columns hold what follows from their names and content.

Three layouts are known::

    events as JSON     a column, possibly nested in lists and structs, whose values are lists of
                       events or recordings: JSON text, compressed JSON, or native lists of structs
    an event a row     such a column with single events; a session's rows share its id
    an event exploded  columns for type, timestamp and data; a session's rows share its id
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final

import msgspec

from data_prep.readers.compression import is_compressed
from data_prep.readers.content import Content
from data_prep.readers.session import Rejected, UnreadableError
from rrweb_tokenizer.forms.found import DECODE_ERRORS, decode_elements, decode_members
from rrweb_tokenizer.forms.joining import Joiner
from rrweb_tokenizer.forms.packed import Expander
from rrweb_tokenizer.forms.vendors import date_to_ms, kind_of
from rrweb_tokenizer.recording import FoundSession, NotARecording, find_sessions

__all__ = ["Layout", "layout_of", "sessions_of_rows"]

Row = Mapping[str, Any]

_NUM_PROBED_ROWS: Final = 50
_NUM_PROBED_ELEMENTS: Final = 5
_MAX_FIELD_CHARS: Final = 4096
_EVENTS_NAMES: Final = (
    *("events", "rrweb_events", "rrweb_record", "rrweb", "snapshots", "snapshot_data"),
    *("recording", "session_recording", "events_json", "payload", "data", "event", "value"),
)
_SESSION_NAMES: Final = (
    *("session_id", "sessionId", "sessionid", "session", "session_key", "session_uuid"),
    *("replay_id", "replayId", "recording_id", "recordingId"),
)
_ROW_NAMES: Final = ("task_id", "id", "uuid", "_id", "key", "name")
_WINDOW_NAMES: Final = ("window_id", "windowId", "page_id", "pageId", "tab_id", "tabId")
_ORDER_NAMES: Final = ("chunk_index", "segment_id", "seq", "sequence", "chunk", "segment")
_TYPE_NAMES: Final = ("event_type", "eventType", "type")
_DATA_NAMES: Final = ("event_data", "eventData", "data")
_TIME_NAMES: Final = ("event_timestamp", "eventTimestamp", "timestamp", "ts", "event_time", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which columns hold what."""

    events: tuple[str, ...] = ()
    """Path of the events' column: names of members, "*" for the elements of a list. Empty where an
    event is spread over columns."""

    is_event_a_row: bool
    type: str | None = None
    data: str | None = None
    time: str | None = None
    session: str | None = None
    """Rows with an equal value here are one session."""

    name: str | None = None
    """Names a row that is a session by itself."""

    window: str | None = None
    order: str | None = None


def sessions_of_rows(
    rows: Iterable[Row], content: Content, expander: Expander, *, form: str
) -> Iterator[FoundSession | Rejected]:
    """Yield the sessions of a table.

    Args:
        rows: The table's rows; columns that are no scalars, lists or dicts are ignored.
        content: The file that the table stands in.
        expander: Unpacks packed strings.
        form: What the form is called.

    Raises:
        UnreadableError: No column holds events.
    """
    iterator = iter(rows)
    probed = list(islice(iterator, _NUM_PROBED_ROWS))
    layout = layout_of(probed)
    if layout is None:
        raise UnreadableError("no column of it holds rrweb events")
    all_rows = chain(probed, iterator)
    del probed
    reader = _RowReader(layout, content, expander, form)
    yield from reader.read(all_rows)


def layout_of(rows: list[Row]) -> Layout | None:
    """Return the layout of a table by its first rows; None where no column holds events."""
    if not rows:
        return None
    names = list(rows[0])

    def named(candidates: Iterable[str]) -> str | None:
        return next((name for name in candidates if name in names), None)

    streams: dict[str, Any] = {
        "session": named(_SESSION_NAMES),
        "window": named(_WINDOW_NAMES),
        "name": named(_ROW_NAMES),
        "order": named(_ORDER_NAMES),
    }
    kind, data = named(_TYPE_NAMES), named(_DATA_NAMES)
    if kind is not None and data is not None and _is_exploded(rows, kind, data):
        return Layout(is_event_a_row=True, type=kind, data=data, time=named(_TIME_NAMES), **streams)
    preferred = [name for name in _EVENTS_NAMES if name in names]
    for name in preferred + [name for name in names if name not in _EVENTS_NAMES]:
        for row in rows:
            found = _events_below(row[name], (name,))
            if found is not None:
                return Layout(events=found[0], is_event_a_row=found[1] == "event", **streams)
    return None


def _is_exploded(rows: list[Row], kind: str, data: str) -> bool:
    types = [row[kind] for row in rows if row[kind] is not None]
    values = [row[data] for row in rows if row[data] is not None]
    return (
        bool(types)
        and all(isinstance(t, int) or (isinstance(t, str) and t.isdecimal()) for t in types)
        and any(isinstance(v, dict) or str(v).lstrip()[:1] == "{" for v in values)
    )


def _events_below(value: Any, path: tuple[str, ...]) -> tuple[tuple[str, ...], str] | None:
    """Return the path of the first events in a value, and whether they are a list or an event."""
    kind = _kind_of_events(value)
    if kind is not None:
        return path, kind
    if isinstance(value, dict):
        inner = [name for name in _EVENTS_NAMES if name in value]
        for name in inner + [name for name in value if name not in _EVENTS_NAMES]:
            found = _events_below(value[name], (*path, name))
            if found is not None:
                return found
    elif isinstance(value, list):
        for element in value[:_NUM_PROBED_ELEMENTS]:
            found = _events_below(element, (*path, "*"))
            if found is not None:
                return found
    return None


def _kind_of_events(value: Any) -> str | None:
    """Return "list" for events or a recording, "event" for one event, None for anything else."""
    if isinstance(value, dict):
        is_event = isinstance(value.get("type"), int) and ("data" in value or "timestamp" in value)
        return "event" if is_event else None
    if isinstance(value, list):
        is_events = bool(value) and _kind_of_events(value[0]) == "event"
        return "list" if is_events and isinstance(value[0], dict) else None
    if not isinstance(value, str | bytes):
        return None
    text = value.encode(errors="replace") if isinstance(value, str) else value
    if is_compressed(text):
        return "list"
    text = text.strip()
    try:
        if text[:1] == b"[":
            elements = decode_elements(text)
            first = bytes(elements[0]) if elements else b""
            if first[:1] == b"[":  # a recording of several lists
                inner = decode_elements(first)
                return "list" if inner and _is_event(bytes(inner[0])) else None
            if first[:2] in (b'"x', b'"{') or first[:7] == b'"\\u001f':
                return "list"
            return "list" if first[:1] == b"{" and _is_event(first) else None
        if text[:1] == b"{":
            return "event" if _is_event(text) else _kind_of_recording(text)
    except DECODE_ERRORS:
        return None
    return None


def _is_event(text: bytes) -> bool:
    members = decode_members(text)
    if kind_of(members) is not None:
        return True
    is_numbered = "type" in members and bytes(members["type"]).isdigit()
    return is_numbered and ("data" in members or "timestamp" in members)


def _kind_of_recording(text: bytes) -> str | None:
    try:
        found = next(find_sessions(text), None)
    except NotARecording:
        return None
    return "list" if found is not None and _kind_of_events(found.parts[0]) is not None else None


class _RowReader:
    """Reads rows of one layout."""

    def __init__(self, layout: Layout, content: Content, expander: Expander, form: str) -> None:
        self._layout, self._content, self._form = layout, content, form
        self._expander = expander
        self._joiner = Joiner(content.limits.max_session_bytes)

    def read(self, rows: Iterable[Row]) -> Iterator[FoundSession | Rejected]:
        for number, row in enumerate(rows):
            try:
                yield from self._row(number, row)
            except (UnreadableError, NotARecording) as error:
                yield Rejected(path=self._content.path, reason=error.reason, where=f"row {number}")
        yield from self._joiner.finish()

    def _row(self, number: int, row: Row) -> Iterator[FoundSession]:
        layout = self._layout
        session = _text(row.get(layout.session)) if layout.session else ""
        window = _text(row.get(layout.window)) if layout.window else ""
        if not layout.events:
            event = _exploded_event(row, layout)
            piece = FoundSession(
                parts=[event],
                fields=_fields(row, layout),
                form=f"{self._form}, exploded",
                record=session,
                window=window,
                segment=number,
            )
            yield from self._joiner.add(piece)
            return
        for place, value in _values_at(row, layout.events):
            yield from self._value(number, row, session, window, place, value)

    def _value(
        self, number: int, row: Row, session: str, window: str, place: str, value: Any
    ) -> Iterator[FoundSession]:
        layout = self._layout
        text = self._bytes_of(value)
        if text.strip() in (b"", b"[]", b"{}", b"null"):
            return
        order = _text(row.get(layout.order)) if layout.order else ""
        name = _text(row.get(layout.name)) if layout.name else ""
        is_joined = not place and (bool(session) or layout.is_event_a_row)
        for found in find_sessions(text, self._expander):
            inner = "/".join(filter(None, (place, found.record)))
            piece = replace(
                found,
                fields=_fields(row, layout) | found.fields,
                form=f"{self._form} of {found.form}",
                record=session if is_joined else session or name or str(number),
                window="/".join(filter(None, (window, inner, found.window))),
            )
            if is_joined:
                segment = int(order) if order.isdecimal() else number
                yield from self._joiner.add(replace(piece, segment=segment))
            else:
                yield piece

    def _bytes_of(self, value: Any) -> bytes:
        """Return the JSON of a column's value, decompressed within the limits."""
        if isinstance(value, dict | list):
            return _encode(_without_nulls(value))
        if isinstance(value, str):
            return value.encode(errors="replace")
        if not isinstance(value, bytes):
            raise UnreadableError("a value that is no JSON")
        if not is_compressed(value):
            return value
        content = Content(io.BytesIO(value), self._content.limits, path=self._content.path)
        return content.read_all()


def _values_at(value: Any, path: tuple[str, ...], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (place in the lists passed, value) of all values at a path, None left out."""
    if value is None:
        return
    if not path:
        yield place, value
    elif path[0] == "*":
        for index, element in enumerate(value if isinstance(value, list) else ()):
            inner = f"{place}/{index}" if place else str(index)
            yield from _values_at(element, path[1:], inner)
    elif isinstance(value, Mapping):
        yield from _values_at(value.get(path[0]), path[1:], place)


def _exploded_event(row: Row, layout: Layout) -> bytes:
    data = row.get(layout.data or "")
    if isinstance(data, dict):
        data = _encode(_without_nulls(data))
    elif isinstance(data, str):
        data = data.encode(errors="replace")
    members = [b'"type":' + _text(row.get(layout.type or "")).encode()]
    time_ms = _time_ms(row.get(layout.time)) if layout.time else None
    if time_ms is not None:
        members.append(b'"timestamp":' + _encode(time_ms))
    members.append(b'"data":' + (data if isinstance(data, bytes) and data else b"{}"))
    return b"{" + b",".join(members) + b"}"


def _time_ms(value: Any) -> float | None:
    """Return epoch milliseconds: numbers are taken for that, dates are converted."""
    if isinstance(value, datetime):
        zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return round(zoned.timestamp() * 1000, 3)
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        return float(value)
    except ValueError:
        return date_to_ms(value)


def _fields(row: Row, layout: Layout) -> dict[str, str]:
    """Return a row's scalars beside the events, one level of structs as "user.id"."""
    own = {layout.type, layout.data, layout.time, *layout.events[:1]}
    fields: dict[str, str] = {}
    for name, value in row.items():
        if name in own:
            continue
        members = value.items() if isinstance(value, dict) else [("", value)]
        for inner, scalar in members:
            if isinstance(scalar, str | int | float) and not isinstance(scalar, bool):
                text = str(scalar)
                if len(text) <= _MAX_FIELD_CHARS:
                    fields[f"{name}.{inner}" if inner else name] = text
    return fields


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _without_nulls(value: Any) -> Any:
    """Return native structs without their empty members, which a table has for every row."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(element) for element in value]
    return value


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
