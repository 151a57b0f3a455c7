"""Personal data in text -> value classes; one code for the text model and the tokenizer.

`redact("Mail jane@example.com by 5 pm")` is `["Mail", ValueClass.V_EMAIL, "by 5 pm"]`. The kinds
that are looked for are data: `kinds.KINDS`.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final

from rrweb_tokenizer.classify import classify_identifier, classify_value, is_masked
from rrweb_tokenizer.kind_search import has_hint, replace_kinds
from rrweb_tokenizer.normalize import LOOKALIKE_CLOSE, LOOKALIKE_OPEN, normalize_text
from rrweb_tokenizer.recognisers import Recogniser, hide_recognised
from rrweb_tokenizer.value_classes import ValueClass

__all__ = [
    "MAX_TEXT_CHARS",
    "ValueClass",
    "classify_identifier",
    "classify_value",
    "normalize_text",
    "redact",
    "redacted_text",
]

MAX_TEXT_CHARS: Final = 20_000
"""Characters of a normalised text that are kept; what follows is dropped."""

# The patterns see this much more, so that a number across the limit is found whole.
_MARGIN_CHARS: Final = 512
# Each round searches what the last one left; real text needs two. What still matches after these
# is hidden as a whole.
_MAX_ROUNDS: Final = 8


def redact(text: str, recogniser: Recogniser | None = None) -> list[str | ValueClass]:
    """The normalised plain-text segments and value classes of a text, in order.

    Segments are never empty and have no white space at their ends. Neighbouring values of one class
    count once. Redacting a segment again, or `redacted_text`, finds nothing more. At most
    `MAX_TEXT_CHARS` characters are kept; a text without digits, "@", links or long runs of
    characters (most texts) costs one search for those.

    Args:
        text: Any text.
        recogniser: Looks at what the patterns left; see `recognisers.Recogniser`.
    """
    text = normalize_text(text)
    if is_masked(text):
        return [ValueClass.V_MASKED]
    if len(text) > MAX_TEXT_CHARS or has_hint(text):
        parts = _cut(replace_kinds(text[: MAX_TEXT_CHARS + _MARGIN_CHARS]), MAX_TEXT_CHARS)
        parts = _until_nothing_is_found(parts)
    else:
        parts = [text] if text else []
    if recogniser is None:
        return parts
    hidden: list[str | ValueClass] = []
    for part in parts:
        hidden += [part] if isinstance(part, ValueClass) else hide_recognised(part, recogniser)
    return parts if hidden == parts else _until_nothing_is_found(hidden)


def _until_nothing_is_found(parts: list[str | ValueClass]) -> list[str | ValueClass]:
    """The parts after as many searches as find something, equal neighbours joined."""
    for _ in range(_MAX_ROUNDS):
        found = [piece for part in parts for piece in _again(part)]
        if found == parts:
            break
        parts = found
    else:
        parts = [part if _again(part) == [part] else ValueClass.V_TOKEN for part in parts]
    # The type is in the key: the text "V_EMAIL" equals the class's value.
    return [part for (_, part), _ in groupby((type(part), part) for part in parts)]


def redacted_text(text: str) -> str:
    """The redacted text as one string, value classes in look-alike brackets, for people to read."""
    return " ".join(
        f"{LOOKALIKE_OPEN}{part}{LOOKALIKE_CLOSE}" if isinstance(part, ValueClass) else part
        for part in redact(text)
    )


def _again(part: str | ValueClass) -> list[str | ValueClass]:
    return [part] if isinstance(part, ValueClass) else replace_kinds(part)


def _cut(parts: list[str | ValueClass], max_chars: int) -> list[str | ValueClass]:
    """The parts up to `max_chars` characters of plain text, the last segment cut to fit."""
    kept: list[str | ValueClass] = []
    for part in parts:
        if isinstance(part, ValueClass):
            kept.append(part)
            continue
        segment = part[:max_chars].rstrip()
        if not segment:
            break
        kept.append(segment)
        max_chars -= len(segment)
    return kept
