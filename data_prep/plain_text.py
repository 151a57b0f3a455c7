r"""Text of others in lines of ours: it cannot start a line, nor steer a terminal.

Names of files, hosts and sessions come from recordings. Written as they are, a line break in one
would forge a log line, and an escape sequence could hide, rewrite or answer what a terminal shows.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["in_one_line", "without_controls"]

# Joiners make up letters of some scripts and emoji; spaces of any width only look like spaces.
_JOINERS: Final = "\u200c\u200d"


def in_one_line(text: str) -> str:
    r"""Return the text with every control character as an escape, line breaks included.

    >>> in_one_line("a\nb\x1b[2J")
    'a\\nb\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else _escaped(c) for c in text)


def without_controls(text: str) -> str:
    """Return the text with its line breaks and tabs, everything else as in `in_one_line`."""
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or _is_harmless(c) else _escaped(c) for c in text)


def _is_harmless(character: str) -> bool:
    is_space = unicodedata.category(character) == "Zs"
    return character.isprintable() or is_space or character in _JOINERS


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
