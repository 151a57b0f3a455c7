"""What `search` says beside its hits: names that are not there, words far down a page."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rrweb_events import click, element, meta, snapshot, text

from data_prep.errors import DataError
from rrweb_bert import SessionIndex
from rrweb_bert.embeddings.job import embed
from rrweb_bert.search.near_names import no_such_session

NAMES = ["bank/000", "bank/002", "calls#1", "calls#2", "shop/000", "shop/001", "shop/002"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("shop/01", "did you mean shop/001"),
        ("shop/001.json", "did you mean shop/001?"),
        ("shop/001.json.gz", "did you mean shop/001?"),
        ("recordings/shop/001.json.zst", "did you mean shop/001?"),
        ("/data/recordings/shop/001.json", "did you mean shop/001?"),
        ("C:\\recordings\\shop\\001.json", "did you mean shop/001?"),
        ("002", "did you mean bank/002, shop/002?"),
        ("calls.jsonl", "did you mean calls#"),
        ("Ω", "it holds bank/000, bank/002, calls#1 and 4 more"),
        ("", "it holds bank/000, bank/002, calls#1 and 4 more"),
    ],
)
def test_a_name_that_no_session_has_is_looked_for_nearby(asked, told):
    message = no_such_session(asked, NAMES)
    assert message.startswith(f"no session {asked!r}; ")
    assert told in message
    assert "path below the folder that was embedded, without suffixes" in message
    assert "--like" in message


def test_an_index_that_holds_no_session_is_told_as_such():
    assert no_such_session("shop/001", []) == "no session 'shop/001'; it holds none at all"


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=10), max_size=5))
def test_any_name_is_answered_in_one_printable_line(asked, known):
    assert no_such_session(asked, known).isprintable()


@pytest.fixture
def index_of(tiny_encoder, tmp_path):
    def build(**visits):
        for name, events in visits.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(events))
        embed(tmp_path, tmp_path / "e.parquet", tiny_encoder, report=lambda _: None)
        return SessionIndex.build(tmp_path / "e.parquet", tmp_path / "i", report=lambda _: None)

    return build


def page_of(num_texts, *last):
    texts = [
        element(100 + 2 * n, "p", text(101 + 2 * n, f"part {n} of it")) for n in range(num_texts)
    ]
    return snapshot(1000, *texts, *last)


def test_an_index_names_what_it_holds(index_of):
    index = index_of(visit=[meta(900), page_of(1), click(2000, 100)])
    with pytest.raises(DataError, match=r"no session 'visit.json'; did you mean visit\?"):
        index.like_session("visit.json")


def test_words_far_down_a_page_are_told_as_of_the_page(index_of):
    button = element(900, "button", text(901, "a needle here"))
    index = index_of(long=[meta(900), page_of(300, button), click(3000, 900)])
    (hit,) = index.words("needle")
    assert hit.fields["num_windows"] > 1
    assert hit.why.summary == '0:00.1 page shown: "a needle here"'
    assert hit.why.there == ""
