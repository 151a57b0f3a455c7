"""What a check found wrong: file, place and what it is, at most a few of a kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["Problem", "Problems"]

_MAX_OF_A_KIND: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong."""

    file: Path
    place: str
    """Where in the file: a row, a line, a member; empty where it is the file itself."""

    message: str

    def __str__(self) -> str:
        place = f" ({self.place})" if self.place else ""
        return f"{self.file}{place}: {self.message}"


@dataclass(slots=True)
class Problems:
    """Collects problems; of each kind the first few are kept and all are counted."""

    found: list[Problem] = field(default_factory=list)
    _num_by_kind: Counter[tuple[Path, str]] = field(default_factory=Counter)

    def add(self, file: Path, place: str, message: str, *, kind: str = "") -> None:
        """Note a problem.

        Args:
            file: Where it is.
            place: Where in the file.
            message: What it is.
            kind: Problems of one file and kind beyond the fifth are only counted; the message where
                not given.
        """
        key = file, kind or message
        self._num_by_kind[key] += 1
        if self._num_by_kind[key] <= _MAX_OF_A_KIND:
            self.found.append(Problem(file=file, place=place, message=message))

    @property
    def num_found(self) -> int:
        """Number of problems, those included that are only counted."""
        return sum(self._num_by_kind.values())

    def lines(self) -> list[str]:
        """Return one line a problem that was kept, and one about the others."""
        lines = [str(problem) for problem in self.found]
        if num_more := self.num_found - len(self.found):
            lines.append(f"... and {num_more:,} more of these kinds")
        return lines
