"""A baseline that copies: what stood here the last time that the same ids came before.

Sessions repeat themselves, and this is how far repeating alone goes. It sees the window up to the
position only, learns nothing but which ids are frequent, and gives no probabilities.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ..collator import NUM_SPECIAL_IDS
from .batches import MaskedBatch
from .ngrams import NGramCounts, unigram
from .predictors import NUM_CANDIDATES, Prediction

__all__ = ["CopyPredictor"]

_CONTEXT_LENGTHS: Final = (2, 1)


class CopyPredictor:
    """Says what followed the same two ids the last time, else the same id, else what is frequent.

    Its five candidates are the five that followed last, one after the other in that order.
    """

    name = "copy last"

    def __init__(self, counts: NGramCounts) -> None:
        order = np.argsort(-unigram(counts), kind="stable")
        self._frequent = order[:NUM_CANDIDATES].tolist()

    def predict(self, batch: MaskedBatch) -> Prediction:
        """Go through each window once, from left to right."""
        candidates = np.concatenate(
            [
                self.candidates(ids, batch.columns[batch.rows == row])
                for row, ids in enumerate(batch.input_ids)
            ]
        )
        return Prediction(
            best=candidates[:, 0],
            is_among_best=(candidates == batch.targets[:, None]).any(axis=1),
            losses=None,
        )

    def candidates(
        self, input_ids: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """(m, 5): what may stand at each of the (m,) ascending columns of a window (T,)."""
        ids = input_ids.tolist()
        wanted = set(columns.tolist())
        # Ids before -> what came after them, the last one at the end.
        followers: dict[tuple[int, ...], list[int]] = {}
        found = []
        for place, token_id in enumerate(ids):
            contexts = [tuple(ids[place - n : place]) for n in _CONTEXT_LENGTHS if place >= n]
            contexts = [c for c in contexts if min(c) >= NUM_SPECIAL_IDS]
            if place in wanted:
                found.append(self._best([followers.get(context, []) for context in contexts]))
            elif token_id >= NUM_SPECIAL_IDS:
                for context in contexts:
                    seen = followers.setdefault(context, [])
                    if token_id in seen:
                        seen.remove(token_id)
                    seen.append(token_id)
        return np.array(found, np.int64).reshape(-1, NUM_CANDIDATES)

    def _best(self, lists: list[list[int]]) -> list[int]:
        ordered = [token_id for seen in lists for token_id in reversed(seen)]
        return list(dict.fromkeys([*ordered, *self._frequent]))[:NUM_CANDIDATES]
