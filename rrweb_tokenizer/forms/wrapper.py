"""A JSON object around a recording's events: whatever its members are called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from rrweb_tokenizer.forms import event_list, posthog, vendors
from rrweb_tokenizer.forms.found import (
    DECODE_ERRORS,
    FoundSession,
    NotARecording,
    decode_elements,
    decode_members,
    decode_text,
    join_events,
    scalar_fields,
    starts_with,
)
from rrweb_tokenizer.forms.packed import Expander, PackedError

__all__ = ["find_in_object"]

# Tried first; then every other member in its order.
_EVENTS_NAMES: Final = (
    "events",
    "snapshots",
    "rrweb_data",
    "rrwebEvents",
    "rrweb_events",
    "rrweb_record",
    "rrweb",
    "rec",
    "recording",
    "session_recording",
    "result",
    "payload",
    "data",
)
_MAX_DEPTH: Final = 3


def find_in_object(text: bytes, expander: Expander, *, depth: int = 0) -> Iterator[FoundSession]:
    """Yield the sessions of a JSON object.

    Known are: PostHog's shapes; a single event; the `data` of a single full snapshot; and any
    object in which a list of events stands, as it is or as a string, at most three levels deep.

    Raises:
        NotARecording: no events stand in it.
        msgspec.DecodeError: it is no JSON.
    """
    members = decode_members(text)
    capture = posthog.capture_of(members)
    if capture is not None:
        events = [posthog.expand_event(event, expander) for event in capture[0]]
        window = capture[1].get("$window_id", "")
        yield FoundSession(
            parts=join_events(events),
            fields=capture[1],
            form="posthog capture",
            record=capture[1].get("$session_id", ""),
            window=window,
            segment=0,
        )
        return
    lists = posthog.window_lists(members)
    if lists is not None:
        yield from _windows(*lists, expander)
        return
    if _is_event(members):
        yield FoundSession(parts=[posthog.expand_event(text, expander)], form="lines")
        return
    if "node" in members and "initialOffset" in members:
        snapshot = b'[{"type":2,"data":' + text + b"}]"
        yield FoundSession(parts=[snapshot], form="snapshot alone")
        return
    found = _find_events(members, _MAX_DEPTH)
    if found is None:
        raise NotARecording(_why_not(members))
    events_text, fields, form = found
    for session in event_list.find_in_list(events_text, expander, depth=depth + 1):
        own_form = form if session.form == "list" else f"{form} of {session.form}"
        yield replace(session, fields=fields | session.fields, form=own_form)


def _windows(
    lists: dict[str, msgspec.Raw], fields: dict[str, str], expander: Expander
) -> Iterator[FoundSession]:
    # An empty window says nothing; one without a name holds events that name theirs.
    filled = {w: bytes(raw) for w, raw in lists.items() if starts_with(raw, b"[")}
    filled = {w: part for w, part in filled.items() if decode_elements(part)}
    if not filled:
        raise NotARecording("no window of it holds an event")
    for window, part in filled.items():
        for session in event_list.find_in_list(part, expander):
            name = window if len(filled) > 1 else session.window
            yield replace(session, fields=fields, form="posthog", window=name)


def _is_event(members: dict[str, msgspec.Raw]) -> bool:
    return "type" in members and not starts_with(members["type"], b'"') and "events" not in members


def _find_events(
    members: dict[str, msgspec.Raw], depth: int
) -> tuple[bytes, dict[str, str], str] | None:
    """The list of events below an object, the scalar members on the way, the form's name."""
    names: list[str] = [name for name in _EVENTS_NAMES if name in members]
    names += [name for name in members if name not in _EVENTS_NAMES]
    for name in names:
        raw = members[name]
        found: tuple[bytes, dict[str, str], str] | None = None
        if starts_with(raw, b"["):
            found = (bytes(raw), {}, "wrapper") if _holds_events(raw) else None
        elif starts_with(raw, b"{") and depth > 1:
            found = _find_events(decode_members(raw), depth - 1)
        elif starts_with(raw, b'"') and name in _EVENTS_NAMES:
            found = _list_in_string(raw)
        if found is not None:
            return found[0], _fields_beside(members, name) | found[1], found[2]
    events = members.get("events")
    if events is not None and starts_with(events, b"[") and decode_elements(events):
        # Named so, whatever they are: what is no event in it will be counted.
        return bytes(events), _fields_beside(members, "events"), "wrapper"
    return None


def _fields_beside(members: dict[str, msgspec.Raw], name: str) -> dict[str, str]:
    return scalar_fields({key: value for key, value in members.items() if key != name})


def _holds_events(raw: msgspec.Raw | bytes, *, is_inner: bool = False) -> bool:
    """Whether a list's first element is an event, or what a known tool makes of one."""
    elements = decode_elements(raw)
    if not elements:
        return False
    first = elements[0]
    if starts_with(first, b"{"):
        members = decode_members(first)
        if vendors.kind_of(members) is not None:
            return True
        return _is_event(members) and ("timestamp" in members or "data" in members)
    if starts_with(first, b'"'):
        text = decode_text(first)
        return text[:1] in ("x", "\x1f") or (text[:1] == "{" and '"timestamp"' in text)
    return starts_with(first, b"[") and not is_inner and _holds_events(first, is_inner=True)


def _list_in_string(raw: msgspec.Raw) -> tuple[bytes, dict[str, str], str] | None:
    """A JSON list of events that was stored as a string."""
    try:
        text = Expander().unpack(decode_text(raw)).strip()
        if text[:1] == b"[" and _holds_events(text):
            return text, {}, "wrapper of text"
    except (PackedError, *DECODE_ERRORS):
        return None
    return None


def _why_not(members: dict[str, msgspec.Raw]) -> str:
    events = members.get("events")
    if events is None:
        return "a JSON object without an 'events' list"
    if starts_with(events, b"["):
        return "the list 'events' is empty"
    return "the member 'events' is not a list"
