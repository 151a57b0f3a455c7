"""rrweb events <-> token ids, personal data left out. Imports no torch and no datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rrweb_tokenizer.chapters import EncodedSession

if TYPE_CHECKING:
    from rrweb_tokenizer.tokenization_rrweb import RRWebTokenizer

__all__ = ["EncodedSession", "RRWebTokenizer"]


def __getattr__(name: str) -> Any:
    """Imports the tokenizer class, and with it transformers, only when it is asked for."""
    if name == "RRWebTokenizer":
        from rrweb_tokenizer.tokenization_rrweb import RRWebTokenizer

        return RRWebTokenizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
