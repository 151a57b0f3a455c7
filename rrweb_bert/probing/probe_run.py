"""Every task of every pair, pooled: the figures that `probe` reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .classifiers import Candidate, boosting, sparse_linear
from .labels import SpanTask, Task
from .pairs import Probed
from .probes import (
    COMBINED,
    COUNTS,
    COUNTS_BOTH,
    EMBEDDINGS,
    ENCODER,
    TFIDF,
    UNTRAINED,
    Outcome,
    combined_candidates,
    count_candidates,
    embedding_candidates,
    encoder_candidates,
    probe_task,
    tfidf_features,
    unit_counts,
    unit_texts,
)
from .scores import (
    METRICS,
    Interval,
    Predictions,
    bootstrap_weights,
    interval_of,
    pooled,
    scores_by_draw,
    scores_of,
)
from .unit_states import session_states
from .units import LabelledUnits, session_units, window_units

__all__ = ["probe_pair", "summarise"]

Found = dict[str, tuple[LabelledUnits, dict[str, Outcome]]]
"""Task -> its units and what each method said of them."""


def probe_pair(probed: Probed, tasks: Sequence[Task], *, min_units: int, seed: int) -> Found:
    """What each method predicts of the unseen groups, for each task.

    Raises:
        DataError: a task has nothing to tell apart.
    """
    found: Found = {}
    for are_windows in (False, True):
        chosen = [task for task in tasks if isinstance(task, SpanTask) == are_windows]
        if not chosen:
            continue
        methods = _methods(probed, are_windows=are_windows)
        for task in chosen:
            if isinstance(task, SpanTask):
                units = window_units(probed.sessions, probed.labels, task, min_units=min_units)
            else:
                units = session_units(probed.sessions, probed.labels, task, min_units=min_units)
            print(f"  {task.name}: {len(units.units):,} units", file=sys.stderr, flush=True)
            found[task.name] = units, probe_task(units, methods, seed=seed)
    return found


def _methods(probed: Probed, *, are_windows: bool) -> dict[str, Callable[[], list[Candidate]]]:
    """Name -> what makes its candidates, with the features of all sessions or windows."""
    sessions = probed.sessions
    is_seen = sessions.is_seen[sessions.window_session] if are_windows else sessions.is_seen
    texts = unit_texts(sessions, probed.tokenizer, are_windows=are_windows)
    counts = unit_counts(sessions, are_windows=are_windows)
    terms = tfidf_features(texts, is_seen)
    methods: dict[str, Callable[[], list[Candidate]]] = {
        COUNTS: partial(boosting, "counts", counts),
        COUNTS_BOTH: partial(count_candidates, counts),
        TFIDF: partial(sparse_linear, "TF-IDF", terms),
    }
    states = {f"{UNTRAINED}, {name}": each for name, each in probed.untrained.items()}
    states[ENCODER] = probed.trained
    for name, each in states.items():
        of_units = each if are_windows else session_states(each, sessions.window_session)
        methods[name] = partial(encoder_candidates, of_units)
        if name == ENCODER:
            methods[EMBEDDINGS] = partial(embedding_candidates, of_units)
            methods[COMBINED] = partial(combined_candidates, of_units, counts)
    return methods


def summarise(results: Sequence[tuple[str, Found]], *, seed: int) -> dict[str, Any]:
    """The figures of all tasks, from the pooled predictions of all pairs.

    Args:
        results: the name of each pair and what was found.
        seed: of the bootstrap.
    """
    tasks: dict[str, Any] = {}
    for name in results[0][1]:
        parts = [(pair, *found[name]) for pair, found in results if name in found]
        tasks[name] = _summary_of_task(parts, seed=seed)
    return {"pairs": [pair for pair, _ in results], "tasks": tasks}


def _summary_of_task(
    parts: Sequence[tuple[str, LabelledUnits, dict[str, Outcome]]], *, seed: int
) -> dict[str, Any]:
    units = parts[0][1]
    classes = tuple(sorted({label for _, each, _ in parts for label in each.classes}))
    by_method: dict[str, list[Predictions]] = {}
    chosen: dict[str, list[str]] = {}
    for _, each, outcomes in parts:
        for method, outcome in outcomes.items():
            part = _in_classes(outcome.predictions, each.classes, classes)
            by_method.setdefault(method, []).append(part)
            chosen.setdefault(method, []).append(outcome.chosen)
    whole = {method: pooled(each) for method, each in by_method.items()}
    truth = whole[ENCODER]
    weights = bootstrap_weights(truth.groups, seed=seed)
    draws = {method: scores_by_draw(each, weights) for method, each in whole.items()}
    methods: dict[str, Any] = {}
    for method, predictions in whole.items():
        value = scores_of(predictions)
        methods[method] = {
            "scores": {m: _fields(interval_of(value[m], draws[method][m])) for m in METRICS},
            "by_pair": [scores_of(part) for part in by_method[method]],
            "chosen": chosen[method],
        }
        if method != ENCODER:
            methods[method]["encoder_minus_this"] = {
                m: _fields(
                    interval_of(
                        scores_of(truth)[m] - value[m], draws[ENCODER][m] - draws[method][m]
                    )
                )
                for m in METRICS
            }
    return {
        "classes": {label: int((truth.y == place).sum()) for place, label in enumerate(classes)},
        "num_groups": len(set(truth.groups.tolist())),
        "num_units": len(truth.y),
        "units": "windows" if units.are_windows else "sessions",
        "num_training_units": [int(each.is_seen.sum()) for _, each, _ in parts],
        "left_out": units.dropped,
        "methods": methods,
    }


def _in_classes(
    predictions: Predictions, mine: tuple[str, ...], classes: tuple[str, ...]
) -> Predictions:
    """The same predictions with the classes of all pairs."""
    places = np.array([classes.index(label) for label in mine])
    probabilities: npt.NDArray[np.float64] = np.zeros((len(predictions.y), len(classes)))
    probabilities[:, places] = predictions.probabilities
    return Predictions(
        y=places[predictions.y],
        probabilities=probabilities,
        said=places[predictions.said],
        groups=predictions.groups,
    )


def _fields(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}
