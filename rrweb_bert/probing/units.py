"""A corpus and labels -> what is probed: units with labels, of seen and of unseen groups.

A unit is a session or a window. "Seen" are the groups (sites) that the model was trained on; the
probe is trained on them too and judged on the others, so that no test site was in anybody's
training.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.corpus import open_corpus
from data_prep.errors import DataError
from data_prep.session_row import SPLITS, SessionRow
from data_prep.shards import SplitTable

from ..session_ids import session_of_row
from ..window_pooling import Window, cut_session
from .labels import SpanTask, Task, label_of

__all__ = ["LabelledUnits", "Sessions", "load_sessions", "session_units", "window_units"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sessions:
    """All sessions of a corpus in the order of their names, and the windows of each.

    Attributes:
        rows: as the corpus stores them.
        groups: (N,) str, what the split keeps together.
        is_seen: (N,) bool, whether the model was trained on the session's group.
        windows: of all sessions, in order.
        window_session: (w,) int64, the number of each window's session.
        content: hash over names and ids.
    """

    rows: list[SessionRow]
    groups: npt.NDArray[np.str_]
    is_seen: npt.NDArray[np.bool_]
    windows: list[Window]
    window_session: npt.NDArray[np.int64]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledUnits:
    """The units of a task (u units).

    Attributes:
        name: of the task.
        classes: of labels, ascending.
        units: (u,) int64, the numbers of the sessions or windows.
        y: (u,) int64, the places of their labels in `classes`.
        groups: (u,) str.
        is_seen: (u,) bool.
        are_windows: whether the units are windows.
        dropped: classes that are too rare, with their numbers of units.
    """

    name: str
    classes: tuple[str, ...]
    units: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]
    is_seen: npt.NDArray[np.bool_]
    are_windows: bool
    dropped: dict[str, int]


def load_sessions(corpus_dir: Path, *, window_ids: int, trained_on: Path | None = None) -> Sessions:
    """The sessions of all splits.

    Args:
        corpus_dir: a prepared corpus.
        window_ids: the most ids of a window.
        trained_on: the corpus whose train split the model was trained on, where it is another one.

    Raises:
        DataError: no corpus, or every group, or none, was trained on.
    """
    rows = _rows(corpus_dir)
    if trained_on is None:
        seen = {row.group for row in rows if row.split == "train"}
    else:
        seen = {row.group for row in _rows(trained_on) if row.split == "train"}
        # Held out there is held out, also where a group of that name is none of its.
        if not any(row.group in seen for row in rows):
            raise DataError(
                f"{corpus_dir} has no group of {trained_on}: prepare both with the same --group_by"
            )
    is_seen = np.array([row.group in seen for row in rows])
    if is_seen.all() or not is_seen.any():
        raise DataError(
            f"{corpus_dir}: {'all' if is_seen.all() else 'none'} of {len(rows)} sessions are of "
            "groups that the model was trained on; a probe needs some of both. Prepare with "
            "--validation_fraction and --test_fraction above 0"
        )
    windows: list[Window] = []
    digest = hashlib.sha256()
    for number, row in enumerate(rows):
        windows += cut_session(session_of_row(row), number, window_ids=window_ids)
        digest.update(f"{row.session_id}\0{len(row.ids)}\0".encode())
        digest.update(row.ids.tobytes())
    return Sessions(
        rows=rows,
        groups=np.array([row.group for row in rows]),
        is_seen=is_seen,
        windows=windows,
        window_session=np.array([window.session for window in windows], dtype=np.int64),
        content=digest.hexdigest(),
    )


def _rows(corpus_dir: Path) -> list[SessionRow]:
    corpus = open_corpus(corpus_dir)
    rows: list[SessionRow] = []
    for split in SPLITS:
        table = SplitTable.open(corpus.path, split)
        rows += [table.row(number) for number in range(len(table))]
    return sorted(rows, key=lambda row: row.session_id)


def session_units(
    sessions: Sessions, labels: Sequence[dict[str, Any] | None], task: Task, *, min_units: int
) -> LabelledUnits:
    """The sessions that have a label of `task`; classes with fewer than `min_units` are dropped."""
    found = [None if one is None else label_of(one, task) for one in labels]
    order = np.arange(len(found))
    return _units(sessions, task.name, found, order, min_units=min_units, are_windows=False)


def window_units(
    sessions: Sessions, labels: Sequence[dict[str, Any] | None], task: SpanTask, *, min_units: int
) -> LabelledUnits:
    """The windows that meet a span or none."""
    found: list[str | None] = []
    for window in sessions.windows:
        of_session = labels[window.session]
        if of_session is None or task.field not in of_session or not task.takes(of_session):
            found.append(None)
        else:
            found.append(task.label_of_window(of_session, window.start_ms, window.end_ms))
    order = sessions.window_session
    return _units(sessions, task.name, found, order, min_units=min_units, are_windows=True)


def _units(
    sessions: Sessions,
    name: str,
    found: Sequence[str | None],
    session_of: npt.NDArray[np.int64],
    *,
    min_units: int,
    are_windows: bool,
) -> LabelledUnits:
    counts = Counter(label for label in found if label is not None)
    dropped = {label: count for label, count in counts.items() if count < min_units}
    classes = tuple(sorted(counts.keys() - dropped.keys()))
    places = {label: place for place, label in enumerate(classes)}
    kept = [i for i, label in enumerate(found) if label in places]
    units = np.array(kept, dtype=np.int64)
    y = np.array([places[str(found[i])] for i in kept], dtype=np.int64)
    is_seen = sessions.is_seen[session_of[units]]
    for part, where in ((is_seen, "seen"), (~is_seen, "unseen")):
        if len(set(y[part].tolist())) < 2:
            raise DataError(
                f"{name}: fewer than two classes with {min_units} units or more among the {where} "
                f"groups ({dict(counts)} in all): nothing to tell apart"
            )
    return LabelledUnits(
        name=name,
        classes=classes,
        units=units,
        y=y,
        groups=sessions.groups[session_of[units]],
        is_seen=is_seen,
        are_windows=are_windows,
        dropped=dropped,
    )
