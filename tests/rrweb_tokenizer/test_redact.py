# ruff: noqa: RUF001 - the texts hold look-alike letters and dashes on purpose.
"""Personal data goes, whatever stands around it; what only looks like it stays."""

import pytest
from hypothesis import example, given
from redaction_cases import CANARIES, NEAR_MISSES, TEXTS

from rrweb_tokenizer import classify as classify_module
from rrweb_tokenizer import redact as redact_module
from rrweb_tokenizer.kind_search import replace_kinds
from rrweb_tokenizer.kinds import HINTS, KINDS
from rrweb_tokenizer.redact import (
    MAX_TEXT_CHARS,
    ValueClass,
    classify_identifier,
    classify_value,
    normalize_text,
    redact,
    redacted_text,
)
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS

V = ValueClass


PLACES = ("{}", "Contact {} today", "({})", "a line\n{}\nanother", "{}, thanks", "\u201e{}\u201c")


@pytest.mark.parametrize("kind", CANARIES)
def test_no_canary_of_this_kind_survives_in_any_place(kind):
    value_class, shapes = CANARIES[kind]
    for shape in shapes:
        for place in PLACES:
            parts = redact(place.format(shape))
            assert value_class in parts, (place.format(shape), parts)
            left = " ".join(part for part in parts if not isinstance(part, ValueClass))
            assert sum(char.isdigit() for char in left) <= 2, (shape, parts)
            assert normalize_text(shape) not in left
            assert "jane" not in left.lower()


def test_there_are_at_least_twenty_kinds_of_canaries():
    assert len(CANARIES) >= 20
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 20


def test_nearly_all_near_misses_survive():
    survived = [text for text in NEAR_MISSES if redact(text) == [text]]
    assert len(NEAR_MISSES) >= 40
    assert len(survived) >= 0.95 * len(NEAR_MISSES), sorted(set(NEAR_MISSES) - set(survived))


def test_segments_and_classes_come_in_order():
    assert redact("Mail jane@example.com or call +49 30 1234567, by 5 pm") == [
        "Mail",
        V.V_EMAIL,
        "or call",
        V.V_PHONE,
        ", by 5 pm",
    ]


def test_text_that_spells_a_value_class_stays_text():
    parts = redact("V_EMAIL jane@example.com")
    assert parts == ["V_EMAIL", V.V_EMAIL]
    assert [type(part) for part in parts] == [str, ValueClass]


def test_a_text_is_cut_at_its_limit_and_a_number_across_it_is_found_whole():
    card = "4111 1111 1111 1111"
    words = "word " * (MAX_TEXT_CHARS // 5)
    at_limit = words[: MAX_TEXT_CHARS - 10]
    assert redact(words[:-1]) == [words[:-1]]
    assert redact(at_limit + card) == [at_limit.strip(), V.V_CARD]
    assert sum(len(part) for part in redact("word " * MAX_TEXT_CHARS)) <= MAX_TEXT_CHARS


def test_every_value_class_is_a_structural_token():
    assert {f"[{value_class}]" for value_class in ValueClass} == {
        token for token in STRUCTURAL_TOKENS if token.startswith("[V_")
    }
    assert all(f"[{kind.value_class}]" in STRUCTURAL_IDS for kind in KINDS)
    assert all(set(kind.hints) <= HINTS.keys() for kind in KINDS)


@given(TEXTS)
@example("001-01-0001УЛ. 0 0")
def test_redacting_what_redaction_left_finds_nothing(text):
    for part in redact(text):
        if not isinstance(part, ValueClass):
            assert redact(part) == [part]
            assert part == normalize_text(part) != ""


@given(TEXTS)
def test_redacting_the_joined_text_finds_nothing(text):
    once = redacted_text(text)
    assert redacted_text(once) == once


HOSTILE = [
    "1",
    "a",
    "1.",
    "1 ",
    "a:",
    "A1 ",
    "12 Main Foo ",
    "a@",
    "+1 ((",
    "(0123) ",
    "a.b?",
    "ab1",
    "1-",
    "A<",
    "\xe91",
    "www.",
    "eyJaaaaaaaa.",
    "1 rue de ",
    "tel no. id ",
    "password=",
    "ul. ",
    "a[at]b[dot]",
    "\u8def1",
    "Astra\xdfe ",
    "Calle A ",
    "DE12 3456 ",
    "\ud800",
    "\xa0",
    "sk_live_",
    "%40",
    "0x",
    "[MASK",
    "\u200d",
]


@pytest.mark.timeout(60)  # a pattern that backtracks without end hangs here
@pytest.mark.parametrize("unit", HOSTILE)
def test_of_a_hostile_million_characters_a_bounded_part_is_searched(unit, monkeypatch):
    text = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    searched = []

    def counted(part):
        searched.append(len(part))
        return replace_kinds(part)

    monkeypatch.setattr(redact_module, "replace_kinds", counted)
    monkeypatch.setattr(classify_module, "replace_kinds", counted)
    redact(text)
    # Once, then what is left of it until nothing is found.
    at_once = redact_module.MAX_TEXT_CHARS + redact_module._MARGIN_CHARS
    assert max(searched, default=0) <= at_once
    assert sum(searched) <= (2 + redact_module._MAX_ROUNDS) * at_once
    searched.clear()
    classify_value(text)
    classify_identifier(text)
    assert sum(searched) <= 18 * classify_module.MAX_IDENTIFIER_CHARS
