"""Classifiers of which every choice is made within the training groups.

A candidate is a matrix of features and a setting of a classifier, which is fitted as if all classes
were equally frequent. All candidates of a method predict each training group from the others (folds
of whole groups); the one with the best macro-F1 is fitted to all training units and predicts the
held-out ones, which nothing has looked at. How far frequent classes are favoured is chosen with it:
probabilities are multiplied by a power of the classes' shares.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .scores import macro_f1

__all__ = ["Candidate", "Choice", "boosting", "choose_and_predict", "dense_linear", "sparse_linear"]

_NUM_FOLDS: Final = 5
_STRENGTHS: Final = (1e-3, 1e-2, 1e-1)
_SPARSE_STRENGTHS: Final = (1.0, 10.0, 100.0)
_BOOSTING: Final = (
    {"learning_rate": 0.1, "max_leaf_nodes": 8, "l2_regularization": 1.0},
    {"learning_rate": 0.05, "max_leaf_nodes": 16, "l2_regularization": 1.0},
)
_MAX_ITERATIONS: Final = 100
_POWERS: Final = (0.0, 0.5, 1.0)
_LINEAR: Final = {"class_weight": "balanced", "max_iter": 100, "tol": 1e-3}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """Features of all units and a classifier to be fitted.

    Attributes:
        name: what is told of it when it is chosen.
        features: (u, f), dense or sparse.
        make: makes the classifier, from a seed.
    """

    name: str
    features: Any
    make: Callable[[int], Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """What was chosen, and what it says of the held-out units.

    Attributes:
        name: of the candidate.
        inner_macro_f1: its score within the training groups.
        probabilities: (t, c) float64, of the held-out units, as if classes were equally frequent.
        said: (t,) int64, what they are taken for.
    """

    name: str
    inner_macro_f1: float
    probabilities: npt.NDArray[np.float64]
    said: npt.NDArray[np.int64]


def dense_linear(name: str, features: npt.NDArray[np.floating]) -> list[Candidate]:
    """Logistic regression on standardised features, for several strengths."""

    def make_with(strength: float) -> Callable[[int], Any]:
        def make(_: int) -> Any:
            linear = LogisticRegression(C=strength, **_LINEAR)
            return make_pipeline(StandardScaler(), linear)

        return make

    return [
        Candidate(name=f"{name}, C={c:g}", features=features, make=make_with(c)) for c in _STRENGTHS
    ]


def sparse_linear(name: str, features: Any) -> list[Candidate]:
    """Logistic regression on sparse features of unit length, for several strengths."""

    def make_with(strength: float) -> Callable[[int], Any]:
        return lambda _: LogisticRegression(C=strength, **_LINEAR)

    return [
        Candidate(name=f"{name}, C={c:g}", features=features, make=make_with(c))
        for c in _SPARSE_STRENGTHS
    ]


def boosting(name: str, features: npt.NDArray[np.floating]) -> list[Candidate]:
    """Gradient boosting, for several sizes of trees."""

    def make_with(options: dict[str, Any]) -> Callable[[int], Any]:
        return lambda seed: HistGradientBoostingClassifier(
            max_iter=_MAX_ITERATIONS,
            class_weight="balanced",
            early_stopping=False,
            random_state=seed,
            **options,
        )

    return [
        Candidate(
            name=f"{name}, {options['max_leaf_nodes']} leaves at {options['learning_rate']:g}",
            features=features,
            make=make_with(options),
        )
        for options in _BOOSTING
    ]


def choose_and_predict(
    candidates: Sequence[Candidate],
    y: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
    is_train: npt.NDArray[np.bool_],
    *,
    seed: int = 0,
) -> Choice:
    """The best candidate within the training groups, and its predictions for the other units.

    Args:
        candidates: at least one.
        y: (u,) classes 0 to c - 1; all of them occur.
        groups: (u,).
        is_train: (u,); no group may be on both sides.
        seed: of the classifiers that need one.

    Raises:
        ValueError: a group is on both sides.
    """
    train, test = np.flatnonzero(is_train), np.flatnonzero(~is_train)
    both = set(groups[train].tolist()) & set(groups[test].tolist())
    if both:
        raise ValueError(f"groups in training and among the held-out: {sorted(both)[:3]}")
    num_classes = int(y.max()) + 1
    shares = np.bincount(y[train], minlength=num_classes) / len(train)
    best: tuple[float, Candidate, float] | None = None
    num_folds = min(_NUM_FOLDS, len(set(groups[train].tolist())))
    for candidate in candidates:
        inner = np.zeros((len(train), num_classes))
        if num_folds > 1:
            for fitted, judged in GroupKFold(num_folds).split(train, y[train], groups[train]):
                inner[judged] = _predict(
                    candidate, y, train[fitted], train[judged], num_classes, seed
                )
        for power in _POWERS:
            said = (inner * shares**power).argmax(axis=1)
            score = macro_f1(y[train], said, num_classes)
            if best is None or score > best[0]:
                best = score, candidate, power
    if best is None:
        raise ValueError("there is no candidate to choose from")
    score, candidate, power = best
    probabilities = _predict(candidate, y, train, test, num_classes, seed)
    return Choice(
        name=f"{candidate.name}, shares^{power:g}",
        inner_macro_f1=score,
        probabilities=probabilities,
        said=(probabilities * shares**power).argmax(axis=1),
    )


def _predict(
    candidate: Candidate,
    y: npt.NDArray[np.int64],
    fitted: npt.NDArray[np.int64],
    judged: npt.NDArray[np.int64],
    num_classes: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """(t, c) probabilities; a class that was not there to be learnt has probability 0."""
    probabilities = np.zeros((len(judged), num_classes))
    present = np.unique(y[fitted])
    if len(present) == 1:
        probabilities[:, present[0]] = 1.0
        return probabilities
    classifier = candidate.make(seed)
    with warnings.catch_warnings():
        # Weak regularisation may not converge in the steps given; it then is not chosen.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(candidate.features[fitted], y[fitted])
    probabilities[:, classifier.classes_] = classifier.predict_proba(candidate.features[judged])
    return probabilities
