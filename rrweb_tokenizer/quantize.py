"""Milliseconds, pixels and counts -> bins, and back to bin centres.

Every function returns a bin index, not a token id; `structural_vocab` holds one group a quantity,
in bin order. The edges are half-open: a value equal to an edge belongs to the bin above it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Final

__all__ = [
    "bin_to_time_ms",
    "count_to_bin",
    "depth_to_bin",
    "direction_to_bin",
    "distance_to_bin",
    "elapsed_to_bin",
    "place_to_bin",
    "scroll_depth_to_bin",
    "scroll_step_to_bin",
    "sibling_to_bin",
    "time_to_bin",
    "viewport_height_to_bin",
    "viewport_width_to_bin",
]

# Bin 0 is below 1 ms, then 1-7, 8-31, 24 half-octaves from 32 ms to 131,072 ms,
# and 131 s-4 min, 4-17 min, 17-60 min, longer: idle is what people ask about.
_TIME_EDGES_MS: Final = (
    1.0,
    8.0,
    *(32.0 * 2 ** (step / 2) for step in range(25)),
    240_000.0,
    1_020_000.0,
    3_600_000.0,
)
_ELAPSED_EDGES_MS: Final = (1e3, 4e3, 15e3, 60e3, 240e3, 900e3, 3600e3)
_COUNT_EDGES: Final = (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 1024)
_DEPTH_EDGES: Final = (4, 8, 12, 16, 24)
_SIBLING_EDGES: Final = (1, 2, 3, 6, 12)
_WIDTH_EDGES_PX: Final = (480, 768, 1024, 1440, 1920)
_HEIGHT_EDGES_PX: Final = (600, 800, 1000)
_SCROLL_STEP_EDGES: Final = (0.1, 0.4, 1.0)  # in viewport heights
_SCROLL_DEPTH_EDGES: Final = (0.25, 1.0, 2.0, 4.0, 8.0)  # in viewport heights
_NUM_PLACES: Final = 20
_NUM_DIRECTIONS: Final = 16
_MAX_DISTANCE_BIN: Final = 9


def time_to_bin(delta_ms: float) -> int:
    """The bin (0..30) of a time delta; 0 is below 1 ms.

    Events are put into true-time order before they are written, so a delta is never negative.
    """
    return bisect_right(_TIME_EDGES_MS, delta_ms)


def bin_to_time_ms(time_bin: int) -> float:
    """The middle of a time bin in ms (geometric where the bin is wide); inverse of `time_to_bin`.

    The open bins give 0 ms (below 1 ms) and 2 h (longer than one hour).
    """
    if time_bin <= 0:
        return 0.0
    if time_bin >= len(_TIME_EDGES_MS):
        return 7_200_000.0
    low, high = _TIME_EDGES_MS[time_bin - 1], _TIME_EDGES_MS[time_bin]
    return math.sqrt(low * high)


def elapsed_to_bin(elapsed_ms: float) -> int:
    """The bin (0..7) of the time since the session's first event: 1, 4, 15 s, 1, 4, 15 min, 1 h."""
    return bisect_right(_ELAPSED_EDGES_MS, elapsed_ms)


def count_to_bin(count: float) -> int:
    """The bin (0..11) of a count or size: 0, 1, 2, 3, then octaves up to 1,024 and more."""
    return bisect_right(_COUNT_EDGES, count)


def depth_to_bin(depth: int) -> int:
    """The bin (0..5) of a node's depth below the document."""
    return bisect_right(_DEPTH_EDGES, depth)


def sibling_to_bin(index: int) -> int:
    """The bin (0..5) of a node's place among its siblings, the first being 0."""
    return bisect_right(_SIBLING_EDGES, index)


def place_to_bin(position_px: float, extent_px: float) -> int:
    """The bin (0..19) of a position relative to a viewport's width or height, clamped into it."""
    if not extent_px > 0 or not math.isfinite(position_px):
        return 0
    share = min(max(position_px / extent_px, 0.0), 1.0)
    return min(int(share * _NUM_PLACES), _NUM_PLACES - 1)


def direction_to_bin(dx_px: float, dy_px: float) -> int:
    """The bin (0..15) of a direction: 0 is right, 4 down (screen coordinates), 8 left, 12 up."""
    if math.isnan(dx_px) or math.isnan(dy_px):
        return 0
    turn = math.atan2(dy_px, dx_px) / (2 * math.pi)
    return round(turn * _NUM_DIRECTIONS) % _NUM_DIRECTIONS


def distance_to_bin(distance_px: float) -> int:
    """The bin (0..9) of a distance: floor(log2(px)), below 2 px is 0, from 512 px on 9."""
    if not distance_px >= 2:
        return 0
    return min(math.frexp(min(distance_px, 1e6))[1] - 1, _MAX_DISTANCE_BIN)


def scroll_step_to_bin(step_px: float, viewport_px: float) -> int:
    """The bin (0..3) of a scroll step's size relative to the viewport: 0.1, 0.4, 1 viewport."""
    return bisect_right(_SCROLL_STEP_EDGES, abs(step_px) / max(viewport_px, 1.0))


def scroll_depth_to_bin(offset_px: float, viewport_px: float) -> int:
    """The bin (0..5) of a scroll offset in viewports: 0.25, 1, 2, 4, 8."""
    return bisect_right(_SCROLL_DEPTH_EDGES, offset_px / max(viewport_px, 1.0))


def viewport_width_to_bin(width_px: float) -> int:
    """The bin (0..5) of a viewport's width: 480, 768, 1024, 1440, 1920 px."""
    return bisect_right(_WIDTH_EDGES_PX, width_px)


def viewport_height_to_bin(height_px: float) -> int:
    """The bin (0..3) of a viewport's height: 600, 800, 1000 px."""
    return bisect_right(_HEIGHT_EDGES_PX, height_px)
