"""Sums of one split -> figures with intervals, ready for JSON.

Letters: S sessions, G token groups, Q quantities, L slices (all, kinds, groups), R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..evaluation import KINDS, perplexity
from .intervals import Estimate, Resamples, estimate, ratio
from .tallies import HEADS, TOKEN_GROUPS, HeadConfusions, Quantity, Tally, kind_of_group

__all__ = ["MEASURES", "MIN_GROUPS", "MODEL", "SplitSums", "figures_of"]

MODEL: Final = "model"
MIN_GROUPS: Final = 20
"""From so many groups on, groups are drawn anew for intervals; few would say little."""

MEASURES: Final[dict[str, tuple[Quantity, Quantity]]] = {
    "loss": (Quantity.LOSS, Quantity.POSITIONS),
    "accuracy": (Quantity.RIGHT, Quantity.POSITIONS),
    "top_5_accuracy": (Quantity.AMONG_FIVE, Quantity.POSITIONS),
    "grammatical": (Quantity.LEGAL_ALONE, Quantity.POSITIONS),
    "grammatical_together": (Quantity.LEGAL_TOGETHER, Quantity.POSITIONS),
    "grammatical_when_wrong": (Quantity.WRONG_BUT_LEGAL, Quantity.WRONG),
}
"""Name -> what is divided by what; perplexity comes from the loss."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSums:
    """What was added up over one split."""

    num_windows: int
    tallies: Mapping[str, Tally]
    """Predictor -> sums; the model's is `MODEL`."""

    confusions: HeadConfusions
    group_of: Mapping[int, str]
    """Session -> its group, as the site."""


def figures_of(sums: SplitSums, *, cluster: str = "auto") -> dict[str, Any]:
    """Return the figures of a split.

    Args:
        sums: the split.
        cluster: what is drawn anew for intervals: "session", "group", or "auto" for groups where
            there are at least `MIN_GROUPS`.
    """
    sessions = sums.tallies[MODEL].sessions
    groups = sorted(set(sums.group_of.values()))
    if cluster == "auto":
        cluster = "group" if len(groups) >= MIN_GROUPS else "session"
    names = [sums.group_of[session] for session in sessions] if cluster == "group" else sessions
    clusters, cluster_of = np.unique(np.array(names), return_inverse=True)
    resamples = Resamples(len(clusters))
    drawn = {
        name: resamples.sums(_by_cluster(_slices(tally), cluster_of, len(clusters)))
        for name, tally in sums.tallies.items()
    }
    predictors = {
        name: _predictor(values, sums.tallies[name].has_loss, len(clusters))
        for name, values in drawn.items()
    }
    return {
        "num_windows": sums.num_windows,
        "num_sessions": len(sessions),
        "num_groups": len(groups),
        "num_masked": int(drawn[MODEL][0].reshape(-1, len(Quantity))[0, Quantity.POSITIONS]),
        "drawn_anew": cluster,
        "predictors": predictors,
        "model_minus": {
            name: _difference(drawn[MODEL], drawn[name], sums.tallies[name], len(clusters))
            for name in sums.tallies
            if name != MODEL
        },
        "by_site": _by_site(sums, sessions, groups),
        "heads": {"tokens": list(HEADS), "counts": sums.confusions.counts.tolist()},
    }


def _slices(tally: Tally) -> Floats:
    """(S, L, Q): all groups together, by kind, and one by one."""
    by_group = tally.sums()
    kinds = kind_of_group()
    by_kind = [by_group[:, kinds == kind].sum(axis=1) for kind in range(len(KINDS))]
    together = by_group.sum(axis=1)
    return np.concatenate([np.stack([together, *by_kind], axis=1), by_group], axis=1)


def _by_cluster(values: Floats, cluster_of: npt.NDArray[np.intp], num_clusters: int) -> Floats:
    """(C, L x Q): sums of the sessions of each cluster."""
    sums = np.zeros((num_clusters, values[0].size if len(values) else 0))
    np.add.at(sums, cluster_of, values.reshape(len(values), -1))
    return sums


def _predictor(drawn: Floats, has_loss: bool, num_clusters: int) -> dict[str, Any]:
    quantities = drawn.reshape(len(drawn), -1, len(Quantity))
    rows = [
        _measures(quantities[:, place], has_loss, num_clusters)
        for place in range(quantities.shape[1])
    ]
    by_kind = dict(zip(KINDS, rows[1 : 1 + len(KINDS)], strict=True))
    by_group = dict(zip(TOKEN_GROUPS, rows[1 + len(KINDS) :], strict=True))
    return {
        "overall": rows[0],
        "by_kind": {name: row for name, row in by_kind.items() if row["num_masked"]},
        "by_group": {name: row for name, row in by_group.items() if row["num_masked"]},
    }


def _measures(quantities: Floats, has_loss: bool, num_clusters: int) -> dict[str, Any]:
    """The measures of one slice from (R + 1, Q)."""
    row: dict[str, Any] = {"num_masked": int(quantities[0, Quantity.POSITIONS])}
    for name, (numerator, denominator) in MEASURES.items():
        if name == "loss" and not has_loss:
            continue
        found = estimate(ratio(quantities[:, numerator], quantities[:, denominator]), num_clusters)
        if found is not None:
            row[name] = found.as_dict()
            if name == "loss":
                row["perplexity"] = _perplexity(found).as_dict()
    return row


def _perplexity(loss: Estimate) -> Estimate:
    low, high = (None if bound is None else perplexity(bound) for bound in (loss.low, loss.high))
    return Estimate(value=perplexity(loss.value), low=low, high=high)


def _difference(ours: Floats, theirs: Floats, tally: Tally, num_clusters: int) -> dict[str, Any]:
    """The model's measures less a baseline's, over the same resamples."""
    row = {}
    for name in ("loss", "accuracy", "top_5_accuracy", "grammatical"):
        if name == "loss" and not tally.has_loss:
            continue
        numerator, denominator = MEASURES[name]
        values = [
            ratio(sums[:, numerator], sums[:, denominator])
            for sums in (ours[:, : len(Quantity)], theirs[:, : len(Quantity)])
        ]
        found = estimate(values[0] - values[1], num_clusters)
        if found is not None:
            row[name] = found.as_dict()
    return row


def _by_site(
    sums: SplitSums, sessions: Sequence[int], groups: Sequence[str]
) -> list[dict[str, Any]]:
    """The measures of each group of sessions, without intervals."""
    place_of = {name: place for place, name in enumerate(groups)}
    group_of = np.array([place_of[sums.group_of[session]] for session in sessions], np.intp)
    numbers = np.bincount(group_of, minlength=len(groups))
    by_name = {
        name: _by_cluster(tally.sums().sum(axis=1), group_of, len(groups))
        for name, tally in sums.tallies.items()
    }
    return [
        {
            "group": group,
            "num_sessions": int(numbers[place]),
            "num_masked": int(by_name[MODEL][place, Quantity.POSITIONS]),
            "predictors": {
                name: _point(values[place], sums.tallies[name].has_loss)
                for name, values in by_name.items()
            },
        }
        for place, group in enumerate(groups)
    ]


def _point(quantities: Floats, has_loss: bool) -> dict[str, float]:
    return {
        name: float(quantities[numerator] / quantities[denominator])
        for name, (numerator, denominator) in MEASURES.items()
        if quantities[denominator] and (has_loss or name != "loss")
    }
