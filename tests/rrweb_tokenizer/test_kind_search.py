"""What is skipped in the search for personal data cannot match."""

import itertools
import re
from re import _constants as ops
from re import _parser as parser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer import kind_search
from rrweb_tokenizer.checksums import count_changes
from rrweb_tokenizer.classify import classify_identifier
from rrweb_tokenizer.kind_search import LEAST_DIGITS, replace_kinds
from rrweb_tokenizer.kinds import HINTS, KINDS

LOOKS_PRIVATE = st.text(
    st.sampled_from("0123456789+-() ./:@#abXYZé٣²=<tel iban card no"), min_size=1, max_size=60
)


def least_digits(parsed: Any) -> int:
    """A lower bound of the decimal digits in what a parsed pattern matches."""
    return sum(_least_digits(op, argument) for op, argument in parsed)


def _least_digits(op: Any, argument: Any) -> int:
    if op is ops.LITERAL:
        return int(chr(argument).isdecimal())
    if op is ops.IN:
        return int(all(_is_digit(inner, value) for inner, value in argument))
    if op is ops.BRANCH:
        return min(map(least_digits, argument[1]))
    if op is ops.SUBPATTERN:
        return least_digits(argument[3])
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
        return int(argument[0]) * least_digits(argument[2])
    return 0


def _is_digit(op: Any, value: Any) -> bool:
    return (
        (op is ops.CATEGORY and value is ops.CATEGORY_DIGIT)
        or (op is ops.RANGE and value[0] >= ord("0") and value[1] <= ord("9"))
        or (op is ops.LITERAL and chr(value).isdecimal())
    )


@pytest.mark.parametrize("name", LEAST_DIGITS)
def test_a_kind_needs_the_digits_without_which_it_is_not_searched(name: str) -> None:
    (pattern,) = [kind.pattern for kind in KINDS if kind.name == name]
    flags = pattern.flags & (re.IGNORECASE | re.ASCII)
    assert least_digits(parser.parse(pattern.pattern, flags)) >= LEAST_DIGITS[name]


@given(text=LOOKS_PRIVATE)
def test_what_is_not_searched_would_not_be_found(text: str) -> None:
    hints = frozenset(name for name, pattern in HINTS.items() if pattern.search(text))
    expected: list[Any] = [text.strip()] if kind_search.has_hint(text) else [text]
    for kind in KINDS:
        if hints.issuperset(kind.hints) and kind_search.has_hint(text):
            expected = [
                piece
                for part in expected
                for piece in (kind_search._split(part, kind) if type(part) is str else [part])
            ]
    assert replace_kinds(text) == expected


@given(st.text(st.sampled_from("abcXYZ-_ .&/()"), max_size=15))
def test_identifiers_without_digits_or_other_signs_are_words(segment: str) -> None:
    assert classify_identifier(segment) is None


@given(st.text(st.sampled_from("ab09XYé²٣-"), max_size=12))
def test_changes_are_counted_alike_in_ascii_and_elsewhere(run: str) -> None:
    num_kind = num_case = 0
    for char, following in itertools.pairwise(run):
        if char.isdigit() != following.isdigit():
            num_kind += 1
        elif char.isupper() != following.isupper():
            num_case += 1
    assert count_changes(run) == (num_kind, num_case)
