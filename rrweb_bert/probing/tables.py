"""Figures -> tables that a person reads, on a terminal and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["markdown_table", "probe_tables", "retrieval_tables", "text_table"]

_TITLES: Final = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
}

Table = tuple[str, list[str], list[list[str]]]
"""A line above it, the heads of the columns, the rows."""


def probe_tables(report: dict[str, Any]) -> list[Table]:
    """A table a task."""
    tables: list[Table] = []
    for name, task in report["tasks"].items():
        classes = ", ".join(f"{label} {count:,}" for label, count in task["classes"].items())
        title = (
            f"{name}: {task['num_units']:,} held-out {task['units']} of {task['num_groups']} groups"
            f" ({classes})"
        )
        heads = ["method", *_TITLES.values(), "encoder better by (macro-F1)"]
        rows = []
        for method, found in task["methods"].items():
            row = [method, *(_interval(found["scores"][metric]) for metric in _TITLES)]
            difference = found.get("encoder_minus_this")
            row.append("" if difference is None else _interval(difference["macro_f1"], sign="+"))
            rows.append(row)
        tables.append((title, heads, rows))
    return tables


def retrieval_tables(report: dict[str, Any]) -> list[Table]:
    """A table a question; what chance would give is its last row."""
    tables: list[Table] = []
    for name, question in report["questions"].items():
        methods = question["methods"]
        metrics = list(next(iter(methods.values()))["scores"])
        heads = [metric for metric in metrics if not metric.startswith("chance ")]
        rows = [
            [method, *(_interval(found["scores"][metric]) for metric in heads)]
            for method, found in methods.items()
        ]
        by_chance = next(iter(methods.values()))["scores"]
        values = [_chance_of(metric, by_chance) for metric in heads]
        rows.append(["chance", *values])
        title = f"{name}: {question['num_units']:,} held-out of {question['num_groups']} groups"
        tables.append((title, ["method", *heads], rows))
    return tables


def _chance_of(metric: str, scores: dict[str, dict[str, float]]) -> str:
    """What chance gives for a metric; a share's is told under the name of what it is a share of."""
    for name in (f"chance {metric}", f"chance {metric.replace('P@10', 'mAP')}"):
        if name in scores:
            return f"{scores[name]['value']:.3f}"
    if metric.startswith("share of own site"):
        return f"{scores['chance share of own site']['value']:.3f}"
    return "-"


def text_table(table: Table) -> str:
    """The table for a terminal."""
    title, heads, rows = table
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
             for row in [heads, *rows]]  # fmt: skip
    return "\n".join([title, *(f"  {line}" for line in lines)])


def markdown_table(table: Table) -> str:
    """The table in Markdown."""
    title, heads, rows = table
    lines = [_row(heads), _row(["---"] * len(heads)), *(_row(row) for row in rows)]
    return "\n".join([f"**{_escaped(title)}**", "", *lines])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _interval(fields: dict[str, float], *, sign: str = "") -> str:
    if math.isnan(fields["value"]):
        return "-"
    value, low, high = (f"{fields[key]:{sign}.3f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
