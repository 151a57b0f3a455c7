"""How a dry run is laid out: titles beside lines, as wide as the terminal; values as given."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .callbacks import say
from .options import shown

__all__ = ["duration_range", "given_lines", "show", "times_text"]

_INDENT: Final = 15
_MIN_WIDTH: Final = 60
_MAX_WIDTH: Final = 120
_NO_TERMINAL: Final = (100, 24)
_KEPT_SPACE: Final = "\ue000"  # of private use, so in no name
_NOT_SHOWN: Final = frozenset(("dry_run", "config", "preset"))


def show(title: str, *lines: str) -> None:
    """Print lines beside a title. Words are never cut, so that paths can be copied."""
    width = min(max(shutil.get_terminal_size(_NO_TERMINAL).columns, _MIN_WIDTH), _MAX_WIDTH)
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        parts = textwrap.wrap(
            line.strip(),
            width - _INDENT,
            initial_indent=indent,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for part in parts or [""]:
            say(f"{title:<{_INDENT}}{part.replace(_KEPT_SPACE, ' ')}".rstrip())
            title = ""


def given_lines(sources: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[str]:
    """What differs from the defaults, a line for each place where that is said.

    Args:
        sources: name -> "flag", a file, or the name of a plan.
        values: name -> value.
    """
    by_source: dict[str, list[str]] = {}
    for name, source in sources.items():
        if name not in _NOT_SHOWN and not name.endswith("_token"):
            pair = f"{name} {shown(values[name])}".replace(" ", _KEPT_SPACE)
            by_source.setdefault(source, []).append(pair)
    if not by_source:
        yield "all as by default"
    if "flag" in by_source:  # they win over the rest
        by_source = {"flags": by_source.pop("flag")} | by_source
    for source, pairs in by_source.items():
        yield f"{source}: {'; '.join(pairs)}"


def duration_range(low_s: float, high_s: float) -> str:
    """Two durations in a unit that suits both, "1.2 to 1.4 hours"; one where they are equal."""
    unit, name = 1.0, "seconds"
    for length, candidate in ((60.0, "minutes"), (3_600.0, "hours"), (86_400.0, "days")):
        if low_s >= 1.5 * length:
            unit, name = length, candidate
    low, high = (
        f"{value / unit:,.3g}" if value < 1e3 * unit else f"{value / unit:,.0f}"
        for value in (low_s, high_s)
    )
    return f"{low} {name}" if low == high else f"{low} to {high} {name}"


def times_text(times: float) -> str:
    """How often, to three digits or whole: "0.123", "3,456"."""
    return f"{times:.3g}" if times < 99.95 else f"{times:,.0f}"
