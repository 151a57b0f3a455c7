"""Sessions -> windows; sums of hidden states over kinds of positions -> vectors.

Sums and counts are kept apart until the end, so that a session's mean is that over all its
positions however it was cut. Windows may overlap (`stride`); an id that stands in two is
counted in the first.

Letters in shapes: w windows, T ids of a window with [CLS] and [SEP], H hidden size, L layers,
P = 10 kinds of positions (`POSITIONS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer import EncodedSession
from rrweb_tokenizer.session_windows import event_stops, window_bounds

from .session_ids import KINDS_OF_EVENTS, interaction_mask, kind_masks

__all__ = [
    "POOLINGS",
    "POSITIONS",
    "Window",
    "cut_session",
    "positions_read",
    "vectors_of_sums",
]

POSITIONS: Final = ("all", "interactions", *KINDS_OF_EVENTS)
"""What is summed of every window: over all ids, those of events by the visitor, each kind."""

POOLINGS: Final[dict[str, tuple[int, ...]]] = {
    "mean": (0,),
    "interactions": (1,),
    "mean+interactions": (0, 1),
    "kinds": tuple(range(2, len(POSITIONS) - 1)),
    "kinds+keyframes": tuple(range(2, len(POSITIONS))),
}
"""Name -> the kinds of positions whose means stand one behind the other in a vector."""

_NUM_WITH_FALLBACK: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """A part of a session to be encoded.

    Attributes:
        session: the number of its session.
        start, stop: its ids are `session.ids[start:stop]`.
        start_ms, end_ms: times of its first and last event, epoch ms; of the last event before it
            where it holds none.
        ids: these ids, (n,) uint16.
        counted: (P, n) bool, which of them each pooling takes.
    """

    session: int
    start: int
    stop: int
    start_ms: float
    end_ms: float
    ids: npt.NDArray[np.uint16]
    counted: npt.NDArray[np.bool_]


def cut_session(
    session: EncodedSession, number: int, *, window_ids: int, stride: int = 0
) -> list[Window]:
    """The windows of a session in order; each opens with a keyframe where one is in reach.

    With a stride of 0 they do not overlap: each ends where the next keyframe that one
    starts at stands, so that no id is encoded twice.

    Args:
        session: what to cut.
        number: its number.
        window_ids: the most ids of a window, [CLS] and [SEP] not counted.
        stride: the fewest ids that neighbouring windows share.
    """
    bounds = window_bounds(len(session.ids), session.keyframes, window_ids, stride)
    if stride == 0:
        starts = [start for start, _ in bounds] + [len(session.ids)]
        bounds = list(pairwise(starts))
    masks = np.concatenate([interaction_mask(session.ids)[None], kind_masks(session.ids)])
    event_starts, stops = session.event_starts.astype(np.int64), event_stops(session)
    times_ms = session.event_times_ms
    windows: list[Window] = []
    counted_to = 0
    for start, stop in bounds:
        first = int(np.searchsorted(stops, start, side="right"))
        last = int(np.searchsorted(event_starts, stop, side="left"))
        inside = times_ms[first:last] if last > first else times_ms[max(0, first - 1) : first]
        is_new = np.arange(start, stop) >= counted_to
        windows.append(
            Window(
                session=number,
                start=start,
                stop=stop,
                start_ms=float(inside.min()) if len(inside) else 0.0,
                end_ms=float(inside.max()) if len(inside) else 0.0,
                ids=session.ids[start:stop],
                counted=np.concatenate([is_new[None], is_new & masks[:, start:stop]]),
            )
        )
        counted_to = stop
    return windows


def positions_read(counted: npt.NDArray[np.bool_], pooling: str) -> npt.NDArray[np.bool_]:
    """(B, T) the positions of windows that a pooling reads: those of its kinds, or all.

    A window without any, but with a fallback, may be asked for its mean over all positions.

    Args:
        counted: (B, P, T), which positions each kind takes.
        pooling: one of `POOLINGS`.

    Raises:
        ValueError: there is no such pooling.
    """
    kinds = list(_kinds_of(pooling))
    is_read = np.logical_or.reduce(counted[:, kinds], axis=1)
    falls_back = ~is_read.any(axis=1) & (min(kinds) < _NUM_WITH_FALLBACK)
    return np.where(falls_back[:, None], counted[:, 0], is_read)


def vectors_of_sums(
    sums: npt.NDArray[np.floating], counts: npt.NDArray[np.integer], pooling: str
) -> npt.NDArray[np.float32]:
    """The means as vectors, (w, H) float32, or wider where the pooling joins several.

    Where there are no interactions the mean over all positions stands in; where there is no event
    of a kind, its part is 0.

    Args:
        sums: (w, P, H).
        counts: (w, P), how many positions are in each sum.
        pooling: one of `POOLINGS`.

    Raises:
        ValueError: there is no such pooling.
    """
    parts = []
    for kind in _kinds_of(pooling):
        is_kept = (counts[:, kind] > 0) | (kind >= _NUM_WITH_FALLBACK)
        used = np.where(is_kept, kind, 0)
        rows = np.arange(len(sums))
        divisor = np.maximum(counts[rows, used], 1)
        parts.append(sums[rows, used] / divisor[:, None])
    return np.concatenate(parts, axis=1).astype(np.float32)


def _kinds_of(pooling: str) -> tuple[int, ...]:
    if pooling not in POOLINGS:
        raise ValueError(f"pooling {pooling!r} is none of {', '.join(POOLINGS)}")
    return POOLINGS[pooling]
