"""How sessions are embedded; the default pooling of all commands stands here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..window_pooling import POOLINGS
from .layout import LEVELS

__all__ = ["DEFAULT_POOLING", "EmbedOptions"]

DEFAULT_POOLING: Final = "interactions"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """How sessions are embedded.

    Raises:
        ValueError: a field is out of its range.
    """

    pooling: str = DEFAULT_POOLING
    level: str = "session"
    """What a row is: a session, or a window of one."""

    batch_size: int | None = None
    """Windows at once; where not given, 64 on a GPU and 16 elsewhere."""

    num_proc: int | None = None
    """Processes that tokenise; where not given, all cores but one for a GPU, else this one."""

    labels: Path | None = None
    """JSON Lines, one object a session, whose members become columns."""

    overwrite: bool = False
    """Replace a file of other sessions, another model or other options."""

    reader: str | None = None
    """Name of the reader that reads every file; by content where not given."""

    recogniser: str | None = None
    """Name of a recogniser of personal data, "module:function"."""

    show_progress: bool = True

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling {self.pooling!r} is none of {', '.join(POOLINGS)}")
        if self.level not in LEVELS:
            raise ValueError(f"level {self.level!r} is none of {', '.join(LEVELS)}")
        for name in ("batch_size", "num_proc"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be positive, got {value}")
