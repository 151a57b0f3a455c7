"""Batches of positions -> strokes: direction, distance and duration, then where the pointer is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from rrweb_tokenizer.incremental import Position
from rrweb_tokenizer.quantize import (
    direction_to_bin,
    distance_to_bin,
    place_to_bin,
    time_to_bin,
)
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

__all__ = ["place_ids", "stroke_ids"]

_MAX_STROKES: Final = 3
_TURN: Final = math.pi / 4  # a stroke ends where the direction turns further than this

_DIR_0: Final = STRUCTURAL_IDS["[DIR_0]"]
_DIST_0: Final = STRUCTURAL_IDS["[DIST_0]"]
_DT_0: Final = STRUCTURAL_IDS["[DT_0]"]
_X_0: Final = STRUCTURAL_IDS["[X_0]"]
_Y_0: Final = STRUCTURAL_IDS["[Y_0]"]


@dataclass(slots=True)
class _Stroke:
    dx: float
    dy: float
    duration_ms: float


def place_ids(x_px: float, y_px: float, width_px: float, height_px: float) -> list[int]:
    """A position relative to the viewport: `[X_i] [Y_j]`."""
    return [_X_0 + place_to_bin(x_px, width_px), _Y_0 + place_to_bin(y_px, height_px)]


def stroke_ids(positions: list[Position], previous: tuple[float, float] | None) -> list[int]:
    """At most three direction-stable strokes, each `[DIR_i] [DIST_j] [DT_k]`.

    Args:
        positions: a batch in time order.
        previous: where the pointer was before (px), None when nobody knows.
    """
    strokes: list[_Stroke] = []
    time_ms = positions[0].time_offset
    for position in positions:
        if previous is not None:
            dx, dy = position.x - previous[0], position.y - previous[1]
            if dx or dy:
                _add(strokes, _Stroke(dx, dy, position.time_offset - time_ms))
        previous = (position.x, position.y)
        time_ms = position.time_offset
    while len(strokes) > _MAX_STROKES:
        _merge_shortest(strokes)
    ids: list[int] = []
    for stroke in strokes:
        ids.append(_DIR_0 + direction_to_bin(stroke.dx, stroke.dy))
        ids.append(_DIST_0 + distance_to_bin(math.hypot(stroke.dx, stroke.dy)))
        ids.append(_DT_0 + time_to_bin(stroke.duration_ms))
    return ids


def _add(strokes: list[_Stroke], step: _Stroke) -> None:
    if strokes:
        last = strokes[-1]
        turn = math.atan2(step.dy, step.dx) - math.atan2(last.dy, last.dx)
        if abs(math.remainder(turn, 2 * math.pi)) <= _TURN:
            _extend(last, step)
            return
    strokes.append(step)


def _extend(stroke: _Stroke, step: _Stroke) -> None:
    stroke.dx += step.dx
    stroke.dy += step.dy
    stroke.duration_ms += step.duration_ms


def _merge_shortest(strokes: list[_Stroke]) -> None:
    """Joins the shortest stroke to its neighbour before it (the first one: after it)."""
    place = min(range(len(strokes)), key=lambda i: math.hypot(strokes[i].dx, strokes[i].dy))
    step = strokes.pop(place)
    _extend(strokes[max(place - 1, 0)], step)
