"""What this package raises when the work cannot go on."""

from __future__ import annotations

__all__ = ["AccessError", "DataError"]


class DataError(ValueError):
    """A corpus cannot be prepared or opened; the message names file, place and remedy."""


class AccessError(DataError):
    """A place cannot be reached as things are set up: a library or credentials are missing."""
