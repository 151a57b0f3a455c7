"""A JSON list: of events, of packed events, of lists, or of what other tools wrap events in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec
from msgspec import Struct, field

from rrweb_tokenizer.forms import posthog, vendors
from rrweb_tokenizer.forms.found import (
    DECODE_ERRORS,
    FoundSession,
    NotARecording,
    decode_elements,
    decode_members,
    decode_text,
    join_events,
    starts_with,
)
from rrweb_tokenizer.forms.packed import Expander, PackedError

__all__ = ["find_in_list", "unpack_strings"]

_NUM_PROBED: Final = 20
_MAX_NESTED_LISTS: Final = 2


_ABSENT: Final = msgspec.Raw(b"")


class _Keys(Struct, gc=False):
    """The members of an event that decide what becomes of it; nothing else is looked at."""

    type: msgspec.Raw = _ABSENT
    window_id: msgspec.Raw = field(default=_ABSENT, name="windowId")
    session_id: msgspec.Raw = field(default=_ABSENT, name="sessionId")
    cv: msgspec.Raw = _ABSENT
    newrelic: msgspec.Raw = field(default=_ABSENT, name="__newrelic")
    sid: msgspec.Raw = field(default=_ABSENT, name="_sid")


_decode_keys: Final = msgspec.json.Decoder(list[_Keys]).decode


def find_in_list(text: bytes, expander: Expander, *, depth: int = 0) -> Iterator[FoundSession]:
    """Yield the sessions of a JSON list; pieces of sessions carry their `segment`.

    The plain list of events is passed on as it stands: it is skipped through once, which shows that
    it is JSON and that no event names a window or a session of its own.

    Raises:
        NotARecording: the list is empty, or its lists are nested too deeply.
        msgspec.DecodeError: it is no JSON.
    """
    form = _plain_form(text)
    if form is not None:
        yield FoundSession(parts=[text], form=form)
        return
    elements = decode_elements(text)
    if not elements:
        raise NotARecording("an empty list")
    first = next((raw for raw in elements[:_NUM_PROBED] if _is_structured(raw)), elements[0])
    if starts_with(first, b'"'):
        yield FoundSession(parts=unpack_strings(elements, expander), form="packed")
    elif starts_with(first, b"["):
        yield from _lists(elements, first, expander, depth)
    elif starts_with(first, b"{"):
        yield from _objects(text, elements, first, expander, depth)
    else:
        yield FoundSession(parts=[text], form="list")


def unpack_strings(elements: list[msgspec.Raw], expander: Expander) -> list[bytes]:
    """Parts for a list of packed events; like rrweb's `unpack`, plain JSON strings pass."""
    events = []
    for raw in elements:
        try:
            is_text = starts_with(raw, b'"')
            events.append(expander.unpack(decode_text(raw)) if is_text else bytes(raw))
        except (PackedError, *DECODE_ERRORS):
            events.append(bytes(raw))  # no event: it is counted when it is decoded
    return join_events(events)


def _plain_form(text: bytes) -> str | None:
    """The name of a list of events that need no work; None for any other list."""
    try:
        keys = _decode_keys(text)
    except msgspec.ValidationError:  # not only objects
        return None
    if not keys or starts_with(keys[0].type, b'"'):
        return None
    for event in keys:
        if event.type is _ABSENT:
            return None
        if not (event.window_id is event.session_id is event.cv is _ABSENT):
            return None
    if keys[0].newrelic is not _ABSENT:
        return "new relic"
    return "list" if keys[0].sid is _ABSENT else "highlight"


def _is_structured(raw: msgspec.Raw) -> bool:
    return any(starts_with(raw, opening) for opening in (b"{", b"[", b'"'))


def _lists(
    elements: list[msgspec.Raw], first: msgspec.Raw, expander: Expander, depth: int
) -> Iterator[FoundSession]:
    """Rows of windows, batches of Laminar, or many recordings in one list."""
    inner = decode_elements(first)
    if posthog.window_row(inner) is not None:
        yield from _window_rows(elements, expander)
        return
    if inner and starts_with(inner[0], b"{"):
        kind = vendors.kind_of(decode_members(inner[0]))
        if kind == "laminar":
            events = [
                raw
                for batch in elements
                if starts_with(batch, b"[")
                for raw in decode_elements(batch)
            ]
            yield from vendors.read_kind(kind, events, expander)
            return
    if depth >= _MAX_NESTED_LISTS:
        raise NotARecording("lists nested too deeply")
    for number, raw in enumerate(elements):
        if not starts_with(raw, b"[") or bytes(raw) == b"[]":
            continue
        for session in find_in_list(bytes(raw), expander, depth=depth + 1):
            name = f"{number}/{session.record}" if session.record else str(number)
            yield replace(session, record=name if len(elements) > 1 else session.record)


def _window_rows(elements: list[msgspec.Raw], expander: Expander) -> Iterator[FoundSession]:
    windows: dict[str, list[bytes]] = {}
    for raw in elements:
        row = posthog.window_row(decode_elements(raw)) if starts_with(raw, b"[") else None
        window, event = row if row is not None else ("", bytes(raw))
        windows.setdefault(window, []).append(posthog.expand_event(event, expander))
    for window, events in windows.items():
        name = window if len(windows) > 1 else ""
        yield FoundSession(parts=join_events(events), form="posthog rows", window=name)


def _objects(
    text: bytes, elements: list[msgspec.Raw], first: msgspec.Raw, expander: Expander, depth: int
) -> Iterator[FoundSession]:
    members = decode_members(first)
    kind = vendors.kind_of(members)
    if kind is not None:
        yield from vendors.read_kind(kind, elements, expander)
    elif "type" in members or depth >= _MAX_NESTED_LISTS:
        form = "posthog player" if "seen" in members else "list"
        yield from _events(text, elements, expander, form)
    else:
        yield from _wrappers(text, elements, expander, depth)


def _wrappers(
    text: bytes, elements: list[msgspec.Raw], expander: Expander, depth: int
) -> Iterator[FoundSession]:
    """A list of objects that are no events: recordings in wrappers, or nothing that is known."""
    # Lists stand in objects and objects in lists, so the two modules need one another.
    from rrweb_tokenizer.forms.wrapper import find_in_object

    num_found = 0
    for number, raw in enumerate(elements):
        try:
            found = find_in_object(bytes(raw), expander, depth=depth + 1)
            for session in found:
                num_found += 1
                yield replace(session, record=session.record or str(number))
        except (NotARecording, *DECODE_ERRORS):
            continue
    if not num_found:
        yield FoundSession(parts=[text], form="list")


def _events(
    text: bytes, elements: list[msgspec.Raw], expander: Expander, form: str
) -> Iterator[FoundSession]:
    """Events, split by window and session where they name several."""
    try:
        keys = _decode_keys(text)
    except msgspec.ValidationError:  # a stranger among the events
        keys = [_keys_of(raw) for raw in elements]
    are_packed = any(event.cv is not _ABSENT for event in keys)
    streams: dict[tuple[str, str], list[bytes]] = {}
    for raw, event_keys in zip(elements, keys, strict=True):
        event = bytes(raw)
        if event_keys.cv is not _ABSENT:
            event = posthog.expand_event(event, expander)
        stream = _name(event_keys.session_id), _name(event_keys.window_id)
        streams.setdefault(stream, []).append(event)
    if len(streams) == 1 and not are_packed:
        yield FoundSession(parts=[text], form=form)
        return
    sessions = {session for session, _ in streams}
    windows = {window for _, window in streams}
    for (session_id, window), events in streams.items():
        yield FoundSession(
            parts=join_events(events),
            form=form,
            record=session_id if len(sessions) > 1 else "",
            window=window if len(windows) > 1 else "",
        )


def _keys_of(raw: msgspec.Raw) -> _Keys:
    try:
        return msgspec.json.decode(raw, type=_Keys)
    except DECODE_ERRORS:
        return _Keys()


def _name(raw: msgspec.Raw) -> str:
    """The text of a string or a number; "" for a member that is absent or something else."""
    if raw is _ABSENT:
        return ""
    value = msgspec.json.decode(raw)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
