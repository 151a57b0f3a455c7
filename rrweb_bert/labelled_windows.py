"""Windows of labelled sessions as data sets for a Trainer that fine-tunes a classifier.

A session is longer than a window: training draws some of its windows, a prediction is the mean over
windows that are spread over all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

__all__ = ["DrawnWindows", "EvenWindows", "Windows", "mean_by_session"]

Row = dict[str, Any]
"""`input_ids` and `labels`, as a collator takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """The windows of some sessions.

    Attributes:
        windows: of each session, its windows in order: ids with [CLS] and [SEP].
        labels: of each session, the number of its label.
    """

    windows: list[list[list[int]]]
    labels: list[int]


class DrawnWindows(Dataset[Row]):
    """Some windows of each session, drawn anew at each pass.

    A session gives `min(its windows, num_windows)` rows. What is drawn follows from the row and
    torch's generator: a `DataLoader` seeds that of each of its workers, at each pass anew, and
    processes that share a seed have other rows. `torch.manual_seed`, as a Trainer calls it with its
    seed, repeats all of it where as many workers load.
    """

    def __init__(self, data: Windows, num_windows: int) -> None:
        self._data = data
        self._rows = [
            session
            for session, windows in enumerate(data.windows)
            for _ in range(min(len(windows), num_windows))
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Row:
        session = self._rows[row]
        windows = self._data.windows[session]
        draw = np.random.default_rng([int(torch.randint(1 << 62, ())), row])
        ids = windows[draw.integers(len(windows))]
        return {"input_ids": ids, "labels": self._data.labels[session]}


class EvenWindows(Dataset[Row]):
    """Windows of each session, evenly over its length; the same at each pass.

    Attributes:
        session_of_row: (rows,) int64, ascending.
    """

    def __init__(self, data: Windows, num_windows: int) -> None:
        self._rows: list[Row] = []
        sessions: list[int] = []
        for session, windows in enumerate(data.windows):
            places = np.linspace(0, len(windows) - 1, min(len(windows), num_windows)).round()
            for place in places.astype(int):
                self._rows.append({"input_ids": windows[place], "labels": data.labels[session]})
                sessions.append(session)
        self.session_of_row = np.array(sessions)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Row:
        return self._rows[row]


def mean_by_session(
    logits: npt.NDArray[np.floating[Any]], session_of_row: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """(rows, labels) logits of windows -> (sessions, labels): the mean over each session's."""
    sums = np.zeros((session_of_row[-1] + 1, logits.shape[1]))
    np.add.at(sums, session_of_row, logits)
    return sums / np.bincount(session_of_row)[:, None]
