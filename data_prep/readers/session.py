"""What a reader makes of a file: sessions, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Rejected", "Session", "UnreadableError"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One recorded session, found but not yet decoded."""

    session_id: str
    """Stable and unique: the file's path below the input folder, without suffixes, then the record
    and the window, `path#record#window`, where the file holds several."""

    path: Path
    """The file it stands in."""

    record: str = ""
    """Which of the file's recordings it is; empty where the file is one recording. Windows of one
    recording share it, and the split keeps them together."""

    window: str = ""
    """Which of the recording's browser windows it is; empty where there is one."""

    form: str = ""
    """Name of the container form, for example "zip of posthog rows"."""

    parts: list[bytes]
    """JSON texts, each a list of events or one event, in file order."""

    fields: dict[str, str] = field(default_factory=dict)
    """Scalar members that the container has beside the events; nested ones as "user.id"."""

    sha256: str
    """Hash of the session's events as they stand in the file, after decompression."""

    num_bytes: int
    """Number of those bytes."""

    notes: tuple[str, ...] = ()
    """What was odd, but no reason to reject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A file, or a session in it, that cannot be used."""

    path: Path
    reason: str
    """Why, in words that do not quote the file."""

    where: str = ""
    """Where in the file: a byte, a line, a row or a member; empty where it is the file itself."""


class UnreadableError(ValueError):
    """Internal to the readers: becomes a `Rejected` at their door."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
