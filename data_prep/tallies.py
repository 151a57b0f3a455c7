"""Counts in memory that does not grow with what is counted, and that add up across processes.

Each class has `merge`; the result does not depend on how the values were divided or ordered.
(`TopCounter` is exact up to its bound, and says when it is not.)
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["DistinctCounter", "LogHistogram", "TopCounter", "hash64"]

_BINS_A_DOUBLING: Final = 8
_NUM_BINS: Final = 1 + 48 * _BINS_A_DOUBLING


def hash64(text: str, key: bytes = b"") -> int:
    """Return a hash in [0, 2**64) that is the same in every process."""
    digest = blake2b(text.encode(errors="replace"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little")


def _no_bins() -> npt.NDArray[np.int64]:
    return np.zeros(_NUM_BINS, np.int64)


@dataclass(slots=True, eq=False)
class LogHistogram:
    """How values >= 0 are distributed: 8 bins a doubling, so a quantile is right within 4.5%."""

    bins: npt.NDArray[np.int64] = field(default_factory=_no_bins)
    """bins[0] counts values below 1, bins[k] those in [2**((k-1)/8), 2**(k/8))."""

    num_values: int = 0
    total: float = 0.0
    largest: float = 0.0

    def add(self, value: float) -> None:
        """Count a value; negative ones count as 0."""
        value = max(value, 0.0)
        place = 0 if value < 1 else 1 + int(math.log2(value) * _BINS_A_DOUBLING)
        self.bins[min(place, _NUM_BINS - 1)] += 1
        self.num_values += 1
        self.total += value
        self.largest = max(self.largest, value)

    def merge(self, other: LogHistogram) -> None:
        """Add another's counts."""
        self.bins += other.bins
        self.num_values += other.num_values
        self.total += other.total
        self.largest = max(self.largest, other.largest)

    def quantile(self, share: float) -> float:
        """Return the value that a share (0 to 1) of the values lies below; 0 without values."""
        if self.num_values == 0:
            return 0.0
        sums = np.cumsum(self.bins)
        place = int(np.searchsorted(sums, share * self.num_values, side="left"))
        if place == 0:
            return 0.0
        return min(float(2 ** ((place - 0.5) / _BINS_A_DOUBLING)), self.largest)

    def doublings(self) -> list[tuple[float, float, int]]:
        """Return (start, stop, number of values) of each doubling from the first to the last."""
        edges = [(0.0, 1.0, int(self.bins[0]))]
        for power in range((_NUM_BINS - 1) // _BINS_A_DOUBLING):
            first = 1 + power * _BINS_A_DOUBLING
            number = int(self.bins[first : first + _BINS_A_DOUBLING].sum())
            edges.append((2.0**power, 2.0 ** (power + 1), number))
        filled = [place for place, (_, _, number) in enumerate(edges) if number]
        return edges[filled[0] : filled[-1] + 1] if filled else []


@dataclass(slots=True)
class DistinctCounter:
    """How many different texts there were: exact below 65,536, within 1% (95%) beyond.

    Keeps the smallest hashes; how densely they lie tells how many there are.
    """

    max_hashes: int = 65_536
    _hashes: set[int] = field(default_factory=set)
    _largest_first: list[int] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count a text."""
        self._add(hash64(text))

    def merge(self, other: DistinctCounter) -> None:
        """Add what another saw."""
        for hashed in other._hashes:
            self._add(hashed)

    @property
    def is_exact(self) -> bool:
        """Whether `estimate` is a count."""
        return len(self._hashes) < self.max_hashes

    def estimate(self) -> int:
        """Return the number of different texts."""
        if self.is_exact:
            return len(self._hashes)
        return round((self.max_hashes - 1) * 2.0**64 / -self._largest_first[0])

    def _add(self, hashed: int) -> None:
        if hashed in self._hashes:
            return
        if len(self._hashes) >= self.max_hashes:
            if hashed >= -self._largest_first[0]:
                return
            self._hashes.remove(-heapq.heapreplace(self._largest_first, -hashed))
        else:
            heapq.heappush(self._largest_first, -hashed)
        self._hashes.add(hashed)


@dataclass(slots=True)
class TopCounter:
    """Counts texts, exactly up to `max_texts` different ones; beyond, rare ones become "others"."""

    max_texts: int = 20_000
    counts: Counter[str] = field(default_factory=Counter)
    num_others: int = 0
    """Of texts that were let go of; one that returns starts at 0 again."""

    def add(self, text: str, number: int = 1) -> None:
        """Count a text."""
        self.counts[text] += number
        if len(self.counts) > 2 * self.max_texts:
            self._prune()

    def merge(self, other: TopCounter) -> None:
        """Add another's counts."""
        self.counts.update(other.counts)
        self.num_others += other.num_others
        if len(self.counts) > 2 * self.max_texts:
            self._prune()

    @property
    def is_exact(self) -> bool:
        """Whether each count is exact."""
        return self.num_others == 0

    def top(self, number: int) -> list[tuple[str, int]]:
        """Return the most frequent texts; equal counts in the order of their texts."""
        return heapq.nsmallest(number, self.counts.items(), key=lambda item: (-item[1], item[0]))

    def _prune(self) -> None:
        kept = self.top(self.max_texts)
        self.num_others += self.counts.total() - sum(number for _, number in kept)
        self.counts = Counter(dict(kept))
