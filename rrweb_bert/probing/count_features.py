"""Sessions and windows as numbers that need no model: counts of events, durations, paces.

What an analyst would feed to gradient boosting: how many events of each kind, how long, how fast,
how the visitor scrolled, typed and aimed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS, TEXT_ID_OFFSET

from ..session_ids import event_starts_of, interaction_mask

__all__ = ["count_features", "event_counts", "event_pattern", "feature_names"]

_GROUP: Final = {group.name: group for group in GROUPS}
_HEADS: Final = tuple(
    token
    for name in ("EventType", "IncrementalSource", "MouseInteractions", "MediaInteractions")
    for token in _GROUP[name].tokens
)
_HEAD_PLACE: Final = {STRUCTURAL_IDS[token]: place for place, token in enumerate(_HEADS)}
_DETAIL_GROUPS: Final = (
    "PointerTypes", "mutation", "scroll", "scroll depth", "edit and page state",
    "console and network", "distance", "time delta", "reference",
)  # fmt: skip
_DETAILS: Final = tuple(t for name in _DETAIL_GROUPS for t in _GROUP[name].tokens)
_DETAIL_IDS: Final = np.array([STRUCTURAL_IDS[token] for token in _DETAILS])
_QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_SUMMARY: Final = (
    "duration s", "events", "events a second", "ids", "keyframes", "text ids", "interactions",
    "interactions a second", "share of ids of interactions",
    *(f"gap quantile {q:g}" for q in _QUANTILES), "gap mean", "gap deviation",
)  # fmt: skip
_KEYS: Final = np.array([STRUCTURAL_IDS[f"[KEY_{k}]"] for k in ("HEAD", "MID", "TAIL", "CONT")])


def feature_names() -> tuple[str, ...]:
    """What the columns of `count_features` are."""
    shares = tuple(f"share {head}" for head in _HEADS)
    return (*_HEADS, *shares, *_DETAILS, *_SUMMARY)


def event_counts(ids: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """(43,) int64: how many events of each kind (their heads, in the order of the vocabulary)."""
    heads = ids[event_starts_of(ids)]
    return np.array([np.count_nonzero(heads == head) for head in _HEAD_PLACE], dtype=np.int64)


def event_pattern(ids: npt.NDArray[np.integer]) -> str:
    """The kinds of the events in order, a character each, as edit distances compare them."""
    heads = ids[event_starts_of(ids)].tolist()
    return "".join(chr(ord("A") + _HEAD_PLACE.get(head, len(_HEADS))) for head in heads)


def count_features(
    ids: npt.NDArray[np.integer], times_ms: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(f,) float64: the numbers named by `feature_names`.

    Args:
        ids: (n,) of a session or window.
        times_ms: (e,) of its events.
    """
    counts = event_counts(ids)
    num_events = int(counts.sum())
    details = np.bincount(ids[ids < TEXT_ID_OFFSET], minlength=TEXT_ID_OFFSET)[_DETAIL_IDS]
    times_s = np.sort(times_ms) / 1000.0
    gaps = np.diff(times_s) if len(times_s) > 1 else np.zeros(1)
    duration_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    is_interaction = interaction_mask(ids)
    interactions = int(is_interaction[event_starts_of(ids)].sum())
    pace = 1.0 / max(duration_s, 1.0)
    summary = [
        duration_s, num_events, num_events * pace, len(ids), int(np.isin(ids, _KEYS).sum()),
        int((ids >= TEXT_ID_OFFSET).sum()), interactions, interactions * pace,
        float(is_interaction.mean()) if len(ids) else 0.0,
        *np.quantile(gaps, _QUANTILES).tolist(), float(gaps.mean()), float(gaps.std()),
    ]  # fmt: skip
    return np.concatenate([counts, counts / max(num_events, 1), details, summary])
