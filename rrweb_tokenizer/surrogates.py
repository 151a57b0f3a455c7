r"""JSON escapes of half a character pair, which no decoder of UTF-8 takes.

A page that cuts a text in the middle of an emoji has such halves, and JavaScript writes them as
`\ud83d`. One of them would cost the whole recording.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["without_lone_surrogates"]

_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE: Final = re.compile(rb"%s(?!%s)|(?<!%s)%s" % (_HIGH, _LOW, _HIGH, _LOW))
_REPLACEMENT: Final = rb"\ufffd"


def without_lone_surrogates(text: bytes) -> bytes:
    r"""The JSON text with `\ufffd` for every unpaired surrogate escape; others stay as they are.

    The very same object comes back when there is none. The cost without any surrogate is that of
    one search; the length never changes.
    """
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    return _LONE.sub(_replaced, text)


def _replaced(found: re.Match[bytes]) -> bytes:
    r"""U+FFFD, unless the backslash is itself escaped: then it is the text "\\ud83d"."""
    text, start = found.string, found.start()
    num_backslashes = 0
    while start > num_backslashes and text[start - 1 - num_backslashes] == 0x5C:
        num_backslashes += 1
    return found[0] if num_backslashes % 2 else _REPLACEMENT
