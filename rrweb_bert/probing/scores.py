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
]

NUM_DRAWS: Final = 1000
METRICS: Final = ("macro_f1", "balanced_accuracy", "auroc")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a method said of held-out units.

    Attributes:
        y: (t,) int64, the truth.
        probabilities: (t, c).
        groups: (t,) str.
    """

    y: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
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
        groups=np.concatenate([part.groups for part in parts]),
    )


def macro_f1(
    y: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    num_classes: int,
    weights: npt.NDArray[np.floating] | None = None,
) -> float:
    """The mean F1 of the classes that occur in `y` (with weight above 0); NaN where none does.

    >>> macro_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)  # (2/3 + 4/5) / 2
    0.7333333333333334
    """
    confusion = _confusion(y, predicted, num_classes, weights)
    true, said = confusion.sum(axis=1), confusion.sum(axis=0)
    occurs = true > 0
    if not occurs.any():
        return float("nan")
    return float((2 * confusion.diagonal()[occurs] / (true + said)[occurs]).mean())


def balanced_accuracy(
    y: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    num_classes: int,
    weights: npt.NDArray[np.floating] | None = None,
) -> float:
    """The mean recall of the classes that occur."""
    confusion = _confusion(y, predicted, num_classes, weights)
    true = confusion.sum(axis=1)
    occurs = true > 0
    if not occurs.any():
        return float("nan")
    return float((confusion.diagonal()[occurs] / true[occurs]).mean())


def _confusion(
    y: npt.NDArray[np.int64],
    predicted: npt.NDArray[np.int64],
    num_classes: int,
    weights: npt.NDArray[np.floating] | None,
) -> npt.NDArray[np.float64]:
    cells = np.bincount(y * num_classes + predicted, weights=weights, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes).astype(np.float64)


def auroc(
    y: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    weights: npt.NDArray[np.floating] | None = None,
) -> float:
    """Area under the ROC curve; of several classes the mean of each against the others.

    Classes that have no unit, or all of them, are left out; NaN where none is left.
    """
    weights = np.ones(len(y)) if weights is None else weights
    classes = [1] if probabilities.shape[1] == 2 else list(range(probabilities.shape[1]))
    areas = [_area(y == c, probabilities[:, c], weights) for c in classes]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def _area(
    is_positive: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float64],
    weights: npt.NDArray[np.floating],
) -> float:
    """The chance that a positive has a higher score than a negative, ties counted half."""
    _, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, weights=weights * is_positive)
    negative = np.bincount(place, weights=weights * ~is_positive)
    if positive.sum() == 0 or negative.sum() == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


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


def scores_of(
    predictions: Predictions, weights: npt.NDArray[np.floating] | None = None
) -> dict[str, float]:
    """The score of each of `METRICS`."""
    num_classes = predictions.probabilities.shape[1]
    said = predictions.probabilities.argmax(axis=1)
    return {
        "macro_f1": macro_f1(predictions.y, said, num_classes, weights),
        "balanced_accuracy": balanced_accuracy(predictions.y, said, num_classes, weights),
        "auroc": auroc(predictions.y, predictions.probabilities, weights),
    }


def scores_by_draw(
    predictions: Predictions, weights: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.float64]]:
    """(b,) of each metric: the scores in each draw."""
    rows = [scores_of(predictions, draw) for draw in weights]
    return {metric: np.array([row[metric] for row in rows]) for metric in METRICS}


def interval_of(value: float, draws: npt.NDArray[np.float64]) -> Interval:
    """The 2.5th to the 97.5th percentile of the draws that have a score."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return Interval(value=value, low=float("nan"), high=float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(value=value, low=float(low), high=float(high))
