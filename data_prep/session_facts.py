"""What is told of one session without tokenising it: kinds of its events, times, version."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from data_prep.readers import Session
from rrweb_tokenizer.enums import MouseInteractions
from rrweb_tokenizer.incremental import MouseInteractionData
from rrweb_tokenizer.schema import CustomEvent, Event, IncrementalEvent, UnknownEvent

__all__ = [
    "AFTER_ALPHA_4",
    "NO_DAY",
    "NO_VERSION",
    "SessionFacts",
    "day_of",
    "facts_of",
]

NO_VERSION: Final = "not told"
NO_DAY: Final = "no date"
AFTER_ALPHA_4: Final = "later than 2.0.0-alpha.4"
"""Follows from pointer types in mouse interactions, which came then; nothing else is inferred."""

_VERSION_FIELDS: Final = frozenset(
    {"recorderVersion", "recorder_version", "rrwebVersion", "rrweb_version", "rrweb"}
)
_VERSION: Final = re.compile(r"v?(\d{1,4}\.\d{1,4}[\w.+-]{0,32})")
_EARLIEST_MS: Final = datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000
_LATEST_MS: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """One session in figures."""

    kinds: Counter[str]
    """Events by kind: rrweb's event type, or source, or mouse interaction."""

    num_events: int
    duration_s: float
    """From the earliest to the latest event."""

    day: str
    """Of the earliest event, UTC, as 2026-11-26; NO_DAY where it has no such time."""

    version: str
    """Of rrweb, as the recording says it or as it follows from what it holds; or NO_VERSION."""


def facts_of(session: Session, events: Sequence[Event]) -> SessionFacts:
    """Return the figures of a session with at least one event."""
    kinds: Counter[str] = Counter()
    times_ms = []
    version = _told_version(session.fields)
    has_pointer_types = False
    for event in events:
        kinds[_kind_of(event)] += 1
        if event.timestamp is not None and math.isfinite(event.timestamp):
            times_ms.append(event.timestamp)
        if isinstance(event, CustomEvent) and version is None:
            version = _told_version(event.data.payload)
        elif isinstance(event, IncrementalEvent) and isinstance(event.data, MouseInteractionData):
            has_pointer_types |= event.data.pointer_type is not None
    start_ms, end_ms = (min(times_ms), max(times_ms)) if times_ms else (0.0, 0.0)
    if version is None:
        version = AFTER_ALPHA_4 if has_pointer_types else NO_VERSION
    return SessionFacts(
        kinds=kinds,
        num_events=len(events),
        duration_s=(end_ms - start_ms) / 1000,
        day=day_of(start_ms),
        version=version,
    )


def day_of(time_ms: float) -> str:
    """Return the UTC day of an epoch time, NO_DAY where it is none of this century's."""
    if not _EARLIEST_MS <= time_ms < _LATEST_MS:
        return NO_DAY
    return datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()


def _kind_of(event: Event) -> str:
    if isinstance(event, IncrementalEvent):
        data = event.data
        if isinstance(data, MouseInteractionData):
            if data.type in MouseInteractions.__members__.values():
                return MouseInteractions(data.type).name
            return "MouseInteraction unknown"
        return type(data).__name__.removesuffix("Data")
    if isinstance(event, UnknownEvent):
        return "unknown"
    return type(event).__name__.removesuffix("Event")


def _told_version(members: object) -> str | None:
    """Return the version that a mapping names under one of the usual names."""
    if not isinstance(members, Mapping):
        return None
    for name, value in members.items():
        is_named = isinstance(name, str) and name.rpartition(".")[2] in _VERSION_FIELDS
        if is_named and isinstance(value, str) and (found := _VERSION.fullmatch(value.strip())):
            return found.group(1)
    return None
