"""What takes the place of a value, and what a kind of personal data is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Kind", "ValueClass", "after_word", "whole_word"]


class ValueClass(StrEnum):
    """What stands in place of a value; the members are structural tokens without brackets.

    No pattern of ours gives `V_NAME`: it is for recognisers of names that users plug in.
    """

    V_EMPTY = "V_EMPTY"
    V_MASKED = "V_MASKED"
    V_EMAIL = "V_EMAIL"
    V_PHONE = "V_PHONE"
    V_CARD = "V_CARD"
    V_SSN_ID = "V_SSN_ID"
    V_NUMBER = "V_NUMBER"
    V_MONEY = "V_MONEY"
    V_DATE = "V_DATE"
    V_TIME = "V_TIME"
    V_UUID_HEX = "V_UUID_HEX"
    V_URL = "V_URL"
    V_IP = "V_IP"
    V_LONGTEXT = "V_LONGTEXT"
    V_ADDRESS = "V_ADDRESS"
    V_IBAN = "V_IBAN"
    V_NAME = "V_NAME"
    V_TOKEN = "V_TOKEN"  # noqa: S105 - the name of a class, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of personal data.

    The group `v` of `pattern`, or the whole match where there is none, is what gets replaced; the
    words before it ("passport no.") stay. `check` says how many of its first characters really are
    of the kind. `hints` name entries of `kinds.HINTS` that must all be found in a text for the
    pattern to be tried at all. `example` and `missed` (what of the kind is not found) are for
    people: docs/privacy.md is made of them.
    """

    name: str
    value_class: ValueClass
    example: str
    missed: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ("digit",)
    check: Callable[[str], int] | None = None


# What stands between a word that announces a number and the number itself: "no.:", "is", "#".
_ANNOUNCED = (
    r"(?:[ ]?(?:no|nr|num|number|nummer|num[eé]ro|n[uú]mero|code|id|is|ist|est|es)\b\.?){0,3}"
    r"[ ]?[.:#=\u00ba\u00b0-]{0,3}[ ]?"
)


def whole_word(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """The pattern where no letter, digit or underscore touches it."""
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", flags)


def after_word(words: str, value: str) -> re.Pattern[str]:
    """The value, as group `v`, after one of the words that announce it."""
    return re.compile(rf"(?<!\w)(?:{words})(?![^\W\d_]){_ANNOUNCED}(?P<v>{value})", re.IGNORECASE)
