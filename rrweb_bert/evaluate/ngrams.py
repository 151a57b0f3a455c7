"""Baselines that count: how often ids occur, and which ids stand between which.

What is counted are ids of the train split, and nothing else. Letters: V vocabulary size, M masked
positions, n ids counted. `c(...)` is a count, `t(...)` the number of different ids behind one.

    unigram   p(w) = (c(w) + 1) / (n + number of ids that can occur)
    bigram    p(w | l) = (c(l w) + t(l) p(w)) / (c(l) + t(l)),  Witten-Bell smoothing
    between   p'(w | l, r) ~ p(w | l) p(r | w), what a Markov chain says of an id between two
    trigram   p(w | l, r) = (c(l w r) + t(l, r) p'(w | l, r)) / (c(l, r) + t(l, r))

A neighbour that is itself hidden, or frames the window, is left out: of p' that leaves p(w | l), or
p(w) p(r | w), or p(w). A position that is to be predicted may show an id instead of [MASK]. The
model is trained to make of that what can be made; so is the trigram, by Bayes' rule: half of such
ids are the right one, the others drawn from all alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from data_prep.shards import SplitTable
from data_prep.windows import permutation
from rrweb_tokenizer.structural_vocab import MASK_ID

from ..collator import NUM_SPECIAL_IDS
from .batches import MaskedBatch
from .predictors import NUM_CANDIDATES, Prediction, judge_scores

__all__ = ["NGramCounts", "TrigramPredictor", "UnigramPredictor", "count_ngrams"]

Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Rows of the vocabulary that are held at once: 256 x 12,520 float64 are 26 MB.
_MAX_ROWS: Final = 256
_BUFFERED_KEYS: Final = 4 << 20
# Sessions are counted in an order of their own, for where not all are counted.
_ORDER_KEY: Final = (1 << 32, 0, 0, 0)


@dataclass(slots=True)
class _KeyCounts:
    """How often each key came: sorted keys and counts, with what is not yet merged."""

    keys: Keys = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: Keys = field(default_factory=lambda: np.zeros(0, np.int64))
    _pending: list[Keys] = field(default_factory=list)
    _num_pending: int = 0

    def add(self, keys: Keys) -> None:
        """Count keys."""
        self._pending.append(keys)
        self._num_pending += len(keys)
        if self._num_pending >= _BUFFERED_KEYS:
            self.merge()

    def merge(self) -> None:
        """Put what is pending in place."""
        new, numbers = np.unique(
            np.concatenate([np.zeros(0, np.int64), *self._pending]), return_counts=True
        )
        self._pending, self._num_pending = [], 0
        keys, places = np.unique(np.concatenate([self.keys, new]), return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, numbers]))
        self.keys, self.counts = keys, counts

    def between(self, start: int, stop: int) -> tuple[Keys, Keys]:
        """Keys and counts with start <= key < stop."""
        first, last = np.searchsorted(self.keys, [start, stop])
        return self.keys[first:last], self.counts[first:last]


@dataclass(slots=True, kw_only=True)
class NGramCounts:
    """Ids, pairs and triples of sessions, with `followers_of` and the like to look them up."""

    vocab_size: int
    num_sessions: int = 0
    num_ids: int = 0
    of_id: Keys
    """(V,): c(w)."""

    num_followers: Keys
    """(V,): t(w), how many different ids stand right after w."""

    followed: Keys
    """(V,): c(w) without those at the end of a session."""

    _pairs: _KeyCounts
    _pairs_by_second: _KeyCounts
    _triples: _KeyCounts

    def followers_of(self, before: int) -> tuple[Keys, Keys]:
        """The ids that stand right after `before`, and how often."""
        keys, counts = self._pairs.between(before * self.vocab_size, (before + 1) * self.vocab_size)
        return keys % self.vocab_size, counts

    def predecessors_of(self, after: int) -> tuple[Keys, Keys]:
        """The ids that stand right before `after`, and how often."""
        size = self.vocab_size
        keys, counts = self._pairs_by_second.between(after * size, (after + 1) * size)
        return keys % size, counts

    def between(self, before: int, after: int) -> tuple[Keys, Keys]:
        """The ids that stand between the two, and how often."""
        start = (before * self.vocab_size + after) * self.vocab_size
        keys, counts = self._triples.between(start, start + self.vocab_size)
        return keys % self.vocab_size, counts


def count_ngrams(table: SplitTable, vocab_size: int, *, max_ids: int = 20_000_000) -> NGramCounts:
    """Count the ids of a split.

    Args:
        table: the train split.
        vocab_size: V.
        max_ids: whole sessions, in an order that is drawn once, until there are so many ids. Memory
            is at most 40 bytes an id; a million ids take a fifth of a second.
    """
    size = vocab_size
    of_id = np.zeros(size, np.int64)
    pairs, by_second, triples = _KeyCounts(), _KeyCounts(), _KeyCounts()
    num_ids = num_sessions = 0
    for session in permutation(len(table), _ORDER_KEY):
        ids = table.ids(int(session)).astype(np.int64)
        num_sessions, num_ids = num_sessions + 1, num_ids + len(ids)
        of_id += np.bincount(ids, minlength=size)
        pairs.add(ids[:-1] * size + ids[1:])
        by_second.add(ids[1:] * size + ids[:-1])
        triples.add((ids[:-2] * size + ids[2:]) * size + ids[1:-1])
        if num_ids >= max_ids:
            break
    for keys in (pairs, by_second, triples):
        keys.merge()
    followed = np.zeros(size, np.int64)
    np.add.at(followed, pairs.keys // size, pairs.counts)
    return NGramCounts(
        vocab_size=size,
        num_sessions=num_sessions,
        num_ids=num_ids,
        of_id=of_id,
        num_followers=np.bincount(pairs.keys // size, minlength=size),
        followed=followed,
        _pairs=pairs,
        _pairs_by_second=by_second,
        _triples=triples,
    )


def unigram(counts: NGramCounts) -> Floats:
    """(V,): p(w); 0 for the ids that are never predicted."""
    shares = counts.of_id + 1.0
    shares[:NUM_SPECIAL_IDS] = 0.0
    result: Floats = shares / shares.sum()
    return result


class UnigramPredictor:
    """Says everywhere what is frequent."""

    name = "unigram"

    def __init__(self, counts: NGramCounts) -> None:
        self._scores = _log(unigram(counts))
        order = torch.sort(self._scores, descending=True, stable=True).indices
        self._ranks = torch.empty_like(order)
        self._ranks[order] = torch.arange(len(order))

    def predict(self, batch: MaskedBatch) -> Prediction:
        """The same for every position."""
        targets = torch.from_numpy(batch.targets)
        return Prediction(
            best=np.full(len(targets), int(self._ranks.argmin())),
            is_among_best=(self._ranks[targets] < NUM_CANDIDATES).numpy(),
            losses=-self._scores[targets].numpy(),
        )


class TrigramPredictor:
    """Says what usually stands between the two neighbours."""

    name = "trigram"

    def __init__(self, counts: NGramCounts) -> None:
        self._counts = counts
        self._unigram = unigram(counts)
        total = counts.followed + counts.num_followers
        self._weight = 1.0 / np.maximum(total, 1)
        # p(r | w) = _backed_off[w] p(r) + c(w r) _weight[w]; all of it where w was never followed.
        self._backed_off = np.where(total > 0, counts.num_followers * self._weight, 1.0)
        self._num_random = counts.vocab_size - NUM_SPECIAL_IDS

    def predict(self, batch: MaskedBatch) -> Prediction:
        """Look at the visible neighbours of each position."""
        found = [
            judge_scores(
                _log(self._shares_of(batch, chosen)), torch.from_numpy(batch.targets[chosen])
            )
            for chosen in _slices(len(batch.targets))
        ]
        best, among, losses = (torch.cat(column).numpy() for column in zip(*found, strict=True))
        return Prediction(best=best, is_among_best=among, losses=losses)

    def _shares_of(self, batch: MaskedBatch, chosen: slice) -> Floats:
        """(m, V): for some of the masked positions."""
        places = zip(batch.rows[chosen], batch.columns[chosen], strict=True)
        return np.stack(
            [self.shares(*batch.input_ids[r, c - 1 : c + 2].tolist()) for r, c in places]
        )

    def shares(self, left: int, shown: int, right: int) -> Floats:
        """(V,): the probability of each id at a position to be predicted.

        Args:
            left: the id before it, as the model sees it.
            shown: what the position itself shows.
            right: the id after it.
        """
        counts, shares = self._counts, self._unigram
        has_left, has_right = left >= NUM_SPECIAL_IDS, right >= NUM_SPECIAL_IDS
        if has_left and counts.followed[left]:
            ids, numbers = counts.followers_of(left)
            shares = shares * self._backed_off[left]
            shares[ids] += numbers * self._weight[left]
        if has_right:
            after = self._backed_off * self._unigram[right]
            ids, numbers = counts.predecessors_of(right)
            after[ids] += numbers * self._weight[ids]
            shares = shares * after
            shares = shares / shares.sum()
        if has_left and has_right:
            ids, numbers = counts.between(left, right)
            total = numbers.sum() + len(ids)
            if total:
                shares = shares * (len(ids) / total)
                shares[ids] += numbers / total
        if shown != MASK_ID:
            was_kept = shares[shown] / 2
            shares = shares / (2 * self._num_random)
            shares[shown] += was_kept
            shares = shares / shares.sum()
        return shares


def _log(shares: Floats) -> torch.Tensor:
    with np.errstate(divide="ignore"):  # the ids that are never predicted
        return torch.from_numpy(np.log(shares))


def _slices(num_rows: int) -> list[slice]:
    return [slice(start, start + _MAX_ROWS) for start in range(0, num_rows, _MAX_ROWS)]
