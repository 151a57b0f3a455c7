"""What became of each file: one line of JSON a file, and totals that must be equal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from data_prep.files import sync_file

__all__ = [
    "NEARLY_SAME",
    "SAME_CONTENT",
    "FileOutcome",
    "Ledger",
    "SessionOutcome",
    "is_whole",
    "session_outcome",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOutcome:
    """What became of one session."""

    session_id: str
    split: str
    group: str
    num_events: int
    num_rejected_events: int
    num_ids: int
    counts: dict[str, int]
    """What the serializer dropped or capped, by kind."""

    notes: tuple[str, ...] = ()
    """What was odd, but no reason to reject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """What became of one file; accepted if at least one of its sessions was."""

    file: str
    """Path below the input."""

    num_bytes: int
    sha256: str
    """Hash of the file as it lies on the disk; empty where it could not be read."""

    sessions: tuple[SessionOutcome, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why the file, or sessions of it, were rejected."""

    @property
    def is_accepted(self) -> bool:
        """Whether at least one session came out of it."""
        return bool(self.sessions)


SAME_CONTENT: Final = "same content as another session"
NEARLY_SAME: Final = "nearly the same as a session of another split"
"""Reasons for which a session is left out for the sake of another."""


def is_whole(row: Mapping[str, Any]) -> bool:
    """Tell whether a ledger line's file kept all sessions, whatever other files hold."""
    return not any(reason.startswith((SAME_CONTENT, NEARLY_SAME)) for reason in row["reasons"])


def session_outcome(row: Mapping[str, Any]) -> SessionOutcome:
    """Return a session's outcome from its members in a ledger line."""
    return SessionOutcome(**{**row, "notes": tuple(row["notes"])})


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Writes one line a file, in the order of the manifest, and counts."""

    path: Path
    num_listed: int
    num_accepted: int = 0
    num_rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """Reason -> the first file that was rejected for it."""

    notes: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    num_rejected_events: int = 0
    _file: Any = None

    def __post_init__(self) -> None:
        self._file = self.path.open("w", encoding="utf-8")

    def record(self, outcome: FileOutcome) -> None:
        """Write down one file."""
        row = asdict(outcome)
        row["status"] = "accepted" if outcome.is_accepted else "rejected"
        self._file.write(json.dumps(row, sort_keys=True) + "\n")
        self.num_accepted += outcome.is_accepted
        self.num_rejected += not outcome.is_accepted
        # A reason is counted without its place and details, so that like reasons add up.
        for reason in (reason.split(" (")[0] for reason in outcome.reasons):
            self.reasons[reason] += 1
            self.examples.setdefault(reason, outcome.file)
        for session in outcome.sessions:
            self.notes.update(session.notes)
            self.counts.update(session.counts)
            self.num_rejected_events += session.num_rejected_events

    def close(self) -> None:
        """Sync the file and check the totals."""
        self._file.close()
        sync_file(self.path)
        if self.num_accepted + self.num_rejected != self.num_listed:
            raise RuntimeError(
                f"{self.num_accepted} accepted and {self.num_rejected} rejected files "
                f"are not the {self.num_listed} listed"
            )

    def abort(self) -> None:
        """Let go of the file; what it holds is not complete."""
        self._file.close()
