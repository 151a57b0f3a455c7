"""An evaluation as text for a terminal, and how its figures are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rrweb_tokenizer.telling.wording import counted

__all__ = ["COLUMNS", "basis", "number", "percent", "summary", "with_interval"]

COLUMNS: Final = (
    ("loss", "loss, nats"),
    ("perplexity", "perplexity"),
    ("accuracy", "top-1"),
    ("top_5_accuracy", "top-5"),
    ("grammatical", "grammatical"),
    ("grammatical_together", "all at once"),
    ("grammatical_when_wrong", "when wrong"),
)
"""Measure -> head of its column."""


def number(measure: str, value: float, *, is_signed: bool = False) -> str:
    """A figure in the form of its measure; a difference of shares is in percentage points.

    >>> number("accuracy", 0.5), number("loss", 1.25), number("perplexity", 31.4159)
    ('50.0%', '1.250', '31.4')
    >>> number("accuracy", 0.125, is_signed=True)
    '+12.5 pp'
    """
    sign = "+" if is_signed else ""
    if measure == "perplexity":
        return format(value, f"{sign}.1f" if value < 1000 else f"{sign},.0f")
    if measure == "loss":
        return format(value, f"{sign}.3f")
    return f"{100 * value:+.1f} pp" if is_signed else f"{value:.1%}"


def percent(share: float) -> str:
    """A share.

    >>> percent(0.123)
    '12.3%'
    """
    return f"{share:.1%}"


def with_interval(
    measure: str, row: Mapping[str, Any], *, is_signed: bool = False, missing: str = ""
) -> str:
    """A measure of a row with its interval, where it has one.

    >>> with_interval("accuracy", {"accuracy": {"value": 0.5, "low": 0.25, "high": 0.75}})
    '50.0% (25.0% to 75.0%)'
    """
    found = row.get(measure)
    if found is None:
        return missing
    value, low, high = (found[name] for name in ("value", "low", "high"))
    text = number(measure, value, is_signed=is_signed)
    if low is None:
        return text
    bounds = [number(measure, bound, is_signed=is_signed) for bound in (low, high)]
    return f"{text} ({bounds[0]} to {bounds[1]})"


def basis(figures: Mapping[str, Any]) -> str:
    """What a split's figures are of, and how their intervals come about."""
    masked = counted(figures["num_masked"], "masked id")
    windows = counted(figures["num_windows"], "window")
    sessions = counted(figures["num_sessions"], "session")
    groups = counted(figures["num_groups"], "group")
    return (
        f"{masked} in {windows} of {sessions}, {groups}; 95% intervals by drawing "
        f"{figures['drawn_anew']}s anew"
    )


def summary(result: Mapping[str, Any]) -> str:
    """The main tables in Markdown, so that they can be pasted as they are."""
    lines = []
    for split, figures in result["splits"].items():
        lines += [
            "",
            f"{split}: {basis(figures)}",
            "",
            "| | " + " | ".join(title for _, title in COLUMNS) + " |",
            "|---" * (len(COLUMNS) + 1) + "|",
        ]
        for name, predictor in figures["predictors"].items():
            cells = [with_interval(measure, predictor["overall"]) for measure, _ in COLUMNS]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        names = list(figures["predictors"])
        lines += [
            "",
            "| kind | masked | loss | " + " | ".join(f"top-1, {name}" for name in names) + " |",
            "|---" * (len(names) + 3) + "|",
        ]
        for kind, row in figures["predictors"][names[0]]["by_kind"].items():
            cells = [
                number(
                    "accuracy", figures["predictors"][name]["by_kind"][kind]["accuracy"]["value"]
                )
                for name in names
            ]
            loss = with_interval("loss", row)
            lines.append(f"| {kind} | {row['num_masked']:,} | {loss} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])
