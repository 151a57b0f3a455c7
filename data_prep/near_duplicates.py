"""Sessions of different splits that are nearly the same, found in linear time.

A session is the set of its runs of 8 ids (shingles); two sessions are near duplicates where the
Jaccard similarity of their sets, common shingles / all shingles, is at least 0.9. Pairs are not
all compared: MinHash brings likely ones together, and only those are compared, exactly::

    ids -> hashes of shingles -> 128 minima -> 16 keys of 8 minima -> equal keys -> exact similarity

The minima come from one permutation (the hashes are dealt into 128 buckets by their high bits, the
smallest of each counts), where textbooks take 128 permutations: one sort instead of 128 passes. An
empty bucket borrows from the next full one (densification by rotation, Shrivastava & Li 2014).
Sessions of similarity 0.9 meet in at least one of the 16 keys with probability 0.9998, those of
0.5 with 0.06.

Written here because the library for it, datasketch, hashes shingle by shingle in Python and needs
SciPy, 113 MB that nothing else here needs.

Letters in shapes: n ids, s distinct shingles of a session, N sessions of all splits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.shards import SplitTable

__all__ = [
    "MIN_SIMILARITY",
    "NearDuplicate",
    "band_keys",
    "find_near_duplicates",
    "shingles_of",
    "similarity",
]

MIN_SIMILARITY: Final = 0.9
"""Jaccard similarity from which on two sessions count as nearly the same."""

SHINGLE_IDS: Final = 8
_NUM_BANDS: Final = 16
_BAND_ROWS: Final = 8
_NUM_BUCKETS: Final = _NUM_BANDS * _BAND_ROWS
_BUCKET_BITS: Final = _NUM_BUCKETS.bit_length() - 1
# So that a page that thousands only opened costs no more than others: a session is compared with
# at most so many others for each of its keys.
_MAX_COMPARED: Final = 8

# The one of a pair that is named (and left out, where asked for) is the one further right: train
# has the most sessions to lose one from, but a held-out session that leaks measures nothing.
_PRECEDENCE: Final = ("train", "test", "validation")


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """A held-out session that nearly equals one of another split."""

    split: str
    session: int
    """Number of the session in its split."""

    session_id: str
    other_split: str
    other_session_id: str
    similarity: float
    """Exact Jaccard similarity of the shingles."""


def find_near_duplicates(
    tables: Mapping[str, SplitTable],
    *,
    min_similarity: float = MIN_SIMILARITY,
    on_progress: Callable[[int], None] | None = None,
) -> list[NearDuplicate]:
    """Return each validation and test session that nearly equals one of another split, once.

    Of validation and test the validation session is named. Costs one pass over all ids and memory
    for 136 bytes a session.

    Args:
        tables: The splits by name.
        min_similarity: Jaccard similarity from which on two sessions are near duplicates.
        on_progress: Called with the number of sessions read so far.

    Returns:
        In the order of the splits and sessions.
    """
    order = [split for split in _PRECEDENCE if split in tables]
    offsets = np.cumsum([0, *(len(tables[split]) for split in order)])
    keys = np.empty((int(offsets[-1]), _NUM_BANDS), np.uint64)
    row = 0
    for split in order:
        table = tables[split]
        for session in range(len(table)):
            keys[row] = band_keys(shingles_of(table.ids(session)))
            row += 1
            if on_progress is not None:
                on_progress(row)
    ranks = np.repeat(np.arange(len(order), dtype=np.int8), np.diff(offsets))
    search = _Search([tables[split] for split in order], offsets, ranks, min_similarity)
    for band in range(_NUM_BANDS):
        search.look_at(keys[:, band])
    return sorted(search.found(order), key=lambda pair: (order.index(pair.split), pair.session))


def shingles_of(ids: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint64]:
    """Return (s,) uint64: ascending, distinct hashes of all runs of 8 ids; at least one."""
    width = min(SHINGLE_IDS, len(ids))
    wide = ids.astype(np.uint64) + np.uint64(1)
    num_shingles = len(ids) - width + 1
    hashes = np.zeros(num_shingles, np.uint64)
    for place in range(width):
        hashes *= _MULTIPLIER
        hashes += wide[place : place + num_shingles]
    return np.unique(_mixed(hashes))


def band_keys(shingles: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return (16,) uint64: sessions that are alike have some of these keys in common."""
    starts = np.searchsorted(shingles, _BUCKET_STARTS)
    stops = np.append(starts[1:], len(shingles))
    is_full = starts < stops
    # The nearest full bucket from each one on, around the end; how far it is enters the key, so
    # that a borrowed minimum is another one in each place.
    full = np.flatnonzero(is_full)
    lenders = full[np.searchsorted(full, np.arange(_NUM_BUCKETS)) % len(full)]
    distances = (lenders - np.arange(_NUM_BUCKETS)) % _NUM_BUCKETS
    minima = _mixed(shingles[starts[lenders]] + distances.astype(np.uint64) * _MULTIPLIER)
    keys = np.zeros(_NUM_BANDS, np.uint64)
    for column in minima.reshape(_NUM_BANDS, _BAND_ROWS).T:
        keys = _mixed(keys * _MULTIPLIER + column)
    return keys


def similarity(first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> float:
    """Return the Jaccard similarity of two sets of shingles, exactly."""
    num_common = len(np.intersect1d(first, second, assume_unique=True))
    return num_common / (len(first) + len(second) - num_common)


class _Search:
    """Compares what shares a key, and remembers the best match of each held-out session."""

    def __init__(
        self,
        tables: Sequence[SplitTable],
        offsets: npt.NDArray[np.int64],
        ranks: npt.NDArray[np.int8],
        min_similarity: float,
    ) -> None:
        self._tables, self._offsets, self._ranks = tables, offsets, ranks
        self._min_similarity = min_similarity
        self._matches: dict[int, tuple[int, float]] = {}
        self._shingles = lru_cache(maxsize=64)(self._shingles_of_row)

    def look_at(self, keys: npt.NDArray[np.uint64]) -> None:
        """Compare the sessions whose (N,) keys are equal."""
        order = np.argsort(keys, kind="stable")  # stable: train comes first in each run
        changes = np.flatnonzero(np.diff(keys[order])) + 1
        for start, stop in zip(
            np.concatenate([[0], changes]), np.append(changes, len(order)), strict=True
        ):
            if stop - start > 1 and self._ranks[order[start]] != self._ranks[order[stop - 1]]:
                self._compare(order[start:stop])

    def found(self, order: Sequence[str]) -> list[NearDuplicate]:
        """Return the matches by name."""
        pairs = []
        for row, (other, value) in self._matches.items():
            rank, other_rank = int(self._ranks[row]), int(self._ranks[other])
            session = row - int(self._offsets[rank])
            other_session = other - int(self._offsets[other_rank])
            pairs.append(
                NearDuplicate(
                    split=order[rank],
                    session=session,
                    session_id=self._tables[rank].session_id(session),
                    other_split=order[other_rank],
                    other_session_id=self._tables[other_rank].session_id(other_session),
                    similarity=value,
                )
            )
        return pairs

    def _compare(self, rows: npt.NDArray[np.int64]) -> None:
        ranks = self._ranks[rows]
        for position in np.flatnonzero(ranks > ranks[0]):
            row = int(rows[position])
            if row in self._matches:
                continue
            num_before = int(np.searchsorted(ranks, ranks[position]))
            for other in rows[: min(num_before, _MAX_COMPARED)]:
                value = similarity(self._shingles(row), self._shingles(int(other)))
                if value >= self._min_similarity:
                    self._matches[row] = (int(other), value)
                    break

    def _shingles_of_row(self, row: int) -> npt.NDArray[np.uint64]:
        rank = int(self._ranks[row])
        return shingles_of(self._tables[rank].ids(row - int(self._offsets[rank])))


_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_BUCKET_STARTS: Final = np.arange(_NUM_BUCKETS, dtype=np.uint64) << np.uint64(64 - _BUCKET_BITS)


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the words scrambled one to one (the finaliser of splitmix64)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
