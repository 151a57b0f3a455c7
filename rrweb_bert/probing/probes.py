"""The probes of one model on one corpus: every method predicts the units of unseen groups.

Methods, for each task: the majority class; counts of events and gradient boosting; TF-IDF of
rendered tokens and logistic regression; the encoder, untrained and trained, with logistic
regression on its vectors. Of each, everything that is free is chosen within the seen groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer

from rrweb_tokenizer import RRWebTokenizer

from ..session_ids import estimated_times_ms, event_starts_of
from ..window_pooling import POOLINGS, POSITIONS, vectors_of_sums
from .classifiers import Candidate, choose_and_predict, dense_linear
from .count_features import count_features
from .embedding_cache import LAYER_SETS
from .scores import Predictions
from .units import LabelledUnits, Sessions

__all__ = [
    "ENCODER",
    "Outcome",
    "WindowStates",
    "encoder_candidates",
    "pooled_vectors",
    "probe_task",
    "session_sums",
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
TFIDF: Final = "TF-IDF + logistic regression"

_MAX_TERMS: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowStates:
    """What an encoder made of all windows: sums (w, L, P, H) and counts (w, P)."""

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a method predicts, and which candidate it chose."""

    predictions: Predictions
    chosen: str
    inner_macro_f1: float


def session_sums(states: WindowStates, window_session: npt.NDArray[np.int64]) -> WindowStates:
    """The sums and counts of whole sessions."""
    num_sessions = int(window_session[-1]) + 1
    sums = np.zeros((num_sessions, *states.sums.shape[1:]), dtype=np.float64)
    counts = np.zeros((num_sessions, len(POSITIONS)), dtype=np.int64)
    np.add.at(sums, window_session, states.sums)
    np.add.at(counts, window_session, states.counts)
    return WindowStates(sums=sums.astype(np.float32), counts=counts)


def pooled_vectors(states: WindowStates, layer_set: str, pooling: str) -> npt.NDArray[np.float32]:
    """(u, H) float32, or wider: the vectors of `pooling` of one of `LAYER_SETS`."""
    place = LAYER_SETS.index(layer_set)
    return vectors_of_sums(states.sums[:, place].astype(np.float64), states.counts, pooling)


def encoder_candidates(
    states: WindowStates, layer_sets: Sequence[str] = LAYER_SETS[1:]
) -> list[Candidate]:
    """All poolings of these layers; of the embeddings alone only where they are asked for."""
    candidates: list[Candidate] = []
    for layer_set in layer_sets:
        for pooling in POOLINGS:
            name = f"{pooling}, {layer_set}"
            candidates += dense_linear(name, pooled_vectors(states, layer_set, pooling))
    return candidates


def combined_candidates(states: WindowStates, counts: npt.NDArray[np.float64]) -> list[Candidate]:
    """Vectors and logarithms of counts, one behind the other: do they know different things?"""
    logarithms = np.log1p(counts)
    candidates: list[Candidate] = []
    for pooling in ("interactions", "kinds"):
        vectors = pooled_vectors(states, LAYER_SETS[1], pooling)
        candidates += dense_linear(pooling, np.concatenate([vectors, logarithms], axis=1))
    return candidates


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
            Candidate(name=c.name, features=c.features[units.units], make=c.make) for c in make()
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
