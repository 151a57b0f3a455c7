"""A share of the files, for one of many jobs that know nothing of one another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from data_prep.manifest import Source

__all__ = ["Share", "parse_share"]

_BYTES_A_FILE: Final = 16 << 10
"""What a file costs beyond its content; sizes that servers do not tell are 0."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one job.

    Raises:
        ValueError: There is no such share.
    """

    number: int
    """From 0 on, as array jobs number their tasks by default."""

    num_shares: int

    def __post_init__(self) -> None:
        if self.num_shares < 1:
            raise ValueError(f"{self} is none: SHARDS is at least 1, as in 0/1")
        if not 0 <= self.number < self.num_shares:
            last = Share(self.num_shares - 1, self.num_shares)
            raise ValueError(
                f"{self} is none: NUMBER goes from 0 to SHARDS - 1, here from 0/{self.num_shares} "
                f"to {last}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.num_shares}"

    @property
    def folder_name(self) -> str:
        """Name of the folder in which its parts are kept apart from those of other shares."""
        return f"share-{self.number:05d}-of-{self.num_shares:05d}"

    def of(self, sources: Sequence[Source]) -> tuple[Source, ...]:
        """Return this share of the files: a stretch, as large as the others give or take a file.

        All shares together are all files, each once, where all jobs list the same files.
        """
        total = sum(source.num_bytes + _BYTES_A_FILE for source in sources)
        chosen, before = [], 0
        for source in sources:
            weight = source.num_bytes + _BYTES_A_FILE
            # By its middle, in halves, so that all is in whole numbers: no rounding, no gap.
            if (2 * before + weight) * self.num_shares // (2 * total) == self.number:
                chosen.append(source)
            before += weight
        return tuple(chosen)


def parse_share(text: str) -> Share:
    """Return the share that a command line names, "0/100" to "99/100".

    Raises:
        ValueError: It is no such text, or there is no such share.
    """
    if not (match := re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)):
        raise ValueError(
            f"{text!r} is none: write NUMBER/SHARDS, as 0/100 for the first of 100 jobs and 99/100 "
            "for the last"
        )
    return Share(int(match[1]), int(match[2]))
