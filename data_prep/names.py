"""What a file's name says: whether it may be a recording, and its stem."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["is_hidden", "is_unrelated", "unrelated_suffix", "without_suffixes"]

_RECORDING_SUFFIX: Final = re.compile(
    r"\.(json|jsonl|ndjson|gz|zst|zstd|txt|log|rrweb|events|session"
    r"|parquet|db|sqlite|sqlite3|zip|tar|tgz|snappy|msgpack)$",
    re.IGNORECASE,
)
_UNRELATED_SUFFIX: Final = re.compile(
    r"\.(md|rst|html?|css|m?js|tsx?|jsx|map|pyc?|sh|ya?ml|toml|ini|cfg|lock|csv|tsv|xml|pdf"
    r"|png|jpe?g|gif|svg|webp|ico|mp[34]|webm|mov|wav|woff2?|[to]tf|exe|dll|so"
    r"|arrow|safetensors|model|pt|tmp|part|swp|bak)$",
    re.IGNORECASE,
)


def unrelated_suffix(name: str) -> str | None:
    """Return the suffix of a name that is clearly something else's (".png"), else None."""
    suffix = _UNRELATED_SUFFIX.search(name)
    return suffix.group().lower() if suffix else None


def is_unrelated(name: str) -> bool:
    """Tell whether a file is clearly something else by its name: a picture, a page, a program."""
    return unrelated_suffix(name) is not None


def is_hidden(parts: Sequence[str]) -> bool:
    """Tell whether a path is hidden, or one of those that macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def without_suffixes(relative: str) -> str:
    """Return a path without the suffixes of recordings and compression: "a/b" for a/b.json.gz."""
    folder, _, name = relative.rpartition("/")
    stem = name
    while (shorter := _RECORDING_SUFFIX.sub("", stem)) not in ("", stem):
        stem = shorter
    return f"{folder}/{stem}" if folder else stem


def safe_name(name: str) -> str:
    """Return a name made of letters, digits, ".", "-" and "_" alone; "corpus" for none."""
    return re.sub(r"[^\w.-]", "_", name) or "corpus"
