"""Retrieval of one pair by all methods, pooled over pairs: the figures that `retrieve` reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import StandardScaler

from ..window_pooling import POOLINGS
from .count_features import event_pattern
from .labels import Task
from .pairs import Probed
from .probes import (
    ENCODER,
    UNTRAINED,
    tfidf_features,
    unit_counts,
    unit_texts,
)
from .retrieval import (
    QueryScores,
    pattern_similarity,
    same_label_scores,
    same_session_scores,
)
from .scores import bootstrap_weights, interval_of
from .transforms import TRANSFORMS, transformed
from .unit_states import NUM_EVENT_CLUSTERS, UnitStates, session_states
from .units import session_units

__all__ = ["RetrievalPart", "retrieve_pair", "summarise_retrieval"]

PATTERNS: Final = "Levenshtein over event patterns"
COUNT_VECTORS: Final = "count vectors"
TFIDF: Final = "TF-IDF"
_MAX_TUNING_UNITS: Final = 1200

Scorer = Callable[[npt.NDArray[np.float32], npt.NDArray[np.int64]], QueryScores]
"""Similarities (u, u) and the numbers of the units -> their scores."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RetrievalPart:
    """One question put to one pair.

    Attributes:
        by_method: name -> scores of each query.
        chosen: name -> which pooling and transform.
        groups: (u,) of the units.
    """

    by_method: dict[str, QueryScores]
    chosen: dict[str, str]
    groups: npt.NDArray[np.str_]


def retrieve_pair(
    probed: Probed, tasks: Sequence[Task], *, min_units: int, seed: int
) -> dict[str, RetrievalPart]:
    """Question -> what each method finds among held-out units."""
    sessions = probed.sessions
    of_window = sessions.window_session
    parts: dict[str, RetrievalPart] = {}

    def same_session(
        similarity: npt.NDArray[np.float32], units: npt.NDArray[np.int64]
    ) -> QueryScores:
        number = of_window[units]
        return same_session_scores(similarity, number, sessions.groups[number])

    numbers = np.arange(len(of_window))
    is_seen = sessions.is_seen[of_window]
    parts["windows of the same session"] = _ask(
        probed, numbers, is_seen, same_session, "R@1, own site", are_windows=True, seed=seed
    )
    for task in tasks:
        units = session_units(sessions, probed.labels, task, min_units=min_units)
        y = np.full(len(sessions.rows), -1, dtype=np.int64)
        y[units.units] = units.y

        def same_label(
            similarity: npt.NDArray[np.float32],
            of: npt.NDArray[np.int64],
            y: npt.NDArray[np.int64] = y,
        ) -> QueryScores:
            return same_label_scores(similarity, y[of], sessions.groups[of])

        parts[f"sessions of the same {task.name}"] = _ask(
            probed,
            units.units,
            units.is_seen,
            same_label,
            "mAP same label, other sites",
            are_windows=False,
            seed=seed,
        )
    return parts


def _ask(
    probed: Probed,
    units: npt.NDArray[np.int64],
    is_seen: npt.NDArray[np.bool_],
    scorer: Scorer,
    metric: str,
    *,
    are_windows: bool,
    seed: int,
) -> RetrievalPart:
    """What each method finds; pooling and transform are chosen by `metric` among seen units.

    Of the seen units no more than `_MAX_TUNING_UNITS` are taken.
    """
    sessions = probed.sessions
    session_of = sessions.window_session if are_windows else np.arange(len(sessions.rows))
    seen = np.flatnonzero(is_seen)
    seen = seen[_whole_sessions(session_of[units[seen]], _MAX_TUNING_UNITS, seed)]
    taken = np.sort(np.concatenate([seen, np.flatnonzero(~is_seen)]))
    units, is_seen = units[taken], is_seen[taken]
    groups = sessions.groups[session_of[units]]
    held_out, tuning = units[~is_seen], np.flatnonzero(is_seen)
    by_method: dict[str, QueryScores] = {}
    chosen: dict[str, str] = {}
    for name, features in _fixed(probed, are_windows=are_windows).items():
        by_method[name] = scorer(cosine_similarity(features[held_out]), held_out)
    ids = [w.ids for w in sessions.windows] if are_windows else [r.ids for r in sessions.rows]
    patterns = [event_pattern(ids[unit]) for unit in held_out]
    by_method[PATTERNS] = scorer(pattern_similarity(patterns), held_out)

    states = {f"{UNTRAINED}, {name}": each for name, each in probed.untrained.items()}
    states[ENCODER] = probed.trained
    for method, each in states.items():
        whole = each if are_windows else session_states(each, sessions.window_session)
        plain = "mean, last layer, plain"
        best = (-1.0, plain)
        vectors_of = _variants(whole, units, is_seen, groups)
        for variant, vectors in vectors_of.items():
            found = scorer(cosine_similarity(vectors[tuning]), units[tuning])
            score = float(np.nanmean(found[metric]))
            if score > best[0]:
                best = score, variant
        # Also where the plain one is the best: each row has its scores.
        for name, variant in ((f"{method}, mean, as it is", plain), (method, best[1])):
            similarity = cosine_similarity(vectors_of[variant][~is_seen])
            by_method[name] = scorer(similarity, held_out)
        chosen[method] = best[1]
    return RetrievalPart(by_method=by_method, chosen=chosen, groups=groups[~is_seen])


def _whole_sessions(
    sessions: npt.NDArray[np.int64], limit: int, seed: int
) -> npt.NDArray[np.int64]:
    """The places of at most `limit` units, taken session by session so that each finds its like."""
    names, place = np.unique(sessions, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))[place]
    return np.sort(np.argsort(rank, kind="stable")[:limit])


def _fixed(probed: Probed, *, are_windows: bool) -> dict[str, Any]:
    """The vectors of the baselines, of all units."""
    sessions = probed.sessions
    is_seen = sessions.is_seen[sessions.window_session] if are_windows else sessions.is_seen
    counts = np.log1p(unit_counts(sessions, are_windows=are_windows).clip(min=0))
    terms = tfidf_features(unit_texts(sessions, probed.tokenizer, are_windows=are_windows), is_seen)
    return {COUNT_VECTORS: StandardScaler().fit(counts[is_seen]).transform(counts), TFIDF: terms}


def _variants(
    states: UnitStates,
    units: npt.NDArray[np.int64],
    is_seen: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.str_],
) -> dict[str, npt.NDArray[np.float64]]:
    """Every pooling, choice of layers, bag of states, and transform."""
    found: dict[str, npt.NDArray[np.float64]] = {}
    by_name = {
        f"{pooling}, {layer_set}": states.pooled(layer_set, pooling)
        for layer_set in ("last layer", "mean of layers")
        for pooling in POOLINGS
    }
    by_name |= {f"{k} states": np.log1p(states.bag(k)) for k in NUM_EVENT_CLUSTERS}
    for name, vectors in by_name.items():
        for transform in TRANSFORMS:
            found[f"{name}, {transform}"] = transformed(
                vectors[units], transform, is_seen=is_seen, groups=groups
            )
    return found


def summarise_retrieval(
    results: Sequence[tuple[str, dict[str, RetrievalPart]]], *, seed: int
) -> dict[str, Any]:
    """Mean scores over the queries of all pairs, with intervals over draws of whole groups."""
    questions: dict[str, Any] = {}
    for question in results[0][1]:
        parts = [found[question] for _, found in results]
        groups = np.concatenate([part.groups for part in parts])
        weights = bootstrap_weights(groups, seed=seed)
        methods: dict[str, Any] = {}
        for method in parts[-1].by_method:
            scores = {}
            for metric in parts[-1].by_method[method]:
                values = np.concatenate([part.by_method[method][metric] for part in parts])
                is_query = ~np.isnan(values)
                if not is_query.any():
                    continue
                used = weights[:, is_query]
                total = used.sum(axis=1)
                sums = used @ values[is_query]
                draws = np.where(total > 0, sums / np.maximum(total, 1.0), np.nan)
                interval = interval_of(float(values[is_query].mean()), draws)
                scores[metric] = {
                    "value": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                    "num_queries": int(is_query.sum()),
                }
            methods[method] = {"scores": scores}
        questions[question] = {
            "methods": methods,
            "chosen": [part.chosen for part in parts],
            "num_units": len(groups),
            "num_groups": len(set(groups.tolist())),
        }
    return {"pairs": [pair for pair, _ in results], "questions": questions}
