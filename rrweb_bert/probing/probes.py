"""The probes of one model on one corpus: every method predicts the units of unseen groups.

Methods, for each task: the majority class; counts of events and gradient boosting; TF-IDF of
rendered tokens and logistic regression; the encoder, untrained and trained, with logistic
regression on its vectors, boosting on its bags of states, or the mean of both; counts with the same
choice, so that no method has more classifiers. Of each, everything that is free is chosen within
the seen groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer

from rrweb_tokenizer import RRWebTokenizer

from ..session_ids import estimated_times_ms, event_starts_of
from ..window_pooling import POOLINGS
from .classifiers import Candidate, boosting, choose_and_predict, dense_linear
from .count_features import count_features
from .scores import Predictions
from .unit_states import NUM_EVENT_CLUSTERS, UnitStates
from .units import LabelledUnits, Sessions

__all__ = [
    "ENCODER",
    "Outcome",
    "combined_candidates",
    "count_candidates",
    "embedding_candidates",
    "encoder_candidates",
    "probe_task",
    "tfidf_features",
    "unit_counts",
    "unit_texts",
]

ENCODER: Final = "encoder"
COMBINED: Final = "encoder and counts"
EMBEDDINGS: Final = "its embeddings alone"
UNTRAINED: Final = "untrained encoder"
MAJORITY: Final = "majority class"
COUNTS: Final = "counts + boosting"
COUNTS_BOTH: Final = "counts, either or both classifiers"
TFIDF: Final = "TF-IDF + logistic regression"

_MAX_TERMS: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a method predicts, and which candidate it chose."""

    predictions: Predictions
    chosen: str
    inner_macro_f1: float


def encoder_candidates(states: UnitStates) -> list[Candidate]:
    """Poolings of the last layer, two of them of the mean of layers, and bags of states."""
    candidates = dense_linear("spread", states.spread())
    for pooling in POOLINGS:
        candidates += dense_linear(f"{pooling}, last layer", states.pooled("last layer", pooling))
    for pooling in ("interactions", "kinds+keyframes"):
        vectors = states.pooled("mean of layers", pooling)
        candidates += dense_linear(f"{pooling}, mean of layers", vectors)
    for num_clusters in NUM_EVENT_CLUSTERS:
        candidates += boosting(f"{num_clusters} states", states.bag(num_clusters))
    return candidates


def embedding_candidates(states: UnitStates) -> list[Candidate]:
    """Poolings of the trained embeddings, before any layer."""
    candidates: list[Candidate] = []
    for pooling in POOLINGS:
        candidates += dense_linear(pooling, states.pooled("embeddings", pooling))
    return candidates


def count_candidates(counts: npt.NDArray[np.float64]) -> list[Candidate]:
    """The classifiers that the encoder has, on counts."""
    return boosting("counts", counts) + dense_linear("log counts", np.log1p(counts.clip(min=0)))


def combined_candidates(states: UnitStates, counts: npt.NDArray[np.float64]) -> list[Candidate]:
    """States and counts, one behind the other: do they know different things?"""
    logarithms = np.log1p(counts.clip(min=0))
    candidates: list[Candidate] = []
    for name, vectors in (
        ("kinds", states.pooled("last layer", "kinds")),
        ("spread", states.spread()),
    ):
        candidates += dense_linear(name, np.concatenate([vectors, logarithms], axis=1))
    bag = states.bag(NUM_EVENT_CLUSTERS[0])
    return candidates + boosting("states", np.concatenate([bag, counts], axis=1))


def unit_counts(sessions: Sessions, *, are_windows: bool) -> npt.NDArray[np.float64]:
    """(u, f) float64: `count_features` of every session or window."""
    rows = []
    times_by_session: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]] = []
    for row in sessions.rows:
        starts = event_starts_of(row.ids)
        times_ms = estimated_times_ms(row.ids, starts, row.start_ms, row.end_ms)
        times_by_session.append((starts, times_ms))
        if not are_windows:
            rows.append(count_features(row.ids, times_ms))
    if are_windows:
        for window in sessions.windows:
            starts, times_ms = times_by_session[window.session]
            inside = (starts >= window.start) & (starts < window.stop)
            rows.append(count_features(window.ids, times_ms[inside]))
    return np.array(rows)


def unit_texts(sessions: Sessions, tokenizer: RRWebTokenizer, *, are_windows: bool) -> list[str]:
    """The rendered tokens of every session or window."""
    ids = [w.ids for w in sessions.windows] if are_windows else [r.ids for r in sessions.rows]
    return [tokenizer.render(one) for one in ids]


def tfidf_features(texts: Sequence[str], is_train: npt.NDArray[np.bool_]) -> Any:
    """(u, terms) sparse: words and pairs of words, weighted by what the training texts hold."""
    vectorizer = TfidfVectorizer(
        token_pattern=r"\S+",  # noqa: S106 - a pattern of words
        lowercase=True,
        ngram_range=(1, 2),
        min_df=2,
        max_features=_MAX_TERMS,
        sublinear_tf=True,
        dtype=np.float32,
    )
    vectorizer.fit(text for text, taken in zip(texts, is_train, strict=True) if taken)
    return vectorizer.transform(texts)


def probe_task(
    units: LabelledUnits,
    methods: dict[str, Callable[[], list[Candidate]]],
    *,
    seed: int = 0,
) -> dict[str, Outcome]:
    """What each method predicts for the unseen units, `MAJORITY` included.

    Args:
        units: of one task.
        methods: name -> its candidates, with features of all sessions or windows.
        seed: of the classifiers that need one.
    """
    held_out = ~units.is_seen
    shares = np.bincount(units.y[units.is_seen], minlength=len(units.classes)).astype(np.float64)
    shares /= shares.sum()
    found = {
        MAJORITY: Outcome(
            predictions=Predictions(
                y=units.y[held_out],
                probabilities=np.tile(shares, (int(held_out.sum()), 1)),
                said=np.full(int(held_out.sum()), shares.argmax()),
                groups=units.groups[held_out],
            ),
            chosen=units.classes[int(shares.argmax())],
            inner_macro_f1=float("nan"),
        )
    }
    for name, make in methods.items():
        candidates = [
            replace(candidate, features=candidate.features[units.units]) for candidate in make()
        ]
        choice = choose_and_predict(candidates, units.y, units.groups, units.is_seen, seed=seed)
        found[name] = Outcome(
            predictions=Predictions(
                y=units.y[held_out],
                probabilities=choice.probabilities,
                said=choice.said,
                groups=units.groups[held_out],
            ),
            chosen=choice.name,
            inner_macro_f1=choice.inner_macro_f1,
        )
    return found
