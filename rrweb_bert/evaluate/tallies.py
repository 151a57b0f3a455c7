"""Sums over masked positions, by session and group of tokens, in memory that stays small.

Letters: S sessions seen, G token groups, Q quantities, M masked positions of a batch.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_TOKENS, TEXT_GROUP, TEXT_ID_OFFSET

from ..evaluation import KINDS, kind_table
from .batches import MaskedBatch
from .legality import are_legal_alone, are_legal_together
from .predictors import Prediction

__all__ = [
    "HEADS",
    "NUM_GROUPS",
    "TOKEN_GROUPS",
    "HeadConfusions",
    "Quantity",
    "Tally",
    "kind_of_group",
]

TOKEN_GROUPS: Final = (*(group.name for group in GROUPS), TEXT_GROUP)
NUM_GROUPS: Final = len(TOKEN_GROUPS)

HEADS: Final = tuple(
    token for token in STRUCTURAL_TOKENS if token.startswith(("[EV_", "[IS_", "[MI_", "[ME_"))
)
"""What an event begins with: its kind."""

_GROUP_STARTS: Final = np.array([*(group.start for group in GROUPS), TEXT_ID_OFFSET])


class Quantity(IntEnum):
    """What is summed at each masked position."""

    POSITIONS = 0
    LOSS = 1
    RIGHT = 2
    AMONG_FIVE = 3
    LEGAL_ALONE = 4
    LEGAL_TOGETHER = 5
    WRONG = 6
    WRONG_BUT_LEGAL = 7


def kind_of_group() -> npt.NDArray[np.int64]:
    """(G,): the place in `KINDS` of each of TOKEN_GROUPS."""
    kinds: npt.NDArray[np.int64] = kind_table().numpy()[_GROUP_STARTS]
    return kinds


class Tally:
    """What one predictor did, added up.

    Attributes:
        has_loss: whether it gives probabilities.
    """

    def __init__(self) -> None:
        self.has_loss = True
        self._sums: dict[int, npt.NDArray[np.float64]] = {}

    def add(self, batch: MaskedBatch, prediction: Prediction) -> None:
        """Judge the predictions of a batch."""
        is_right = prediction.best == batch.targets
        is_legal = are_legal_alone(batch, prediction.best)
        self.has_loss = prediction.losses is not None
        values = np.zeros((len(batch.targets), len(Quantity)))
        values[:, Quantity.POSITIONS] = 1
        values[:, Quantity.LOSS] = 0.0 if prediction.losses is None else prediction.losses
        values[:, Quantity.RIGHT] = is_right
        values[:, Quantity.AMONG_FIVE] = prediction.is_among_best
        values[:, Quantity.LEGAL_ALONE] = is_legal
        values[:, Quantity.LEGAL_TOGETHER] = are_legal_together(batch, prediction.best)
        values[:, Quantity.WRONG] = ~is_right
        values[:, Quantity.WRONG_BUT_LEGAL] = ~is_right & is_legal
        groups = np.searchsorted(_GROUP_STARTS, batch.targets, side="right") - 1
        for session in np.unique(batch.sessions):
            chosen = batch.sessions == session
            sums = self._sums.setdefault(int(session), np.zeros((NUM_GROUPS, len(Quantity))))
            np.add.at(sums, groups[chosen], values[chosen])

    @property
    def sessions(self) -> list[int]:
        """The sessions seen, ascending."""
        return sorted(self._sums)

    def sums(self) -> npt.NDArray[np.float64]:
        """(S, G, Q), sessions as in `sessions`."""
        rows = [self._sums[session] for session in self.sessions]
        return np.stack(rows) if rows else np.zeros((0, NUM_GROUPS, len(Quantity)))


class HeadConfusions:
    """Which kinds of event are taken for which; the last column is "no kind of event"."""

    def __init__(self) -> None:
        self.counts = np.zeros((len(HEADS), len(HEADS) + 1), np.int64)
        self._place = np.full(TEXT_ID_OFFSET + 1, len(HEADS))
        for place, token in enumerate(HEADS):
            self._place[STRUCTURAL_TOKENS.index(token)] = place

    def add(self, targets: npt.NDArray[np.int64], best: npt.NDArray[np.int64]) -> None:
        """Count predictions (M,) of positions where (M,) `targets` stand."""
        truth = self._place[np.minimum(targets, TEXT_ID_OFFSET)]
        said = self._place[np.minimum(best, TEXT_ID_OFFSET)]
        is_head = truth < len(HEADS)
        np.add.at(self.counts, (truth[is_head], said[is_head]), 1)


assert len(KINDS) == kind_of_group().max() + 1  # noqa: S101 - tables that belong together
