"""The fenced blocks of the pages that people read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,})(?P<language>[^`\n]*)")
_COMMAND = re.compile(r"(?:python|pytest|pip|make|torchrun|accelerate)\s+\S")
_NAMED = re.compile(r"(?:#!.*\n)?(?:#|//) (?P<name>[\w./-]+\.\w+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: str
    """The page's path in the repository."""
    line: int
    """Of its opening fence, from 1."""
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file_name(self) -> str | None:
        """The file that the reader is to write: the first line is a comment with its name, but for
        the line that says what runs a script."""
        found = _NAMED.match(self.text)
        return found["name"] if found else None


def pages() -> list[Path]:
    """README, docs and what stands beside them, in a fixed order."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted(ROOT.glob("docs/**/*.md")),
        ROOT / "benchmarks" / "RESULTS.md",
        ROOT / "examples" / "README.md",
    ]


def blocks_of(text: str, page: str) -> Iterator[Block]:
    """The fenced blocks of a page in their order.

    Raises:
        ValueError: a fence is not closed.
    """
    opening: re.Match[str] | None = None
    start, lines = 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        found = _FENCE.fullmatch(line.rstrip())
        if opening is None:
            if found:
                opening, start, lines = found, number, []
        elif found and not found["language"] and len(found["marks"]) >= len(opening["marks"]):
            indent = len(opening["indent"])
            inner = "".join(f"{one[indent:]}\n" for one in lines)
            language = opening["language"].strip()
            yield Block(page=page, line=start, language=language, text=inner)
            opening = None
        else:
            lines.append(line)
    if opening is not None:
        raise ValueError(f"{page}:{start}: the block is not closed")


def inline_commands(text: str) -> list[str]:
    """The commands in the running text of a page: in backticks, a program and what it is given."""
    lines = text.splitlines()
    for block in blocks_of(text, ""):
        for number in range(block.line - 1, block.line + block.text.count("\n") + 1):
            lines[number] = ""
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", "\n".join(lines))
    return [" ".join(span.split()) for span in spans if _COMMAND.match(span)]


def all_blocks() -> list[Block]:
    """The blocks of all pages."""
    return [
        block
        for page in pages()
        for block in blocks_of(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))
    ]
