"""What stops a run that can no longer be right: it says at which step, why, and what to try."""

from __future__ import annotations

__all__ = ["TrainingStoppedError"]


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message says at which step and what to try."""
