"""Which vectors are nearest: exactly while they are few, through lists of a faiss index beyond.

The lists hold vectors in 8 bits a number; the best candidates are compared again with the exact
ones, which lie in a mapped file. How many lists are looked into is found when the index is built:
as many as it takes to find 98% of the 10 nearest others of 200 of its own vectors.

Letters in shapes: N vectors, H their length, q queries, k neighbours.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.errors import DataError
from data_prep.extras import how_to_install

__all__ = ["EXACT_LIMIT", "Neighbours", "Tuned", "build_lists", "exact"]

EXACT_LIMIT: Final = 50_000
"""Up to so many vectors, all are compared: some milliseconds, and nothing to build."""

_TRAINED_ON: Final = 64  # vectors a list
_ROUNDS: Final = 10
_ADDED_AT_ONCE: Final = 65_536
_COMPARED_AT_ONCE: Final = 65_536
_CANDIDATES: Final = 8
_WANTED_RECALL: Final = 0.98
_NUM_TRIALS: Final = 200


class Tuned(NamedTuple):
    """How an approximate index is searched."""

    num_lists: int
    num_probes: int
    recall_at_10: float


def exact(
    vectors: npt.NDArray[np.float32],
    queries: npt.NDArray[np.float32],
    k: int,
    rows: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """(q, k') numbers and inner products of the nearest, best first; k' is k, or all there are.

    Args:
        vectors: (N, H), may be mapped; a slice is in memory at a time.
        queries: (q, H).
        k: how many.
        rows: look at these alone.
    """
    num = len(vectors) if rows is None else len(rows)
    best = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for start in range(0, num, _COMPARED_AT_ONCE):
        stop = min(start + _COMPARED_AT_ONCE, num)
        numbers = np.arange(start, stop) if rows is None else rows[start:stop]
        block = vectors[start:stop] if rows is None else vectors[numbers]
        found = queries @ np.asarray(block).T
        best = np.concatenate([best, np.broadcast_to(numbers, found.shape)], axis=1)
        scores = np.concatenate([scores, found], axis=1)
        order = _best(scores, k)
        best = np.take_along_axis(best, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
    return best, scores


def _best(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    """The places of the k largest of each row, largest first, ties by place."""
    if scores.shape[1] > 4 * k:
        chosen = np.sort(np.argpartition(-scores, k, axis=1)[:, :k], axis=1)
    else:
        chosen = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, chosen, axis=1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1)[:, :k]


def build_lists(vectors: npt.NDArray[np.float32], path: Path, *, seed: int = 0) -> Tuned:
    """Build the approximate index, tune and write it.

    Args:
        vectors: (N, H) of length 1, may be mapped.
        path: the file.
        seed: of the vectors that it is trained and tuned on.

    Raises:
        DataError: faiss is not installed.
    """
    faiss = _faiss(f"{len(vectors):,} vectors")
    rng = np.random.default_rng(seed)
    num_lists = int(4 * np.sqrt(len(vectors)))
    size = min(len(vectors), _TRAINED_ON * num_lists)
    chosen = np.sort(rng.choice(len(vectors), size, replace=False))
    index = faiss.index_factory(vectors.shape[1], f"IVF{num_lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter = seed + 1, _ROUNDS
    index.train(np.ascontiguousarray(vectors[chosen]))
    for start in range(0, len(vectors), _ADDED_AT_ONCE):
        index.add(np.ascontiguousarray(vectors[start : start + _ADDED_AT_ONCE]))
    tuned = _tune(index, vectors, num_lists, rng)
    faiss.write_index(index, str(path))
    return tuned


def _tune(
    index: Any, vectors: npt.NDArray[np.float32], num_lists: int, rng: np.random.Generator
) -> Tuned:
    chosen = np.sort(rng.choice(len(vectors), _NUM_TRIALS, replace=False))
    queries = np.ascontiguousarray(vectors[chosen])
    wanted = _others(exact(vectors, queries, 11)[0], chosen)
    searcher = Neighbours(vectors, index, Tuned(num_lists, 1, 0.0))
    probes, recall = 4, 0.0
    while True:
        probes = min(probes, num_lists)
        found = _others(searcher.find(queries, 11, num_probes=probes)[0], chosen)
        recall = float(np.mean([np.isin(a, b).mean() for a, b in zip(wanted, found, strict=True)]))
        if recall >= _WANTED_RECALL or probes == num_lists:
            return Tuned(num_lists, probes, recall)
        probes *= 2


def _others(
    numbers: npt.NDArray[np.int64], own: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    """Ten of each row of eleven: without the query's own number."""
    return [row[row != number][:10] for row, number in zip(numbers, own, strict=True)]


class Neighbours:
    """Finds the nearest of some vectors, all of them or those that a filter leaves."""

    def __init__(
        self, vectors: npt.NDArray[np.float32], index: Any = None, tuned: Tuned | None = None
    ) -> None:
        """Take the vectors, and the approximate index where there is one."""
        self._vectors, self._index, self._tuned = vectors, index, tuned

    @classmethod
    def load(cls, vectors: npt.NDArray[np.float32], path: Path, tuned: Tuned) -> Neighbours:
        """Read an approximate index, whose hash was found to be right.

        Raises:
            DataError: faiss is not installed, or the file is not of these vectors.
        """
        faiss = _faiss(str(path))
        index = faiss.read_index(str(path))
        if (index.ntotal, index.d) != vectors.shape:
            raise DataError(f"{path} is not of the vectors beside it; make the index again")
        return cls(vectors, index, tuned)

    def find(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        mask: npt.NDArray[np.bool_] | None = None,
        *,
        num_probes: int | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """(q, k) numbers and similarities, best first; -1 and -inf where there are fewer.

        Args:
            queries: (q, H) float32 of length 1.
            k: how many.
            mask: (N,) bool, which vectors may be returned.
            num_probes: lists to look into; as tuned where not given.
        """
        rows = None if mask is None else np.flatnonzero(mask)
        num = len(self._vectors) if rows is None else len(rows)
        if self._index is None or self._tuned is None or num <= EXACT_LIMIT // 5:
            return _filled(*exact(self._vectors, queries, k, rows), k)
        faiss = _faiss(f"{len(self._vectors):,} vectors")
        probes = num_probes or self._tuned.num_probes
        # With a filter each list holds less that counts.
        probes = min(self._tuned.num_lists, -(-probes * len(self._vectors) // num))
        options = faiss.SearchParametersIVF(nprobe=probes)
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
            options = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        _, near = self._index.search(queries, max(_CANDIDATES * k, 64), params=options)
        best = [
            exact(self._vectors, query[None], k, np.sort(row[row >= 0]))
            for query, row in zip(queries, near, strict=True)
        ]
        filled = [_filled(numbers, scores, k) for numbers, scores in best]
        return np.concatenate([f[0] for f in filled]), np.concatenate([f[1] for f in filled])


def _filled(
    numbers: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    lacking = ((0, 0), (0, k - numbers.shape[1]))
    return (
        np.pad(numbers, lacking, constant_values=-1),
        np.pad(scores, lacking, constant_values=-np.inf),
    )


def _faiss(what: str) -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        raise DataError(
            f"{what}: more than {EXACT_LIMIT:,} vectors take faiss: {how_to_install('search')}"
        ) from None
