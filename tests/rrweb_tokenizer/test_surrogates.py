import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer.surrogates import without_lone_surrogates


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r"a\ud83db", "a\ufffdb"),
        (r"a\uDE00b", "a\ufffdb"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\ud83d\ude00\ude00", "\U0001f600\ufffd"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\ud7ff\ue000", "\ud7ff\ue000"),
    ],
)
def test_half_a_pair_becomes_the_replacement_character(escaped, expected):
    assert msgspec.json.decode(without_lone_surrogates(f'"{escaped}"'.encode())) == expected


def test_a_text_without_any_stays_as_it_is():
    for text in (b'{"a": "b"}', json.dumps("\U0001f600").encode()):
        assert without_lone_surrogates(text) == text


@given(st.text(st.sampled_from('a\\"u\ud83d\ude00d8\U0001f600'), max_size=12))
def test_every_text_that_javascript_writes_can_be_decoded(content):
    text = without_lone_surrogates(json.dumps(content).encode())
    wanted = json.loads(json.dumps(content)).encode("utf-16", "surrogatepass")
    assert msgspec.json.decode(text) == wanted.decode("utf-16", "replace")


def test_the_time_grows_with_the_text():
    text = b'"' + rb"\ud83d" * 300_000 + rb"\\" * 300_000 + b'"'
    assert len(without_lone_surrogates(text)) == len(text)
