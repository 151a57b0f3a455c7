"""A picture of loss and learning rate over the steps, from `training_history.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .history import HISTORY_FILE, TrainingHistory

__all__ = ["PLOT_FILE", "plot_history"]

PLOT_FILE: Final = "loss_and_lr.png"


def plot_history(output_dir: Path) -> Path:
    """Draw `loss_and_lr.png` into the output folder of a run and return its path.

    Raises:
        ValueError: the folder has no history, or nothing was logged yet.
    """
    history = TrainingHistory.load(output_dir)
    if not history.train and not history.evaluation:
        raise ValueError(f"{output_dir / HISTORY_FILE} is missing or empty: nothing to draw")
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # without pyplot: no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    train, evaluation = history.train, history.evaluation
    upper.plot([r["step"] for r in train], [r["loss"] for r in train], label="training loss")
    upper.plot(
        [r["step"] for r in evaluation],
        [r["eval_loss"] for r in evaluation],
        marker="o",
        label="eval_loss",
    )
    if evaluation:
        best = min(evaluation, key=lambda row: row["eval_loss"])
        upper.annotate(
            f"best {best['eval_loss']:.3f}",
            (best["step"], best["eval_loss"]),
            textcoords="offset points",
            xytext=(0, 8),
            ha="right",
        )
    upper.set_ylabel("loss (nats a masked id)")
    upper.grid(alpha=0.3)
    upper.legend()
    lower.plot([r["step"] for r in train], [r["learning_rate"] for r in train], color="tab:green")
    lower.set_ylabel("learning rate")
    lower.set_xlabel("step")
    lower.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    lower.grid(alpha=0.3)
    path = output_dir / PLOT_FILE
    figure.savefig(path, dpi=120)
    return path
