"""A name that no session has -> the sessions that may be meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from data_prep.names import without_suffixes
from rrweb_tokenizer.telling.reader import printable

__all__ = ["no_such_session"]

_MAX_NAMED: Final = 3
_MAX_COMPARED: Final = 100_000  # letter by letter: a second or two


def no_such_session(asked: str, known: Sequence[str]) -> str:
    """The end of an error message: what a session's name is, and which ones are near.

    Args:
        asked: what was given: a name with a slip in it, one with suffixes, or a file's path.
        known: the names that there are.
    """
    if not known:
        return f"no session {asked!r}; it holds none at all"
    near = _near(asked, known)
    rule = (
        "a session is called by its file's path below the folder that was embedded, without "
        "suffixes (a recording elsewhere is given with --like)"
    )
    if near:
        return f"no session {asked!r}; did you mean {_listed(near)}? {rule}"
    return f"no session {asked!r}; it holds {_listed(known)}; {rule}"


def _near(asked: str, known: Sequence[str]) -> list[str]:
    """Names that are the end of what was asked, then those that end with it, then alike ones."""
    asked = without_suffixes(asked.replace("\\", "/").strip("/"))
    if not asked:
        return []
    parts = asked.split("/")
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    held = set(known)
    found = [tail for tail in tails if tail in held][:1]
    found = found or [name for name in known if name.endswith(f"/{asked}")]
    return found or get_close_matches(asked, known[:_MAX_COMPARED], n=_MAX_NAMED)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
    return f"{', '.join(map(printable, names[:_MAX_NAMED]))}{more}"
