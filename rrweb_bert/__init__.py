"""The model, its training, and what one does with a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .search.session_index import SessionIndex
    from .session_encoder import SessionEncoder

__all__ = ["SessionEncoder", "SessionIndex"]


def __getattr__(name: str) -> Any:
    """Imports what needs torch and transformers only when it is asked for."""
    if name == "SessionEncoder":
        from .session_encoder import SessionEncoder

        return SessionEncoder
    if name == "SessionIndex":
        from .search.session_index import SessionIndex

        return SessionIndex
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
