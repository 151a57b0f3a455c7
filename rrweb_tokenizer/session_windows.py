"""A session -> windows of limited length, and which event stands where in each of them.

A model that was trained on windows which open with a keyframe wants to see such windows again. So
the next window starts at the last keyframe that still leaves `stride` ids of overlap, and only
where no keyframe lies in reach it is a plain cut::

    chapters   |  0  |  1  |  2  |  3  |  4  |
    window 0   [0           )
    window 1          [1           )
    window 2                 [2           )

Letters in shapes: n ids of the session, k keyframes, e events of it or of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.chapters import EncodedSession
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

__all__ = ["SessionWindow", "cut_windows", "event_stops", "window_bounds"]

_KEY_CONT: Final = STRUCTURAL_IDS["[KEY_CONT]"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionWindow:
    """A part of a session: its ids are `session.ids[start:stop]`.

    Attributes:
        start: offset of its first id in the session.
        stop: offset behind its last id.
        event_spans: (e, 3) int64, a row for every event that has ids in the window, in order: the
            event's number among those that the session has written (its place in
            `session.event_starts`), and where its ids start and stop, as offsets in the window,
            half open. An event that the window's edge cuts has the part
            that is in the window. Ids of no span belong to the keyframes between events.
        event_times_ms: (e,) float64, epoch ms of these events.
    """

    start: int
    stop: int
    event_spans: npt.NDArray[np.int64]
    event_times_ms: npt.NDArray[np.float64]


def cut_windows(
    session: EncodedSession, max_ids: int | None = None, stride: int = 0
) -> list[SessionWindow]:
    """The windows of a session in order, each id in at least one of them.

    Args:
        session: what to cut; without ids it gives one empty window.
        max_ids: the most ids a window may have; None for all of the session in one.
        stride: the fewest ids that neighbouring windows share.

    Raises:
        ValueError: `max_ids` is below 1, or `stride` is not in `0 <= stride < max_ids`.
    """
    num_ids = len(session.ids)
    bounds = [(0, num_ids)]
    if max_ids is not None:
        bounds = window_bounds(num_ids, session.keyframes, max_ids, stride)
    stops = event_stops(session)
    return [_window(session, stops, start, stop) for start, stop in bounds]


def window_bounds(
    num_ids: int, keyframes: npt.NDArray[np.integer], max_ids: int, stride: int = 0
) -> list[tuple[int, int]]:
    """Where windows start and stop, half open, in ascending order; at least one.

    With keyframes at 0, 400 and 700, `window_bounds(1000, keyframes, 500, 50)` is
    `[(0, 500), (400, 900), (700, 1000)]`.

    Args:
        num_ids: n, how many ids there are.
        keyframes: (k,) ascending offsets.
        max_ids: the most ids of a window.
        stride: the fewest ids that neighbouring windows share.

    Raises:
        ValueError: `max_ids` is below 1, or `stride` is not in `0 <= stride < max_ids`.
    """
    if max_ids < 1:
        raise ValueError(f"a window of {max_ids} ids has no room for any id")
    if not 0 <= stride < max_ids:
        raise ValueError(
            f"a stride of {stride} leaves windows of {max_ids} ids no step forward: it is the "
            f"overlap of neighbouring windows, so 0 <= stride < {max_ids}"
        )
    start = 0
    bounds = [(0, min(max_ids, num_ids))]
    while bounds[-1][1] < num_ids:
        limit = start + max_ids - stride
        place = int(np.searchsorted(keyframes, limit, side="right")) - 1
        keyframe = int(keyframes[place]) if place >= 0 else 0
        start = keyframe if keyframe > start else limit
        bounds.append((start, min(start + max_ids, num_ids)))
    return bounds


def event_stops(session: EncodedSession) -> npt.NDArray[np.int64]:
    """(e,) int64: the offsets behind the events' last ids.

    An event ends where the next one starts, or at the keyframe before that. `[KEY_CONT]` stands
    within an event that goes on in the next chapter, so that it and its keyframe belong to it.
    """
    starts = session.event_starts.astype(np.int64)
    stops = np.append(starts[1:], len(session.ids))[: len(starts)]
    keyframes = session.keyframes.astype(np.int64)
    between = keyframes[session.ids[keyframes] != _KEY_CONT]
    # The event before each of these keyframes; none is before the first.
    owners = np.searchsorted(starts, between, side="left") - 1
    stops[owners[owners >= 0]] = between[owners >= 0]
    return stops


def _window(
    session: EncodedSession, stops: npt.NDArray[np.int64], start: int, stop: int
) -> SessionWindow:
    first = int(np.searchsorted(stops, start, side="right"))
    last = int(np.searchsorted(session.event_starts, stop, side="left"))
    events = np.arange(first, max(first, last), dtype=np.int64)
    inside = np.stack([session.event_starts[events], stops[events]], axis=1).clip(start, stop)
    return SessionWindow(
        start=start,
        stop=stop,
        event_spans=np.concatenate([events[:, None], inside.astype(np.int64) - start], axis=1),
        event_times_ms=session.event_times_ms[events],
    )
