"""Search of one text for the kinds of personal data in `kinds.KINDS`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rrweb_tokenizer.kinds import HINTS, KINDS
from rrweb_tokenizer.value_classes import Kind, ValueClass

__all__ = ["LEAST_DIGITS", "has_hint", "replace_kinds"]

_ANY_HINT: Final = re.compile(r"[\d@]|://|\?|(?i:www\.|%40|[\[(] ?at ?[\])])|[\w+/=<-]{16}")

# Most texts with a digit have one to three of them, and most kinds need more.
LEAST_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(("Indian PAN", "IPv4 address", "national phone number"), 4),
    **dict.fromkeys(
        (
            "payment card",
            "US social security number",
            "UK national insurance number",
            "French NIR",
            "Spanish DNI or NIE",
            "Italian codice fiscale",
            "Brazilian CPF",
            "Swiss AHV number",
            "Swedish personnummer",
            "Korean resident number",
            "Chinese resident number",
            "Indian Aadhaar",
            "Canadian SIN",
            "coordinates",
            "international phone number",
            "phone number after its name",
            "North American phone number",
            "phone number with its area in brackets",
            "mobile number of China or India",
        ),
        6,
    ),
}
"""Kind -> so many digits are in all that its pattern matches: 4, or 6 and more."""

_FOUR_DIGITS: Final = re.compile(r"\d(?:\D*\d){3}")
_SIX_DIGITS: Final = re.compile(r"\d(?:\D*\d){5}")


def has_hint(text: str) -> bool:
    """Whether a text shows any sign of personal data; without one no pattern can match."""
    return _ANY_HINT.search(text) is not None


def replace_kinds(text: str) -> list[str | ValueClass]:
    """The segments that are left and the value classes found, after one pass over the kinds.

    Every kind searches what the kinds before it left. Segments are stripped and never empty.
    """
    if not has_hint(text):
        return [text] if text else []
    return list(_found_kinds(text.strip()))


# A text is searched two or three times in a row: as an identifier, as text, and once more to see
# that nothing is left. Holds at most 64 texts of 20,512 characters.
@lru_cache(maxsize=64)
def _found_kinds(text: str) -> tuple[str | ValueClass, ...]:
    hints = frozenset(name for name, pattern in HINTS.items() if pattern.search(text))
    parts: list[str | ValueClass] = [text]
    for kind in _kinds_of(hints, _digits_at_least(text) if "digit" in hints else 0):
        if len(parts) > 1 or kind.pattern.search(text) is not None:
            parts = [
                piece
                for part in parts
                for piece in ([part] if isinstance(part, ValueClass) else _split(part, kind))
            ]
    return tuple(parts)


def _digits_at_least(text: str) -> int:
    if _FOUR_DIGITS.search(text) is None:
        return 0
    return 4 if _SIX_DIGITS.search(text) is None else 6


@lru_cache(maxsize=3 << len(HINTS))
def _kinds_of(hints: frozenset[str], num_digits: int) -> tuple[Kind, ...]:
    """The kinds that a text with these hints and digits may hold, in the order of the table."""
    return tuple(
        kind
        for kind in KINDS
        if hints.issuperset(kind.hints) and LEAST_DIGITS.get(kind.name, 0) <= num_digits
    )


def _split(text: str, kind: Kind) -> list[str | ValueClass]:
    parts: list[str | ValueClass] = []
    place = 0
    for match in kind.pattern.finditer(text):
        start, stop = match.span("v" if "v" in kind.pattern.groupindex else 0)
        if kind.check is not None:
            stop = start + kind.check(text[start:stop])
        if stop <= start or start < place:
            continue
        if segment := text[place:start].strip():
            parts.append(segment)
        parts.append(kind.value_class)
        place = stop
    if segment := text[place:].strip():
        parts.append(segment)
    return parts
