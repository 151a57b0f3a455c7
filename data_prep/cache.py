"""Where prepared corpora are kept that nobody gave a place."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_cache_dir"]


def default_cache_dir() -> Path:
    """Return $RRWEB_BERT_CACHE, or ~/.cache/rrweb-bert."""
    named = os.environ.get("RRWEB_BERT_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "rrweb-bert"
