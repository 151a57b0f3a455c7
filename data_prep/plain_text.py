r"""Text of others in lines of ours: it cannot start a line, nor steer a terminal.

Names of files, hosts and sessions come from recordings. Written as they are, a line break in one
would forge a log line, and an escape sequence could hide, rewrite or answer what a terminal shows.
"""

from __future__ import annotations

__all__ = ["in_one_line", "without_controls"]


def in_one_line(text: str) -> str:
    r"""Return the text with everything that is not printable as an escape, line breaks included.

    >>> in_one_line("a\nb\x1b[2J")
    'a\\nb\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def without_controls(text: str) -> str:
    """Return the text with its line breaks and tabs, everything else as in `in_one_line`."""
    return "".join(c if c in "\n\t" or c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
