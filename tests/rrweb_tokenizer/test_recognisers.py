import pickle

import pytest
from canaries import NAMES
from hypothesis import given
from hypothesis import strategies as st
from name_recogniser import find_names, find_nothing
from rrweb_events import click, element, meta, snapshot, text, typed

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.recognisers import hide_recognised, load_recogniser, recogniser_name
from rrweb_tokenizer.redact import redact
from rrweb_tokenizer.value_classes import ValueClass

V = ValueClass
PAGE = [
    meta(0, "http://shop.test/Oriol"),
    snapshot(1, element(10, "a", text(11, "Hello Zebulon Quackenbush!"), title="Wilhelmina")),
    click(2, 10),
]


def content_of(tokenizer):
    ids = tokenizer.encode_events(typed(*PAGE)).ids.tolist()
    return tokenizer.text_model.decode_plain([token_id for token_id in ids if token_id >= 520])


def test_a_recogniser_hides_what_patterns_cannot_find():
    content = "Mail Zebulon Quackenbush, zeb@vexmail.test, or Oriol"
    assert redact(content) == ["Mail Zebulon Quackenbush,", V.V_EMAIL, ", or Oriol"]
    assert redact(content, find_names) == [*("Mail", V.V_NAME, ",", V.V_EMAIL, ", or", V.V_NAME)]


def test_a_recogniser_sees_texts_without_any_sign_and_not_what_the_patterns_hid():
    seen = []

    def note(segment):
        seen.append(segment)
        return []

    redact("plain words", note)
    redact("a zeb@vexmail.test b", note)
    assert seen == ["plain words", "a", "b"]


def test_overlapping_spans_in_any_order_are_hidden_as_one():
    spans = [(4, 9, V.V_PHONE), (0, 5, V.V_MASKED), (2, 3, V.V_DATE), (12, 12, V.V_URL)]
    assert hide_recognised("abcdefghi jkl", lambda _: spans) == [V.V_MASKED, "jkl"]


def test_what_is_left_beside_a_span_is_searched_again():
    address = "x10.42.17.208"
    assert redact(address) == [address]
    hidden = redact(address, lambda segment: [(0, 1, V.V_MASKED)])
    assert hidden == [V.V_MASKED, V.V_IP]


@pytest.mark.parametrize(
    "span", [(-1, 2, V.V_MASKED), (0, 99, V.V_MASKED), (3, 1, V.V_MASKED), (0, 1, "NAME")]
)
def test_a_span_outside_the_text_is_an_error_that_names_the_recogniser(span):
    with pytest.raises(ValueError, match="test_recognisers:"):
        hide_recognised("abcd", lambda _: [span])


@given(
    st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5)
)
def test_no_character_of_a_span_survives(content, bounds):
    marked = "".join(chr(0x1F300 + i) for i in range(len(content)))
    spans = [(a, b, V.V_MASKED) for a, b in bounds if a <= b <= len(content)]
    left = "".join(p for p in hide_recognised(marked, lambda _: spans) if type(p) is str)
    hidden = {i for a, b, _ in spans for i in range(a, b)}
    assert left == "".join(char for i, char in enumerate(marked) if i not in hidden)


def test_a_tokenizer_with_a_recogniser_encodes_no_name():
    plain = content_of(RRWebTokenizer())
    assert all(name in plain for name in ("Zebulon", "Wilhelmina", "Oriol"))
    hidden = content_of(RRWebTokenizer(recogniser=find_names))
    assert not any(part in hidden for name in NAMES for part in name.split())
    assert "Hello" in hidden


def test_a_recogniser_that_finds_nothing_changes_no_id():
    events = [
        RRWebTokenizer(recogniser=r).encode_events(typed(*PAGE)) for r in (None, find_nothing)
    ]
    assert events[0].ids.tolist() == events[1].ids.tolist()


def test_a_recogniser_is_asked_once_for_a_repeated_text():
    asked = []
    tokenizer = RRWebTokenizer(recogniser=lambda segment: asked.append(segment) or [])
    tokenizer.encode_events(typed(*PAGE))
    num_asked = len(asked)
    tokenizer.encode_events(typed(*PAGE))
    assert len(asked) == num_asked >= len(set(asked))


def test_it_travels_with_a_pickled_tokenizer():
    tokenizer = pickle.loads(pickle.dumps(RRWebTokenizer(recogniser=find_names)))  # noqa: S301
    assert "Zebulon" not in content_of(tokenizer)


def test_a_saved_tokenizer_asks_for_its_recogniser_and_never_imports_it(tmp_path):
    RRWebTokenizer(recogniser=find_names).save_pretrained(tmp_path)
    assert "name_recogniser:find_names" in (tmp_path / "tokenizer_config.json").read_text()
    alone = RRWebTokenizer.from_pretrained(tmp_path)
    assert alone("[MI_Click] Buy")["input_ids"]
    with pytest.raises(ValueError, match="name_recogniser:find_names"):
        content_of(alone)
    with pytest.raises(ValueError, match="name_recogniser:find_nothing"):
        RRWebTokenizer.from_pretrained(tmp_path, recogniser=find_nothing)
    again = RRWebTokenizer.from_pretrained(tmp_path, recogniser=find_names)
    assert "Zebulon" not in content_of(again)
    without = RRWebTokenizer.from_pretrained(tmp_path, saved_recogniser=None)
    assert "Zebulon" in content_of(without)
    again.save_pretrained(tmp_path / "again")
    assert RRWebTokenizer.from_pretrained(tmp_path / "again").saved_recogniser == recogniser_name(
        find_names
    )


def test_a_recogniser_is_loaded_by_its_name():
    assert load_recogniser("name_recogniser:find_names") is find_names
    assert recogniser_name(find_names) == "name_recogniser:find_names"
    assert recogniser_name(st.just) == "hypothesis.strategies._internal.misc:just"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("find_names", "module:function"),
        (":find_names", "module:function"),
        ("name_recogniser:", "module:function"),
        ("no_such_module:f", "No module named"),
        ("name_recogniser:other", "no function other"),
        ("name_recogniser:not_callable", "no function not_callable"),
    ],
)
def test_a_wrong_name_is_an_error_that_says_why(name, reason):
    with pytest.raises(ValueError, match=reason):
        load_recogniser(name)
