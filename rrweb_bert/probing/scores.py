"""Scores of predictions, and how sure they are.

Sites, not sessions, are what a result must hold for: intervals come from drawing whole sites with
replacement (cluster bootstrap, percentile method). Two methods are compared on the same draws.

Letters in shapes: t units, c classes, g groups, b bootstrap draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "Predictions",
    "auroc",
    "balanced_accuracy",
    "bootstrap_weights",
    "interval_of",
    "macro_f1",
    "pooled",
    "scores_by_draw",
    "scores_of",
]

NUM_DRAWS: Final = 1000
METRICS: Final = ("macro_f1", "balanced_accuracy", "auroc")

_DRAWS_AT_ONCE: Final = 100  # keeps weights times units in cache
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a method said of held-out units.

    Attributes:
        y: (t,) int64, the truth.
        probabilities: (t, c), by which the area under the curve goes.
        said: (t,) int64, the classes they are taken for, by which the other scores go.
        groups: (t,) str.
    """

    y: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    said: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A score and its 95% interval."""

    value: float
    low: float
    high: float


def pooled(parts: Sequence[Predictions]) -> Predictions:
    """All of them as one."""
    return Predictions(
        y=np.concatenate([part.y for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        said=np.concatenate([part.said for part in parts]),
        groups=np.concatenate([part.groups for part in parts]),
    )


def macro_f1(y: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], num_classes: int) -> float:
    """The mean F1 of the classes that occur in `y`; NaN where none does.

    >>> macro_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)  # (2/3 + 4/5) / 2
    0.7333333333333334
    """
    confusion = _confusion(y, predicted, num_classes, np.ones((1, len(y))))
    return float(_macro_f1(confusion)[0])


def balanced_accuracy(
    y: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], num_classes: int
) -> float:
    """The mean recall of the classes that occur; NaN where none does."""
    confusion = _confusion(y, predicted, num_classes, np.ones((1, len(y))))
    return float(_balanced_accuracy(confusion)[0])


def auroc(y: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve; of several classes the mean of each against the others.

    Classes that have no unit, or all of them, are left out; NaN where none is left.
    """
    return float(_auroc(y, probabilities, np.ones((1, len(y))))[0])


def _confusion(
    y: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    num_classes: int,
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """(b, c, c): how much weight of each class, by row, was taken for each, by column."""
    cells = np.zeros((len(y), num_classes**2))
    cells[np.arange(len(y)), y * num_classes + predicted] = 1.0
    confusion: npt.NDArray[np.float64] = (weights @ cells).reshape(-1, num_classes, num_classes)
    return confusion


def _macro_f1(confusion: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    true, said = confusion.sum(axis=2), confusion.sum(axis=1)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    return _mean_where(true > 0, 2 * right / np.maximum(true + said, _TINY))


def _balanced_accuracy(confusion: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    true = confusion.sum(axis=2)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    return _mean_where(true > 0, right / np.maximum(true, _TINY))


def _auroc(
    y: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    classes = [1] if probabilities.shape[1] == 2 else list(range(probabilities.shape[1]))
    areas = np.stack([_areas(y == c, probabilities[:, c], weights) for c in classes], axis=1)
    return _mean_where(~np.isnan(areas), np.nan_to_num(areas))


def _areas(
    is_positive: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """(b,) the chance that a positive has a higher score than a negative, ties counted half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    positive = np.add.reduceat(weights[:, order] * is_positive[order], starts, axis=1)
    negative = np.add.reduceat(weights[:, order] * ~is_positive[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    area = (positive * below).sum(axis=1) / np.maximum(pairs, _TINY)
    return np.where(pairs > 0, area, np.nan)


def _mean_where(
    counts: npt.NDArray[np.bool_], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(b,) the mean of each row's values that count, NaN where none does."""
    total = (values * counts).sum(axis=1)
    number = counts.sum(axis=1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def bootstrap_weights(
    groups: npt.NDArray[np.str_], *, seed: int = 0, num_draws: int = NUM_DRAWS
) -> npt.NDArray[np.float64]:
    """(b, t) float64: how often each unit's group is in each draw of as many groups."""
    names, place = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(num_draws, len(names)))
    times = np.zeros((num_draws, len(names)))
    np.add.at(times, (np.arange(num_draws)[:, None], drawn), 1.0)
    return times[:, place]


def scores_of(predictions: Predictions) -> dict[str, float]:
    """The score of each of `METRICS`."""
    found = scores_by_draw(predictions, np.ones((1, len(predictions.y))))
    return {metric: float(values[0]) for metric, values in found.items()}


def scores_by_draw(
    predictions: Predictions, weights: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.float64]]:
    """(b,) of each metric: the scores where units count as often as `weights` (b, t) say."""
    num_classes = predictions.probabilities.shape[1]
    rows = []
    for start in range(0, len(weights), _DRAWS_AT_ONCE):
        some = weights[start : start + _DRAWS_AT_ONCE]
        confusion = _confusion(predictions.y, predictions.said, num_classes, some)
        areas = _auroc(predictions.y, predictions.probabilities, some)
        rows.append((_macro_f1(confusion), _balanced_accuracy(confusion), areas))
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    return dict(zip(METRICS, columns, strict=True))


def interval_of(value: float, draws: npt.NDArray[np.float64]) -> Interval:
    """The 2.5th to the 97.5th percentile of the draws that have a score."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return Interval(value=value, low=float("nan"), high=float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(value=value, low=float(low), high=float(high))
