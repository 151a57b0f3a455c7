"""rrweb's events as msgspec Structs: the schema, the validator and the parser.

The only place that trusts no field. Member names follow rrweb's own types (rrweb 2.1.0,
`@rrweb/types`); members that rrweb may add later are tolerated, whole events that are unknown
become `UnknownEvent`, and events that break the schema are counted, not raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from rrweb_tokenizer.enums import EventType, IncrementalSource
from rrweb_tokenizer.incremental import IncrementalData, Node

__all__ = [
    "AssetEvent",
    "CustomEvent",
    "DecodedEvents",
    "DomContentLoadedEvent",
    "Event",
    "FullSnapshotEvent",
    "IncrementalEvent",
    "LoadEvent",
    "MetaEvent",
    "PluginEvent",
    "UnknownEvent",
    "decode_events",
]


class Offset(Struct):
    """A scroll offset, px."""

    top: float = 0.0
    left: float = 0.0


class SnapshotData(Struct, rename="camel"):
    """The whole document."""

    node: Node
    initial_offset: Offset = field(default_factory=Offset)


class MetaData(Struct):
    """Page address and viewport (px)."""

    href: str = ""
    width: float = 0.0
    height: float = 0.0


class CustomData(Struct):
    """What the page's own code recorded."""

    tag: str = ""
    payload: Any = None


class PluginData(Struct):
    """What an rrweb plugin recorded."""

    plugin: str = ""
    payload: Any = None


class _Event(Struct, tag_field="type"):
    """Base of all events; `timestamp` is epoch ms, None where the recording has none."""

    timestamp: float | None = None


class DomContentLoadedEvent(_Event, tag=0):
    """The document was parsed."""


class LoadEvent(_Event, tag=1):
    """The page was loaded."""


class FullSnapshotEvent(_Event, tag=2, kw_only=True):
    """The whole document as it stands."""

    data: SnapshotData


class IncrementalEvent(_Event, tag=3, kw_only=True):
    """One change or one action."""

    data: IncrementalData


class MetaEvent(_Event, tag=4, kw_only=True):
    """A page view."""

    data: MetaData


class CustomEvent(_Event, tag=5, kw_only=True):
    """An event of the page's own."""

    data: CustomData


class PluginEvent(_Event, tag=6, kw_only=True):
    """An event of an rrweb plugin."""

    data: PluginData


class AssetEvent(_Event, tag=7):
    """An asset recorded apart; its bytes are never read."""


class UnknownEvent(Struct):
    """An event whose type, or whose incremental source, rrweb 2.1.0 does not know."""

    timestamp: float | None
    event_type: int


KnownEvent = (
    DomContentLoadedEvent
    | LoadEvent
    | FullSnapshotEvent
    | IncrementalEvent
    | MetaEvent
    | CustomEvent
    | PluginEvent
    | AssetEvent
)
Event = KnownEvent | UnknownEvent


class _Source(Struct):
    source: int | None = None


class _Shell(Struct):
    """The least that makes an event: its type."""

    type: int
    timestamp: float | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedEvents:
    """The events of a recording in file order, and what did not become one.

    Attributes:
        events: typed events.
        num_rejected: members of the event list that are no events.
        first_error: why the first of them is none; None when all are.
    """

    events: list[Event]
    num_rejected: int = 0
    first_error: str | None = None


_decode_whole: Final = msgspec.json.Decoder(list[KnownEvent]).decode
_decode_one: Final = msgspec.json.Decoder(KnownEvent, strict=False).decode
_decode_shell: Final = msgspec.json.Decoder(_Shell, strict=False).decode
_decode_source: Final = msgspec.json.Decoder(_Source, strict=False).decode
_decode_raw_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode_events(parts: Iterable[bytes]) -> DecodedEvents:
    """Decodes JSON texts, each a list of events or one event, into typed events.

    A list that is valid throughout is decoded in one call; only a list with a stranger in it is
    gone through event by event.
    """
    events: list[Event] = []
    num_rejected = 0
    first_error: str | None = None
    for part in parts:
        whole = _decode_list(part)
        if whole is not None:
            events.extend(whole)
            continue
        for number, decoded in enumerate(_decode_one_by_one(part)):
            if isinstance(decoded, str):
                num_rejected += 1
                first_error = first_error or f"event {number}: {decoded}"
            else:
                events.append(decoded)
    return DecodedEvents(events=events, num_rejected=num_rejected, first_error=first_error)


def _decode_list(part: bytes) -> list[KnownEvent] | None:
    """All events of a list that is valid throughout, else None."""
    if part.lstrip()[:1] != b"[":
        return None
    try:
        return _decode_whole(part)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _decode_one_by_one(part: bytes) -> Iterator[Event | str]:
    """The events of a part, each decoded alone; a reason in place of each that is none."""
    if part.lstrip()[:1] != b"[":
        yield _decode_leniently(part)
        return
    try:
        raw_events = _decode_raw_list(part)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        yield _reason(error)
        return
    for raw in raw_events:
        yield _decode_leniently(bytes(raw))


def _decode_leniently(raw: bytes) -> Event | str:
    """One event, or the reason why it is none."""
    try:
        event: KnownEvent = _decode_one(raw)
        return event
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        reason = _reason(error)
    try:
        shell = _decode_shell(raw)
        if shell.type not in EventType.__members__.values():
            return UnknownEvent(timestamp=shell.timestamp, event_type=shell.type)
        if shell.type == EventType.IncrementalSnapshot:
            source = _decode_source(shell.data).source
            if source is not None and source not in IncrementalSource.__members__.values():
                return UnknownEvent(timestamp=shell.timestamp, event_type=shell.type)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return reason
    return reason


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
