"""Classifiers of which every choice is made within the training groups.

A candidate is a matrix of features and a setting of a classifier, which is fitted as if all classes
were equally frequent. All candidates of a method predict each training group from the others (folds
of whole groups); the one with the best macro-F1 is fitted to all training units and predicts the
held-out ones, which nothing has looked at. Where the candidates are of two families (linear and
boosting), the mean of the best of each is one more candidate. How far frequent classes are favoured
is chosen with it: probabilities are multiplied by a power of the classes' shares.
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
_MAX_BINS: Final = 63  # some hundred units have no use for more, which take thrice the time
_POWERS: Final = (0.0, 0.5, 1.0)
_LINEAR: Final = {"class_weight": "balanced", "max_iter": 100, "tol": 1e-3}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """Features of all units and a classifier to be fitted.

    Attributes:
        name: what is told of it when it is chosen.
        features: (u, f), dense or sparse.
        make: makes the classifier, from a seed.
        family: "linear" or "boosting".
    """

    name: str
    features: Any
    make: Callable[[int], Any]
    family: str


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
        Candidate(name=f"{name}, C={c:g}", features=features, make=make_with(c), family="linear")
        for c in _STRENGTHS
    ]


def sparse_linear(name: str, features: Any) -> list[Candidate]:
    """Logistic regression on sparse features of unit length, for several strengths."""

    def make_with(strength: float) -> Callable[[int], Any]:
        return lambda _: LogisticRegression(C=strength, **_LINEAR)

    return [
        Candidate(name=f"{name}, C={c:g}", features=features, make=make_with(c), family="linear")
        for c in _SPARSE_STRENGTHS
    ]


def boosting(name: str, features: npt.NDArray[np.floating]) -> list[Candidate]:
    """Gradient boosting, for several sizes of trees."""

    def make_with(options: dict[str, Any]) -> Callable[[int], Any]:
        return lambda seed: HistGradientBoostingClassifier(
            max_iter=_MAX_ITERATIONS,
            max_bins=_MAX_BINS,
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
            family="boosting",
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
    if not candidates:
        raise ValueError("there is no candidate to choose from")
    num_classes = int(y.max()) + 1
    shares = np.bincount(y[train], minlength=num_classes) / len(train)
    best: dict[str, _Scored] = {}
    for candidate in candidates:
        inner = _inner_predictions(candidate, y, groups, train, num_classes, seed)
        scored = _scored((candidate,), inner, y[train], shares)
        if candidate.family not in best or scored.score > best[candidate.family].score:
            best[candidate.family] = scored
    found = list(best.values())
    if len(found) > 1:
        mean = np.mean([each.inner for each in found], axis=0)
        members = tuple(candidate for each in found for candidate in each.members)
        found.append(_scored(members, mean, y[train], shares))
    chosen = max(found, key=lambda each: each.score)
    probabilities = np.mean(
        [_predict(member, y, train, test, num_classes, seed) for member in chosen.members], axis=0
    )
    return Choice(
        name=f"{' and '.join(m.name for m in chosen.members)}, shares^{chosen.power:g}",
        inner_macro_f1=chosen.score,
        probabilities=probabilities,
        said=(probabilities * shares**chosen.power).argmax(axis=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scored:
    """Candidates whose mean prediction is judged within the training groups."""

    score: float
    members: tuple[Candidate, ...]
    power: float
    inner: npt.NDArray[np.float64]


def _scored(
    members: tuple[Candidate, ...],
    inner: npt.NDArray[np.float64],
    y: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
) -> _Scored:
    """With the power of the shares that is best."""
    said = {power: (inner * shares**power).argmax(axis=1) for power in _POWERS}
    scores = {power: macro_f1(y, each, len(shares)) for power, each in said.items()}
    power = max(_POWERS, key=scores.__getitem__)
    return _Scored(score=scores[power], members=members, power=power, inner=inner)


def _inner_predictions(
    candidate: Candidate,
    y: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
    train: npt.NDArray[np.int64],
    num_classes: int,
    seed: int,
) -> npt.NDArray[np.float64]:
    """(n, c) probabilities of the training units, each from folds without its group."""
    inner = np.zeros((len(train), num_classes))
    num_folds = min(_NUM_FOLDS, len(set(groups[train].tolist())))
    if num_folds > 1:
        for fitted, judged in GroupKFold(num_folds).split(train, y[train], groups[train]):
            inner[judged] = _predict(candidate, y, train[fitted], train[judged], num_classes, seed)
    return inner


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
