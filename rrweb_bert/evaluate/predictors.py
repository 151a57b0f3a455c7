"""Who says what stands at the masked positions: a common form, and the model in it.

Letters: M masked positions of a batch, V vocabulary size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..modeling_rrweb_bert import RRWebBertForMaskedLM
from .batches import MaskedBatch

__all__ = ["NUM_CANDIDATES", "ModelPredictor", "Prediction", "Predictor", "judge_scores"]

NUM_CANDIDATES: Final = 5
"""How many answers the wider accuracy allows."""

# Rows of the vocabulary that are held at once: 512 x 12,520 floats are 26 MB.
_MAX_ROWS: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a predictor said of the masked positions of a batch."""

    best: npt.NDArray[np.int64]
    """(M,): its first choice."""

    is_among_best: npt.NDArray[np.bool_]
    """(M,): whether what stands there is among its first five."""

    losses: npt.NDArray[np.float64] | None
    """(M,): -log of the probability that it gave what stands there; None where it gives none."""


class Predictor(Protocol):
    """Predicts the masked positions of windows."""

    @property
    def name(self) -> str:
        """What it is called in reports."""

    def predict(self, batch: MaskedBatch) -> Prediction:
        """Return its answers; it looks at `input_ids` and positions only, never at the truth."""


def judge_scores(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """First choices (M,), whether the target is among the first five (M,), and losses (M,).

    Of ids with equal scores the smaller one comes first, so that the result does not depend on how
    a device sorts.

    Args:
        scores: (M, V), log probabilities up to a constant a row.
        targets: (M,) int64.
    """
    ids = torch.arange(scores.shape[1], device=scores.device)
    highest = scores.max(dim=1, keepdim=True).values
    best = torch.where(scores == highest, ids, scores.shape[1]).min(dim=1).values
    of_target = scores.gather(1, targets[:, None])
    is_before = (scores > of_target) | ((scores == of_target) & (ids < targets[:, None]))
    losses = torch.logsumexp(scores, dim=1) - of_target[:, 0]
    # Of one score far above all others, rounding may leave a loss of less than nothing.
    return best, is_before.sum(1) < NUM_CANDIDATES, losses.clamp(min=0)


class ModelPredictor:
    """A masked-language model.

    Args:
        model: in evaluation mode, on its device.
        device: where it is.
        autocast: makes the context in which it runs.
        name: what it is called in reports.
    """

    def __init__(
        self,
        model: RRWebBertForMaskedLM,
        *,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        name: str = "model",
    ) -> None:
        self.name = name
        self._model, self._device, self._autocast = model, device, autocast

    @torch.no_grad()
    def predict(self, batch: MaskedBatch) -> Prediction:
        """Run the model once over the batch, and its head over the masked positions."""
        device = self._device
        input_ids = torch.from_numpy(batch.input_ids).to(device)
        is_masked = torch.zeros(batch.input_ids.shape, dtype=torch.bool)
        is_masked[batch.rows, batch.columns] = True
        with self._autocast():
            states = self._model.masked_states(input_ids, is_masked.to(device))
        targets = torch.from_numpy(batch.targets).to(device)
        found = [self._judge(part, wanted) for part, wanted in _parts(states, targets)]
        best, among, losses = (
            torch.cat(column).cpu().numpy() for column in zip(*found, strict=True)
        )
        return Prediction(best=best, is_among_best=among, losses=losses)

    def _judge(self, states: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self._autocast():
            logits = self._model.cls(states)
        best, among, losses = judge_scores(logits.float(), targets)
        return best, among, losses.double()


def _parts(states: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
    num_parts = max(1, math.ceil(len(targets) / _MAX_ROWS))
    return list(zip(states.chunk(num_parts), targets.chunk(num_parts), strict=True))
