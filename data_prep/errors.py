"""What this package raises when the work cannot go on."""

from __future__ import annotations

__all__ = ["AccessError", "DataError"]


class DataError(ValueError):
    """A corpus cannot be prepared or opened; the message names file, place and remedy."""


class AccessError(DataError):
    """A remote place cannot be reached as things are set up: a library or credentials are missing.

    Command lines exit with 2 for it, as for a bad call.
    """
