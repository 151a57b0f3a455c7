"""Events -> events in the order of their true times.

rrweb batches moves: a position's true time is the event's timestamp plus its (negative) offset, so
clicks recorded within a batch belong between its positions. Batches are split there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec.structs import replace

from rrweb_tokenizer.incremental import (
    DragData,
    MouseMoveData,
    Position,
    TouchMoveData,
)
from rrweb_tokenizer.schema import Event, IncrementalEvent

__all__ = ["TimedEvent", "in_true_time_order"]

TimedEvent = tuple[float, Event]
"""An event's true time (epoch ms) and the event."""


_BATCHES = (MouseMoveData, TouchMoveData, DragData)


def in_true_time_order(events: Iterable[Event]) -> list[TimedEvent]:
    """All events by true time; file order among equal times.

    An event without a timestamp has the time of the event before it (the first one: the first
    timestamp of the file, or 0).
    """
    events = list(events)
    time_ms = next((e.timestamp for e in events if e.timestamp is not None), 0.0)
    timed: list[TimedEvent] = []
    for event in events:
        time_ms = time_ms if event.timestamp is None else event.timestamp
        timed.append((time_ms, event))
    fixed_times = sorted(time for time, event in timed if not _is_batch(event))
    ordered: list[TimedEvent] = []
    for time, event in timed:
        if isinstance(event, IncrementalEvent) and isinstance(event.data, _BATCHES):
            ordered.extend(_split_batch(time, event, event.data, fixed_times))
        else:
            ordered.append((time, event))
    ordered.sort(key=lambda timed_event: timed_event[0])
    return ordered


def _is_batch(event: Event) -> bool:
    return isinstance(event, IncrementalEvent) and isinstance(event.data, _BATCHES)


def _split_batch(
    time_ms: float,
    event: IncrementalEvent,
    moves: MouseMoveData | TouchMoveData | DragData,
    fixed_times: list[float],
) -> list[TimedEvent]:
    """A batch cut wherever another event happened between two positions."""
    parts: list[tuple[int, list[Position]]] = []
    in_order = sorted(moves.positions, key=lambda p: p.time_offset)
    for position in in_order:
        slot = bisect_right(fixed_times, time_ms + position.time_offset)
        if parts and parts[-1][0] == slot:
            parts[-1][1].append(position)
        else:
            parts.append((slot, [position]))
    if not parts or (len(parts) == 1 and moves.positions == in_order):
        start = in_order[0].time_offset if in_order else 0.0
        return [(time_ms + start, event)]
    return [
        (
            time_ms + positions[0].time_offset,
            replace(event, data=type(moves)(positions=positions)),
        )
        for _, positions in parts
    ]
