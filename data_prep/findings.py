"""What an inspection found, adding up over files and processes in memory that stays flat."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.size_sample import SizeSample
from data_prep.tallies import DistinctCounter, LogHistogram, TopCounter
from rrweb_tokenizer.structural_vocab import GROUPS, TEXT_GROUP, TEXT_ID_OFFSET

__all__ = ["TOKEN_GROUPS", "Findings", "TokenCounts", "count_tokens"]

TOKEN_GROUPS: Final = (*(group.name for group in GROUPS), TEXT_GROUP)

_GROUP_STARTS: Final = np.array([*(group.start for group in GROUPS), TEXT_ID_OFFSET])


@dataclass(slots=True, eq=False)
class TokenCounts:
    """Ids and keyframes of tokenised sessions; G token groups."""

    num_ids: float = 0
    num_keyframes: float = 0
    by_group: npt.NDArray[np.float64] = field(
        default_factory=lambda: np.zeros(len(TOKEN_GROUPS), np.float64)
    )
    """(G,) float64: ids of each of TOKEN_GROUPS."""

    def merge(self, other: TokenCounts, weight: float = 1.0) -> None:
        """Add another's counts, each so many times."""
        self.num_ids += weight * other.num_ids
        self.num_keyframes += weight * other.num_keyframes
        self.by_group += weight * other.by_group


def count_tokens(ids: npt.NDArray[np.uint16], num_keyframes: int) -> TokenCounts:
    """Return the counts of (n,) ids."""
    numbers = np.bincount(ids, minlength=TEXT_ID_OFFSET + 1)
    by_group = np.add.reduceat(numbers, _GROUP_STARTS).astype(np.float64)
    return TokenCounts(num_ids=len(ids), num_keyframes=num_keyframes, by_group=by_group)


@dataclass(slots=True, kw_only=True, eq=False)
class Findings:
    """Figures of files and sessions; `merge` adds those of other files."""

    num_files: int = 0
    num_bytes: int = 0
    num_accepted: int = 0
    """Files with at least one session that can be used."""

    num_rejected: int = 0
    num_sessions: int = 0
    num_rejected_sessions: int = 0
    """Sessions that were found in a file but cannot be used, in accepted files too."""

    num_rejected_events: int = 0
    num_row_bytes: int = 0
    """What a corpus stores of the sessions beside ids and keyframes."""

    num_ledger_bytes: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    suffixes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    versions: TopCounter = field(default_factory=lambda: TopCounter(max_texts=1000))
    notes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """Reason -> the first file that was rejected for it."""

    splits: Counter[str] = field(default_factory=Counter)
    days: TopCounter = field(default_factory=TopCounter)
    groups: TopCounter = field(default_factory=TopCounter)
    num_groups: DistinctCounter = field(default_factory=DistinctCounter)
    num_contents: DistinctCounter = field(default_factory=DistinctCounter)
    """Different sessions by their hash; the others repeat one of them."""

    durations_s: LogHistogram = field(default_factory=LogHistogram)
    sizes: LogHistogram = field(default_factory=LogHistogram)
    """Bytes of a session's JSON."""

    lengths: LogHistogram = field(default_factory=LogHistogram)
    """Events of a session."""

    sample: SizeSample = field(default_factory=SizeSample)
    tokens: TokenCounts | None = None
    """Where all sessions were tokenised."""

    @property
    def num_events(self) -> int:
        """Events of all sessions."""
        return round(self.lengths.total)

    def reject(self, reason: str, file: str) -> None:
        """Count a reason, without its place and details, so that like reasons add up."""
        reason = reason.split(" (")[0]
        self.reasons[reason] += 1
        self.examples.setdefault(reason, file)

    def merge(self, other: Findings) -> None:
        """Add the figures of later files."""
        for member in fields(self):
            mine, others = getattr(self, member.name), getattr(other, member.name)
            if isinstance(mine, int):
                setattr(self, member.name, mine + others)
            elif isinstance(mine, Counter):
                mine.update(others)
            elif isinstance(mine, dict):
                for reason, file in others.items():
                    mine.setdefault(reason, file)
            elif member.name == "tokens":
                if others is not None:
                    self.tokens = mine or TokenCounts()
                    self.tokens.merge(others)
            else:
                mine.merge(others)
