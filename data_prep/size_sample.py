"""A sample of sessions by size, and what its token counts say of all sessions.

Sessions are put into strata by their size, the geometric mean of bytes and events, one a doubling.
Each stratum keeps the sessions with the smallest keyed hashes; how many of them are tokenised is
dealt out in proportion to the stratum's total size, where most of the ids and of the uncertainty
are.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from data_prep.tallies import hash64

__all__ = ["MAX_SAMPLE", "Estimate", "SampledSession", "SizeSample", "estimate_total"]

MAX_SAMPLE: Final = 100_000
"""Largest sample."""

_LEAST_A_STRATUM: Final = 2
_Z_95: Final = 1.96


class SampledSession(NamedTuple):
    """Where a sampled session stands."""

    key: int
    source_id: str
    ordinal: int
    """Number of the session in its file, from 0."""


class Estimate(NamedTuple):
    """An estimated total."""

    total: float
    margin: float
    """Half of the 95% interval; 0 where the total is exact."""


@dataclass(slots=True)
class _Stratum:
    num_sessions: int = 0
    size: float = 0.0
    largest_first: list[tuple[int, str, int]] = field(default_factory=list)
    """Heap of (-key, source_id, ordinal)."""


@dataclass(slots=True)
class SizeSample:
    """Sessions by size, of each size some."""

    max_sessions: int = 200
    strata: dict[int, _Stratum] = field(default_factory=dict)

    def add(self, source_id: str, ordinal: int, num_bytes: int, num_events: int) -> None:
        """Count a session, and keep it where its hash is among the smallest of its stratum."""
        size = math.sqrt(max(num_bytes, 1) * max(num_events, 1))
        stratum = self.strata.setdefault(int(math.log2(size)), _Stratum())
        stratum.num_sessions += 1
        stratum.size += size
        self._keep(stratum, (-hash64(f"{source_id}\0{ordinal}"), source_id, ordinal))

    def merge(self, other: SizeSample) -> None:
        """Add the sessions of another sample of the same size."""
        for number, theirs in other.strata.items():
            mine = self.strata.setdefault(number, _Stratum())
            mine.num_sessions += theirs.num_sessions
            mine.size += theirs.size
            for entry in theirs.largest_first:
                self._keep(mine, entry)

    def chosen(self) -> dict[int, list[SampledSession]]:
        """Return the sessions to tokenise by stratum: all of them where they are few."""
        left = self.max_sessions
        numbers: dict[int, int] = {}
        for number, stratum in self.strata.items():
            numbers[number] = min(_LEAST_A_STRATUM, stratum.num_sessions)
            left -= numbers[number]
        # Dealt from the strata that are soonest full, so that what they cannot take goes on.
        open_strata = sorted(
            self.strata, key=lambda n: self.strata[n].num_sessions / self.strata[n].size
        )
        size_left = sum(self.strata[n].size for n in open_strata)
        for number in open_strata:
            stratum = self.strata[number]
            share = max(left, 0) * stratum.size / size_left
            room = stratum.num_sessions - numbers[number]
            more = min(room, math.ceil(share), max(left, 0))
            numbers[number] += more
            left -= more
            size_left -= stratum.size
        return {
            number: [
                SampledSession(-key, source_id, ordinal)
                for key, source_id, ordinal in sorted(stratum.largest_first, reverse=True)
            ][: numbers[number]]
            for number, stratum in self.strata.items()
        }

    def _keep(self, stratum: _Stratum, entry: tuple[int, str, int]) -> None:
        if len(stratum.largest_first) < max(self.max_sessions, _LEAST_A_STRATUM):
            heapq.heappush(stratum.largest_first, entry)
        else:
            heapq.heappushpop(stratum.largest_first, entry)


def estimate_total(
    num_sessions: Mapping[int, int], values: Mapping[int, Sequence[float]]
) -> Estimate:
    """Return the total over all sessions, from the values of those sampled.

    The textbook stratified estimate: the mean of each stratum times its sessions, with the finite
    population correction.

    Args:
        num_sessions: Sessions by stratum.
        values: Values of the sampled sessions by stratum, two or more of each, or all.
    """
    total = variance = 0.0
    for stratum, number in num_sessions.items():
        sampled = values[stratum]
        mean = sum(sampled) / len(sampled)
        total += number * mean
        if 1 < len(sampled) < number:
            spread = sum((value - mean) ** 2 for value in sampled) / (len(sampled) - 1)
            variance += number**2 * (1 - len(sampled) / number) * spread / len(sampled)
    return Estimate(total, _Z_95 * math.sqrt(variance))
