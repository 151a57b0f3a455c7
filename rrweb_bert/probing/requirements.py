"""The extra that probes and retrieval need; imports nothing of it."""

from __future__ import annotations

import importlib.util

from data_prep.extras import how_to_install

from ..options import UsageError

__all__ = ["require_extra"]


def require_extra() -> None:
    """Say how to install what these commands need, where it is missing.

    Raises:
        UsageError: it is.
    """
    missing = [name for name in ("sklearn", "rapidfuzz") if not importlib.util.find_spec(name)]
    if missing:
        verb = "is not installed; it comes" if len(missing) == 1 else "are not installed; they come"
        raise UsageError(
            f"{' and '.join(missing)} {verb} with the extra `evaluate`: "
            f"{how_to_install('evaluate')}"
        )
