"""What an encoder gives for windows: their vectors, or the sums that all vectors are made of.

Letters in shapes: w windows, H hidden size, L layers, P kinds of positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["WindowSums", "WindowVectors"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowVectors:
    """Vectors of windows, in the order of sessions and of time.

    Attributes:
        vectors: (w, H) float32.
        session_index: (w,) int64, the place of each window's session in the input.
        starts, stops: (w,) int64, which ids of the session they are, half open.
        start_ms, end_ms: (w,) float64, epoch ms of their first and last event.
        num_pooled: (w,) int64, how many positions the mean is over; 0 where the window holds none
            of the kind that was asked for, and the vector is the mean over all.
    """

    vectors: npt.NDArray[np.float32]
    session_index: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    start_ms: npt.NDArray[np.float64]
    end_ms: npt.NDArray[np.float64]
    num_pooled: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowSums:
    """What all poolings of windows are made of.

    Attributes:
        sums: (w, L, P, H) float32: hidden states summed, by layer and kind of positions.
        counts: (w, P) int64: over how many positions.
        session_index, starts, stops, start_ms, end_ms: as in `WindowVectors`.
    """

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    session_index: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    start_ms: npt.NDArray[np.float64]
    end_ms: npt.NDArray[np.float64]
