"""Figures with 95% intervals: sessions, or sites, are drawn anew with replacement.

Positions of a session are alike, and sessions of a site are; to draw positions would make intervals
far too narrow. Letters: C clusters, Q quantities summed, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["NUM_RESAMPLES", "Estimate", "Resamples", "estimate", "ratio"]

Floats = npt.NDArray[np.float64]

NUM_RESAMPLES: Final = 1_000
_LEVEL: Final = 0.95
_MAX_ROWS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its interval; there is none where there are fewer than two clusters."""

    value: float
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """As JSON."""
        return asdict(self)


class Resamples:
    """How often each cluster comes in each resample, the same for all figures.

    Args:
        num_clusters: C.
        seed: of the draws.
        num_resamples: R.
    """

    def __init__(
        self, num_clusters: int, *, seed: int = 0, num_resamples: int = NUM_RESAMPLES
    ) -> None:
        self._num_clusters, self._seed, self._num_resamples = num_clusters, seed, num_resamples

    def sums(self, values: Floats) -> Floats:
        """(R + 1, Q): the summed rows of `values` (C, Q) as they are, and of each resample."""
        drawn = [weights @ values for weights in self._weights()]
        return np.concatenate([values.sum(axis=0, keepdims=True), *drawn])

    def _weights(self) -> Iterator[npt.NDArray[np.int64]]:
        rng = np.random.default_rng(self._seed)
        if self._num_clusters == 0:
            return
        shares = np.full(self._num_clusters, 1 / self._num_clusters)
        for start in range(0, self._num_resamples, _MAX_ROWS):
            size = min(_MAX_ROWS, self._num_resamples - start)
            yield rng.multinomial(self._num_clusters, shares, size=size)


def ratio(numerators: Floats, denominators: Floats) -> Floats:
    """The quotients (R + 1,); NaN where nothing was counted."""
    result = np.full(len(numerators), np.nan)
    np.divide(numerators, denominators, out=result, where=denominators > 0)
    return result


def estimate(values: Floats, num_clusters: int) -> Estimate | None:
    """The first of (R + 1,) values, and the interval of the others; None for a NaN.

    Resamples that hold nothing of what is asked are left out.
    """
    if math.isnan(values[0]):
        return None
    drawn = values[1:][~np.isnan(values[1:])]
    if num_clusters < 2 or not len(drawn):
        return Estimate(value=float(values[0]))
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(value=float(values[0]), low=float(low), high=float(high))
