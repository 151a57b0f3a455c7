"""rrweb's events as msgspec Structs: the schema, the validator and the parser.

The only place that trusts no field. Member names follow rrweb's own types (rrweb 2.2.2,
`@rrweb/types`); members that rrweb may add later are tolerated, whole events that are unknown
become `UnknownEvent`, and events that break the schema are counted, not raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.enums import EventType, IncrementalSource
from rrweb_tokenizer.incremental import IncrementalData, Node

__all__ = [
    "AnnotationEvent",
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


class AssetFailure(Struct):
    """Why an asset could not be recorded."""

    status: float | None = None


class AssetData(Struct):
    """An asset's address; its bytes are never read."""

    url: str = ""
    failed: AssetFailure | None = None


class AnnotationData(Struct):
    """A caption or a marker on the time line that somebody added to a recording."""

    type: str = ""
    text: Any = None


class _Event(Struct, tag_field="type"):
    """Base of all events.

    Attributes:
        timestamp: Epoch ms, None where the recording has none.
        window_id: Which of several windows (tabs) in one stream the event belongs to: a string or
            number as PostHog and others write it, None elsewhere. Node ids of windows clash.
    """

    timestamp: float | None = None
    window_id: Any = field(default=None, name="windowId")


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
    """An asset recorded apart from the page that shows it."""

    data: AssetData = field(default_factory=AssetData)


class AnnotationEvent(_Event, tag=8):
    """A note on the recording."""

    data: AnnotationData = field(default_factory=AnnotationData)


class UnknownEvent(Struct):
    """An event whose type, or whose incremental source, rrweb 2.2.2 does not know."""

    timestamp: float | None
    event_type: int
    window_id: Any = None


KnownEvent = (
    DomContentLoadedEvent
    | LoadEvent
    | FullSnapshotEvent
    | IncrementalEvent
    | MetaEvent
    | CustomEvent
    | PluginEvent
    | AssetEvent
    | AnnotationEvent
)
Event = KnownEvent | UnknownEvent


class _Source(Struct):
    source: int | None = None


class _Shell(Struct):
    """The least that makes an event: its type."""

    type: int
    timestamp: float | None = None
    window_id: Any = field(default=None, name="windowId")
    data: msgspec.Raw = msgspec.Raw(b"null")

    def as_unknown(self) -> UnknownEvent:
        """The event as one that nobody knows."""
        return UnknownEvent(
            timestamp=self.timestamp, event_type=self.type, window_id=self.window_id
        )


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


@paused_collection()
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
            return shell.as_unknown()
        if shell.type == EventType.IncrementalSnapshot:
            source = _decode_source(shell.data).source
            if source is not None and source not in IncrementalSource.__members__.values():
                return shell.as_unknown()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return reason
    return reason


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
