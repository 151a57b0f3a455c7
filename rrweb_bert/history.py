"""`training_history.json`: loss, perplexity and learning rate over the steps of a run.

The file is rewritten in one step at every log line and goes on after a resume without doubled
steps. Form: `{"format": 1, "train": [row, ...], "evaluation": [row, ...]}`, rows by rising `step`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Self

from .durable import write_atomically

__all__ = ["HISTORY_FILE", "TrainingHistory"]

HISTORY_FILE: Final = "training_history.json"
_FORMAT: Final = 1
Row = dict[str, float]


class TrainingHistory:
    """The rows of a run's log, kept on disk.

    Attributes:
        train: rows with `step`, `epoch`, `loss`, `perplexity`, `learning_rate`, `grad_norm`,
            `tokens_per_second`, `data_wait_share`, ...
        evaluation: rows with `step`, `eval_loss`, `eval_perplexity`, `eval_loss_<kind>`, ...
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.train: list[Row] = []
        self.evaluation: list[Row] = []

    @classmethod
    def of_checkpoint(cls, output_dir: Path, checkpoint: Path) -> Self:
        """The history as it was at a checkpoint, which keeps every row of the log itself.

        So it is right also where the file in `output_dir` was lost or ran ahead.
        """
        history = cls(output_dir / HISTORY_FILE)
        log = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
        for row in log:
            if "loss" in row or "eval_loss" in row:
                history._add(row)
        return history

    @classmethod
    def load(cls, output_dir: Path, *, until_step: int | None = None) -> Self:
        """The history in a folder, empty where there is none, without rows after `until_step`."""
        history = cls(output_dir / HISTORY_FILE)
        if history.path.is_file():
            content: dict[str, Any] = json.loads(history.path.read_text())
            for name in ("train", "evaluation"):
                rows = [
                    row for row in content[name] if until_step is None or row["step"] <= until_step
                ]
                getattr(history, name).extend(rows)
        return history

    def append(self, row: Row) -> None:
        """Add a row, to `evaluation` if it has an `eval_loss`, and write the file.

        A row of a step that is there already replaces it: the last evaluation of a run may repeat.
        """
        self._add(row)
        content = {"format": _FORMAT, "train": self.train, "evaluation": self.evaluation}
        write_atomically(self.path, json.dumps(content, indent=1) + "\n")

    def _add(self, row: Row) -> None:
        rows = self.evaluation if "eval_loss" in row else self.train
        while rows and rows[-1]["step"] >= row["step"]:
            rows.pop()
        # In one order, so that an interrupted run writes the same file as a whole one.
        rows.append({"step": row["step"], **{name: row[name] for name in sorted(row)}})
