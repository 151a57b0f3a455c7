"""Lists of other tools whose elements are not rrweb events themselves but hold them.

Each function takes a list's undecoded elements and yields sessions; `KINDS` tells by the members of
the first element which function it is.

    page-spy      [{"type": "rrweb-event" | "network" | ..., "timestamp", "data": "<packed event>"}]
    steel         [{"pageId", "event": {rrweb event}}]
    openpanel     [{"chunk_index", "payload": "<JSON list>"}]
    laminar       [[{"text": "<JSON {type, timestamp: 'YYYY-MM-DD hh:mm:ss.sss', data: packed}>"}]]
    open-telemetry  [{"body": "<slice of an event's JSON>", "attributes": {"rr-web.event", ...}}]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from rrweb_tokenizer.forms.found import (
    DECODE_ERRORS,
    FoundSession,
    decode_members,
    decode_text,
    join_events,
    scalar_fields,
    session_id_of,
    starts_with,
)
from rrweb_tokenizer.forms.packed import Expander, PackedError

__all__ = ["date_to_ms", "kind_of", "read_kind"]

_encode: Final = msgspec.json.Encoder().encode
_RRWEB_TYPE: Final = b'"rrweb-event"'
_BODY: Final = frozenset({"body", "Body"})
_ATTRIBUTES: Final = frozenset({"attributes", "LogAttributes"})
_TELEMETRY_TYPES: Final = (b'"network"', b'"console"', b'"storage"', b'"system"', b'"meta"')


def kind_of(members: dict[str, msgspec.Raw]) -> str | None:
    """The name of the form whose elements have these members; None where it is none of them."""
    if "data" in members and "type" in members:
        kind = bytes(members["type"])
        return "page-spy" if kind == _RRWEB_TYPE or kind in _TELEMETRY_TYPES else None
    if "event" in members and starts_with(members["event"], b"{") and "type" not in members:
        return "steel"
    if "payload" in members and "chunk_index" in members:
        return "openpanel"
    if _BODY & members.keys() and _ATTRIBUTES & members.keys():
        return "open-telemetry"
    if "text" in members and len(members) <= 3 and starts_with(members["text"], b'"'):
        return "laminar"
    return None


def read_kind(
    kind: str, elements: Iterable[msgspec.Raw], expander: Expander
) -> Iterator[FoundSession]:
    """Yield the sessions, or pieces of them, of a list of the kind given."""
    readers = {
        "page-spy": _page_spy,
        "steel": _steel,
        "openpanel": _openpanel,
        "open-telemetry": _open_telemetry,
        "laminar": _laminar,
    }
    return readers[kind](elements, expander)


def date_to_ms(text: str) -> float | None:
    """Epoch milliseconds of a date; one without a zone is UTC. None where it is no date.

    `date_to_ms("2025-11-02 10:30:00.250")` is `1762079400250.0`.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000, 3)


def _page_spy(elements: Iterable[msgspec.Raw], expander: Expander) -> Iterator[FoundSession]:
    events: list[bytes] = []
    for raw in elements:
        members = _members(raw)
        # Network, console and storage messages are no rrweb events; they are left out.
        if "data" not in members or bytes(members.get("type", b"")) != _RRWEB_TYPE:
            continue
        if starts_with(members["data"], b'"'):
            events.append(_unpacked(members["data"], expander))
        else:
            events.append(bytes(members["data"]))
    if events:
        yield FoundSession(parts=join_events(events), form="page-spy")


def _steel(elements: Iterable[msgspec.Raw], expander: Expander) -> Iterator[FoundSession]:
    del expander
    pages: dict[str, list[bytes]] = {}
    for raw in elements:
        members = _members(raw)
        page = scalar_fields({"page": members["pageId"]}) if "pageId" in members else {}
        event = bytes(members["event"]) if "event" in members else bytes(raw)
        pages.setdefault(page.get("page", ""), []).append(event)
    for page_id, events in pages.items():
        window = page_id if len(pages) > 1 else ""
        yield FoundSession(parts=join_events(events), form="steel", window=window)


def _openpanel(elements: Iterable[msgspec.Raw], expander: Expander) -> Iterator[FoundSession]:
    for number, raw in enumerate(elements):
        members = _members(raw)
        fields = scalar_fields({k: v for k, v in members.items() if k != "payload"})
        payload = members.get("payload", msgspec.Raw(b'""'))
        part = _unpacked(payload, expander) if starts_with(payload, b'"') else bytes(payload)
        index = fields.pop("chunk_index", "")
        yield FoundSession(
            parts=[part],
            fields=fields,
            form="openpanel",
            record=session_id_of(fields),
            segment=int(index) if index.isdecimal() else number,
        )


def _open_telemetry(elements: Iterable[msgspec.Raw], expander: Expander) -> Iterator[FoundSession]:
    """Events cut into slices of text: `rr-web.chunk` of `rr-web.total-chunks`, counted from 1."""
    del expander
    events: dict[str, dict[int, str]] = {}
    for number, raw in enumerate(elements):
        members = _members(raw)
        named: dict[str, str] = {}
        text = ""
        for name, value in members.items():
            if name in _ATTRIBUTES:
                named = scalar_fields(_members(value))
            elif name in _BODY:
                text = decode_text(value) if starts_with(value, b'"') else bytes(value).decode()
        event = named.get("rr-web.event", f"#{number}")
        chunk = named.get("rr-web.chunk", "1")
        events.setdefault(event, {})[int(chunk) if chunk.isdecimal() else 1] = text
    texts = ["".join(slices[n] for n in sorted(slices)).encode() for slices in events.values()]
    yield FoundSession(parts=join_events(texts), form="open-telemetry")


def _laminar(elements: Iterable[msgspec.Raw], expander: Expander) -> Iterator[FoundSession]:
    events = []
    for raw in elements:
        text = _members(raw).get("text")
        if text is None or not starts_with(text, b'"'):
            events.append(bytes(raw))
            continue
        events.append(_laminar_event(decode_text(text), expander))
    yield FoundSession(parts=join_events(events), form="laminar")


def _laminar_event(text: str, expander: Expander) -> bytes:
    members: dict[str, Any] = dict(_members(text.encode(errors="replace")))
    if not members:
        return text.encode(errors="replace")
    stamp, packed = members.get("timestamp"), members.get("data")
    if stamp is not None and starts_with(stamp, b'"'):
        members["timestamp"] = date_to_ms(decode_text(stamp))
    if packed is not None and starts_with(packed, b'"'):
        members["data"] = msgspec.Raw(_unpacked(packed, expander))
    return _encode(members)


def _members(raw: msgspec.Raw | bytes) -> dict[str, msgspec.Raw]:
    """An object's members; none for anything else, which then counts as an event that is none."""
    try:
        return decode_members(raw)
    except DECODE_ERRORS:
        return {}


def _unpacked(raw: msgspec.Raw, expander: Expander) -> bytes:
    """The JSON in a string; the string itself where it is damaged, to be counted as no event."""
    try:
        unpacked = expander.unpack(decode_text(raw))
    except (PackedError, *DECODE_ERRORS):
        return bytes(raw)
    # Several events may be packed together; their list is one part by itself.
    return unpacked
