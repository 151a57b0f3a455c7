"""Retrieval with frozen vectors: does what is alike stand near?

Two questions, each with what chance would give beside it:

- the same session: a window is the query, all other windows are the gallery, and a window of the
  query's session counts as found. Knowing the site is enough to come near in the whole gallery, so
  it is also asked among windows of the query's own site.
- the same label (a goal): a session is the query and sessions of other groups (sites) are the
  gallery, so that knowing the site does not help. Beside it, which share of the ten nearest of all
  sessions is of the query's own site: much more than chance there, and chance here, is an encoder
  that knows sites and nothing else.

Letters in shapes: u units, which are queries and gallery.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

__all__ = [
    "QueryScores",
    "pattern_similarity",
    "same_label_scores",
    "same_session_scores",
]

_NEAREST: Final = 10

LABEL_SCORES: Final = (
    "mAP same label, other sites",
    "chance mAP same label, other sites",
    "P@10 same label, other sites",
    "share of own site among 10 nearest",
    "chance share of own site",
    "mAP own site, other labels",
    "chance mAP own site, other labels",
)

QueryScores = dict[str, npt.NDArray[np.float64]]
"""Name of a score -> (u,), NaN where a unit is no query because nothing could be found."""


def pattern_similarity(patterns: Sequence[str]) -> npt.NDArray[np.float32]:
    """(u, u) float32: 1 minus the edit distance over the longer length (Levenshtein)."""
    similarity: npt.NDArray[np.float32] = cdist(
        patterns, patterns, scorer=Levenshtein.normalized_similarity, dtype=np.float32
    )
    return similarity


def same_session_scores(
    similarity: npt.NDArray[np.float32],
    sessions: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
) -> QueryScores:
    """Whether a window of the same session is first, or among the first ten.

    Args:
        similarity: (u, u) of windows that do not overlap.
        sessions: (u,) the session of each.
        groups: (u,) the site of each.
    """
    found: QueryScores = {}
    for where in ("all", "own site"):
        first = np.full(len(sessions), np.nan)
        among = np.full(len(sessions), np.nan)
        chance = np.full(len(sessions), np.nan)
        for query in range(len(sessions)):
            is_gallery = np.ones(len(sessions), dtype=bool)
            if where == "own site":
                is_gallery = groups == groups[query]
            is_gallery[query] = False
            is_right = sessions[is_gallery] == sessions[query]
            if not is_right.any() or is_right.all():
                continue
            right = is_right[_nearest(similarity[query, is_gallery], _NEAREST)]
            first[query], among[query] = right[0], right.any()
            chance[query] = is_right.mean()
        found |= {f"R@1, {where}": first, f"R@10, {where}": among, f"chance R@1, {where}": chance}
    return found


def same_label_scores(
    similarity: npt.NDArray[np.float32],
    y: npt.NDArray[np.int64],
    groups: npt.NDArray[np.str_],
) -> QueryScores:
    """Same label in other groups, against the same group whatever the label.

    Args:
        similarity: (u, u) of sessions.
        y: (u,) their labels.
        groups: (u,) their sites.
    """
    size = len(y)
    found: QueryScores = {name: np.full(size, np.nan) for name in LABEL_SCORES}
    for query in range(size):
        others = groups != groups[query]
        is_same = y[others] == y[query]
        if is_same.any() and not is_same.all():
            near = similarity[query, others]
            found[LABEL_SCORES[0]][query] = _average_precision(near, is_same)
            found[LABEL_SCORES[1]][query] = is_same.mean()
            found[LABEL_SCORES[2]][query] = is_same[_nearest(near, _NEAREST)].mean()
        rest = np.arange(size) != query
        is_own = groups[rest] == groups[query]
        if is_own.any() and not is_own.all():
            found[LABEL_SCORES[3]][query] = is_own[
                _nearest(similarity[query, rest], _NEAREST)
            ].mean()
            found[LABEL_SCORES[4]][query] = is_own.mean()
        across = rest & (y != y[query])
        is_own = groups[across] == groups[query]
        if is_own.any() and not is_own.all():
            found[LABEL_SCORES[5]][query] = _average_precision(similarity[query, across], is_own)
            found[LABEL_SCORES[6]][query] = is_own.mean()
    return found


def _nearest(similarity: npt.NDArray[np.float32], number: int) -> npt.NDArray[np.int64]:
    """The places of the highest, best first; of equal ones the earlier."""
    order: npt.NDArray[np.int64] = np.argsort(-similarity, kind="stable")[:number]
    return order


def _average_precision(
    similarity: npt.NDArray[np.float32], is_right: npt.NDArray[np.bool_]
) -> float:
    """The mean, over what is right, of the share of right ones down to it.

    >>> _average_precision(np.array([3, 2, 1], np.float32), np.array([True, False, True]))
    0.8333333333333333
    """
    right = is_right[np.argsort(-similarity, kind="stable")]
    places = np.flatnonzero(right) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())
