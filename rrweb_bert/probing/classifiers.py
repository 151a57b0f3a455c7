"""Classifiers of which every choice is made within the training groups.

A candidate is a matrix of features and a setting of a classifier. All candidates of a method
predict each training group from the others (folds of whole groups); the one with the best macro-F1
is fitted to all training units and predicts the held-out ones, which nothing has looked at.
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
        probabilities: (t, c) float64, of the held-out units.
    """

    name: str
    inner_macro_f1: float
    probabilities: npt.NDArray[np.float64]


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
    best: tuple[float, Candidate] | None = None
    num_folds = min(_NUM_FOLDS, len(set(groups[train].tolist())))
    for candidate in candidates:
        score = 0.0
        if len(candidates) > 1 and num_folds > 1:
            folds = GroupKFold(num_folds).split(train, y[train], groups[train])
            inner = np.zeros((len(train), num_classes))
            for fitted, judged in folds:
                inner[judged] = _predict(
                    candidate, y, train[fitted], train[judged], num_classes, seed
                )
            score = macro_f1(y[train], inner.argmax(axis=1), num_classes)
        if best is None or score > best[0]:
            best = score, candidate
    if best is None:
        raise ValueError("there is no candidate to choose from")
    score, candidate = best
    return Choice(
        name=candidate.name,
        inner_macro_f1=score,
        probabilities=_predict(candidate, y, train, test, num_classes, seed),
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
