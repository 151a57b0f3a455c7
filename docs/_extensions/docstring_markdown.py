"""Docstrings are written as in Markdown: tables and indented code in them are read as such."""

from __future__ import annotations

import itertools
import re
from typing import Any, Final

from sphinx.application import Sphinx

_LITERAL: Final = re.compile(r"(?<![`:\w])`([^`]+)`(?![`_])")
_VALUES: Final = ("attribute", "data", "property")
_COLON: Final = "\ue000"
"""Stands for a colon while napoleon reads: it takes what is before the first one for a type."""


def with_list_tables(lines: list[str]) -> list[str]:
    """Lines of a docstring in which each run of `| a | b |` is a list-table.

    >>> with_list_tables(["t", "", "| a | b |", "|---|---|", "| 1 | |"])[2:]
    ['.. list-table::', '   :header-rows: 1', '', '   * - a', '     - b', '   * - 1', '     -', '']
    """
    result: list[str] = []
    for is_table, run in itertools.groupby(lines, key=lambda line: line.startswith("|")):
        if not is_table:
            result += run
            continue
        result += [".. list-table::", "   :header-rows: 1", ""]
        for row in run:
            if set(row) <= set("|-: "):
                continue
            marks = itertools.chain(["   * -"], itertools.repeat("     -"))
            cells = (cell.strip() for cell in row.strip().strip("|").split("|"))
            result += [f"{mark} {cell}".rstrip() for mark, cell in zip(marks, cells, strict=False)]
        result.append("")
    return result


def with_code(lines: list[str]) -> list[str]:
    """Lines of a docstring in which each indented paragraph is code.

    >>> with_code(["t", "", "    x = 1", "", "    y", "u"])
    ['t', '', '::', '', '    x = 1', '', '    y', 'u']
    >>> with_code(["t::", "", "    x = 1"])
    ['t::', '', '    x = 1']
    """
    result: list[str] = []
    text = ""
    for line in lines:
        is_code = line.startswith("    ")
        if is_code and result[-1:] == [""] and not text.startswith("    ") and text[-2:] != "::":
            result += ["::", ""]
        result.append(line)
        text = line or text
    return result


def with_literals(line: str) -> str:
    r"""A line in which what stands in backticks is taken as it is.

    >>> with_literals(r"`a\n` or ``b``, :py:class:`c`")
    '``a\\n`` or ``b``, :py:class:`c`'
    """
    return _LITERAL.sub(r"``\1``", line)


def _before_sections(
    _app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    lines[:] = with_list_tables([with_literals(line) for line in lines])
    if what == "module":  # the others have sections, which are indented too
        lines[:] = with_code(lines)
    if what in _VALUES:
        lines[:1] = [line.replace(": ", f"{_COLON} ") for line in lines[:1]]


def _after_sections(
    _app: Sphinx, what: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    if what in _VALUES:
        lines[:] = [line.replace(_COLON, ":") for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx; napoleon, which reads the sections, has priority 500."""
    app.connect("autodoc-process-docstring", _before_sections, priority=400)
    app.connect("autodoc-process-docstring", _after_sections, priority=600)
    return {"parallel_read_safe": True}
