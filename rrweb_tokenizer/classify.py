"""The class of an input's value, and of one piece of a URL or an attribute."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from rrweb_tokenizer.checksums import count_changes
from rrweb_tokenizer.kind_search import has_hint, replace_kinds
from rrweb_tokenizer.normalize import normalize_text
from rrweb_tokenizer.value_classes import ValueClass

__all__ = [
    "MAX_IDENTIFIER_CHARS",
    "MAX_SHORT_TEXT_CHARS",
    "classify_identifier",
    "classify_value",
    "is_masked",
]

MAX_SHORT_TEXT_CHARS: Final = 64
"""A value with more characters is V_LONGTEXT unless all of it is of one kind."""

MAX_IDENTIFIER_CHARS: Final = 256
"""Characters of a URL segment or attribute value that are looked at."""

_MASK_CHARS: Final = frozenset(
    "*\u2022\u25cf\u00b7\u2219\u25e6\u2027\u2588\u26ab\u2b24\u2217\uff0a"
)
_NUMBER: Final = r"(?:\d{1,3}(?:[., '\u2019]\d{3}){1,6}|\d{1,40})(?:[.,]\d{1,20})?"
_CURRENCY: Final = (
    r"(?:[$\u00a3\u20ac\u00a5\u20b9\u20bd\u20a9\u20ba\u20bf]|R\$|kr\.?|z\u0142|CHF|USD|EUR|GBP|JPY|CNY|INR|BRL|"
    r"CAD|AUD|SEK|NOK|DKK|PLN|CZK)"
)
_MONTH: Final = r"(?:jan|feb|m[a\u00e4]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]{0,6}\.?"
# Forms that a whole value may have; they count for values only, in page text they stay.
_WHOLE_VALUE: Final[tuple[tuple[ValueClass, re.Pattern[str]], ...]] = tuple(
    (value_class, re.compile(pattern, re.IGNORECASE))
    for value_class, pattern in (
        (ValueClass.V_MONEY, rf"[-+]?{_CURRENCY} ?[-+]?{_NUMBER}|[-+]?{_NUMBER} ?{_CURRENCY}"),
        (
            ValueClass.V_DATE,
            r"(?:\d{4}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])|"
            r"(?:0?[1-9]|[12]\d|3[01])[-/. ]{1,2}(?:0?[1-9]|[12]\d|3[01])"
            r"[-/. ]{1,2}(?:\d{4}|\d{2})|"
            rf"\d{{1,2}}(?:\.|st|nd|rd|th)?[ -]{_MONTH}(?:,? ?-?\d{{2,4}})?|"
            rf"{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?|{_MONTH} \d{{4}}|"
            r"\d{4}-(?:0[1-9]|1[0-2])|\d{4}-w\d{2})"
            r"(?:[T ,]{1,2}\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?[ap]m|z|[+-]\d{2}:?\d{2})?)?",
        ),
        (
            ValueClass.V_TIME,
            r"(?:[01]?\d|2[0-4])[:.h][0-5]\d(?:[:.][0-5]\d(?:\.\d{1,9})?)?"
            r"(?: ?[ap]\.?m\.?| uhr|z)?|"
            r"(?:1[0-2]|0?[1-9]) ?[ap]\.?m\.?",
        ),
        (ValueClass.V_NUMBER, rf"[-+\u2212]?(?:{_NUMBER}|[.,]\d{{1,20}})(?:e[-+]?\d{{1,3}})? ?%?"),
    )
)
_PLAIN_PHONE: Final = re.compile(r"\(?[2-9]\d{2}\)?[2-9]\d{6}")
_DIMENSIONS: Final = re.compile(r"\d{1,5}x\d{1,5}")
_PART: Final = re.compile(r"[^\W_]+")
_HEX_PART: Final = re.compile(r"[0-9a-fA-F]{8,}")


def is_masked(text: str) -> bool:
    """Whether a text is what rrweb's masking left: mask characters alone, at least two of them.

    >>> is_masked("**** ***"), is_masked("* required")
    (True, False)
    """
    if text[:1] not in _MASK_CHARS or len(text) < 2:  # one star marks a required field
        return False
    return all(char in _MASK_CHARS or char == " " for char in text)


def classify_value(value: str) -> ValueClass | None:
    """The class of an input's value; `None` for short plain text.

    `classify_value("$12.50")` is V_MONEY, `""` is V_EMPTY, `"****"` is V_MASKED, `"New York"` is
    `None`. A short text that holds personal data has the class of the first of it.
    """
    if not value.strip():
        return ValueClass.V_EMPTY
    shown = [char for char in value[:MAX_IDENTIFIER_CHARS] if not char.isspace()]
    if 2 * sum(char in _MASK_CHARS for char in shown) >= len(shown) > 0:
        return ValueClass.V_MASKED
    text = normalize_text(value)
    if not text:
        return ValueClass.V_EMPTY
    if len(text) > MAX_IDENTIFIER_CHARS and " " in text:
        return ValueClass.V_LONGTEXT
    parts = replace_kinds(text[: 16 * MAX_IDENTIFIER_CHARS])
    found = [part for part in parts if isinstance(part, ValueClass)]
    if found and len(parts) == 1:
        return found[0]
    for value_class, pattern in _WHOLE_VALUE:
        if pattern.fullmatch(text):
            is_phone = value_class is ValueClass.V_NUMBER and _PLAIN_PHONE.fullmatch(text)
            return ValueClass.V_PHONE if is_phone else value_class
    if len(text) > MAX_SHORT_TEXT_CHARS:
        return ValueClass.V_LONGTEXT
    return found[0] if found else None


def classify_identifier(segment: str) -> ValueClass | None:
    """The class of a URL path segment or attribute value that is no word; `None` for words.

    Numbers are V_NUMBER, dates V_DATE, hashes V_UUID_HEX, other identifiers V_TOKEN:
    `classify_identifier("user-8f3a9c1d2b")` is V_UUID_HEX, and `"page-2"`, `"v2"`, `"i18n"` are
    words. Percent signs are decoded first.
    """
    text = segment[:MAX_IDENTIFIER_CHARS]
    text = normalize_text(unquote(text, errors="replace") if "%" in text else text)
    if not text or (text.isascii() and not has_hint(text) and len(segment) <= MAX_IDENTIFIER_CHARS):
        return None  # without a digit nothing below can match
    for part in replace_kinds(text):
        if isinstance(part, ValueClass):
            return part
    for value_class, pattern in _WHOLE_VALUE:
        if pattern.fullmatch(text):
            return value_class
    for part in _PART.findall(text):
        part_class = _class_of_part(part)
        if part_class is not None:
            return part_class
    return ValueClass.V_TOKEN if len(segment) > MAX_IDENTIFIER_CHARS and " " not in text else None


def _class_of_part(part: str) -> ValueClass | None:
    """The class of one run of letters and digits."""
    num_kind, num_case = count_changes(part)
    has_digit = any(char.isdigit() for char in part)
    if part.isdigit():
        return ValueClass.V_NUMBER if len(part) >= 6 else None
    if _HEX_PART.fullmatch(part) and has_digit:
        return ValueClass.V_UUID_HEX
    if _DIMENSIONS.fullmatch(part):
        return None
    looks_random = num_kind >= 3 or (num_kind >= 2 and len(part) >= 8 and num_case >= 1)
    return ValueClass.V_TOKEN if looks_random and len(part) >= 6 else None
