"""What an encoder gives for windows: their vectors, or the sums that all vectors are made of.

Letters in shapes: w windows, H hidden size, L layers, P kinds of positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .window_pooling import POSITIONS, vectors_of_sums

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

    Their means over the layers are what vectors are made of.
    """

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    session_index: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    start_ms: npt.NDArray[np.float64]
    end_ms: npt.NDArray[np.float64]

    def of_windows(self, pooling: str) -> npt.NDArray[np.float32]:
        """(w, H') a vector a window; H' is H, or several times that, as the pooling says."""
        return vectors_of_sums(self._mean_sums(), self.counts, pooling)

    def of_sessions(self, num_sessions: int, pooling: str) -> npt.NDArray[np.float32]:
        """(num_sessions, H') a vector a session: the mean over the positions of all its windows."""
        mean_sums = self._mean_sums()
        sums = np.zeros((num_sessions, *mean_sums.shape[1:]))
        counts = np.zeros((num_sessions, len(POSITIONS)), dtype=np.int64)
        np.add.at(sums, self.session_index, mean_sums)
        np.add.at(counts, self.session_index, self.counts)
        return vectors_of_sums(sums, counts, pooling)

    def _mean_sums(self) -> npt.NDArray[np.float64]:
        means: npt.NDArray[np.float64] = self.sums.astype(np.float64).mean(axis=1)
        return means
