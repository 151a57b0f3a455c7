"""Batches of positions -> strokes: direction, distance and duration, then where the pointer is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
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
_MAX_STEP_PX: Final = 1e6  # further than any screen: sums of such steps stay numbers

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

    @property
    def length_px(self) -> float:
        return math.hypot(self.dx, self.dy)


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
            dx, dy = _step(previous[0], position.x), _step(previous[1], position.y)
            if dx or dy:
                _add(strokes, _Stroke(dx, dy, position.time_offset - time_ms))
        previous = (position.x, position.y)
        time_ms = position.time_offset
    ids: list[int] = []
    for stroke in _longest(strokes):
        ids.append(_DIR_0 + direction_to_bin(stroke.dx, stroke.dy))
        ids.append(_DIST_0 + distance_to_bin(stroke.length_px))
        ids.append(_DT_0 + time_to_bin(stroke.duration_ms))
    return ids


def _step(before_px: float, after_px: float) -> float:
    step_px = after_px - before_px
    # JSON has no number that is none, but events may come from elsewhere.
    return 0.0 if math.isnan(step_px) else min(max(step_px, -_MAX_STEP_PX), _MAX_STEP_PX)


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


def _longest(strokes: list[_Stroke]) -> list[_Stroke]:
    """At most three strokes, made by joining the shortest again and again.

    It is joined to its neighbour before it, the first one to that after it. A queue by length keeps
    the cost of a batch of many turns near its length.
    """
    num_left = len(strokes)
    if num_left <= _MAX_STROKES:
        return strokes
    before, after = list(range(-1, num_left - 1)), list(range(1, num_left + 1))
    lengths = [stroke.length_px for stroke in strokes]
    queue = [(length, place) for place, length in enumerate(lengths)]
    heapify(queue)
    is_joined = bytearray(num_left)
    while num_left > _MAX_STROKES:
        length, place = heappop(queue)
        if is_joined[place] or length != lengths[place]:
            continue  # it stands in the queue with its present length, too
        previous, following = before[place], after[place]
        if previous >= 0:
            after[previous] = following
        if following < len(strokes):
            before[following] = previous
        target = previous if previous >= 0 else following
        _extend(strokes[target], strokes[place])
        lengths[target] = strokes[target].length_px
        heappush(queue, (lengths[target], target))
        is_joined[place] = 1
        num_left -= 1
    return [stroke for stroke, gone in zip(strokes, is_joined, strict=True) if not gone]
