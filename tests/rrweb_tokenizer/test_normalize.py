# ruff: noqa: RUF001 - the texts hold look-alike letters and dashes on purpose.
"""One normal form of text, in which no structural token can be spelt."""

import pytest
from hypothesis import example, given
from redaction_cases import TEXTS

from rrweb_tokenizer.redact import (
    normalize_text,
)
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS


@pytest.mark.parametrize("token", STRUCTURAL_TOKENS)
def test_no_structural_name_survives_normalising(token):
    for text in (
        token,
        f"a {token} b",
        f"{token}{token}",
        f"[{token}]",
        token[:2] + "\u200b" + token[2:],
    ):
        normal = normalize_text(text)
        assert token not in normal
        assert normalize_text(normal) == normal
        assert token[1:-1] in normal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \t\n b\u00a0c\u3000 ", "a b c"),
        ("a\x00b\x07c", "abc"),
        ("a\ud800b", "ab"),
        ("\u2581a", "_a"),
        ("ＡＢＣ１２３", "ABC123"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("ja\u200dne", "jane"),
        ("［ＭＡＳＫ］", "⟦MASK⟧"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_normalising_by_example(text, expected):
    assert normalize_text(text) == expected


@given(TEXTS)
@example("\u00a0\u200d\u00a0")
@example("Ａ\u200dＢ")
def test_normalising_twice_is_normalising_once(text):
    normal = normalize_text(text)
    assert normalize_text(normal) == normal
    assert normal == " ".join(normal.split())
    normal.encode()
    assert "\u2581" not in normal
