"""What stops a run that can no longer be right: it says at which step, why, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from data_prep.plain_text import in_one_line

__all__ = ["TrainingStoppedError", "name_sessions"]

_MAX_NAMES: Final = 64


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message says at which step and what to try."""


def name_sessions(samples: Iterable[int], names_of: Callable[[int], tuple[str, ...]]) -> str:
    """The sessions in the windows of `samples`, each once, for a message; a line without breaks."""
    names = dict.fromkeys(name for sample in samples for name in names_of(sample))
    if not names:
        return "sessions unknown"
    shown = ", ".join(in_one_line(name) for name in list(names)[:_MAX_NAMES])
    num_more = len(names) - _MAX_NAMES
    return f"sessions {shown}" + (f" and {num_more} more" if num_more > 0 else "")
