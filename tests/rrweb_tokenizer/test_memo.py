"""What is remembered stays within its bound and changes no answer."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer.attributes import AttributeWriter
from rrweb_tokenizer.dom import ElementWriter
from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.memo import IdsMemo, Memo
from rrweb_tokenizer.urls import UrlWriter
from tests.rrweb_events import WordEncoder, element


def writer(memo: IdsMemo | None = None) -> ElementWriter:
    encoder = WordEncoder()
    return ElementWriter(encoder, AttributeWriter(encoder, UrlWriter(encoder)), memo)


def node(recorded: dict[str, Any]) -> Node:
    return msgspec.convert(recorded, Node)


def test_the_memo_stays_within_its_bound() -> None:
    memo: Memo[int] = Memo(10_000)
    for number in range(1000):
        memo.put(number, number, 100)
        assert memo.get(number) == number
        assert (len(memo._young) + len(memo._old)) * 100 <= 10_000
    memo.put("too large", 0, 10_001)
    assert memo.get("too large") is None


def test_an_empty_answer_is_remembered() -> None:
    memo = IdsMemo(10_000)
    memo.put_ids("nothing", [], 7)
    assert memo.get("nothing") == []


def test_a_text_of_any_length_is_written_but_long_ones_are_not_kept() -> None:
    memo = IdsMemo(1 << 20)
    memo.put_ids("x" * 5_000, [1], 5_000)
    assert memo.get("x" * 5_000) is None


VALUES = st.sampled_from(["1", 1, 1.0, True, "True", None, "", "a b", {"color": "red"}, ["x"]])


@given(
    pages=st.lists(
        st.tuples(
            st.sampled_from(["div", "INPUT", "input", "a"]),
            st.dictionaries(
                st.sampled_from(["title", "value", "type", "class", "href", "role", "x"]), VALUES
            ),
        ),
        max_size=8,
    )
)
def test_what_was_written_before_changes_nothing(pages: list[tuple[str, dict[str, Any]]]) -> None:
    encoder = WordEncoder()
    attributes = AttributeWriter(encoder, UrlWriter(encoder))
    used = ElementWriter(encoder, attributes, IdsMemo(1 << 20))
    for tag, named in pages * 2:
        recorded = node({**element(5, tag), "attributes": named})
        forgetful = ElementWriter(encoder, attributes, IdsMemo(0))
        assert used.subtree(recorded, 500).ids() == forgetful.subtree(recorded, 500).ids()


def test_links_are_remembered_for_the_page_they_stand_on() -> None:
    shared = writer(IdsMemo(1 << 20))
    link = node(element(5, "a", href="http://shop.test/cart"))
    shared.page_host = "shop.test"
    at_home = shared.subtree(link, 500).ids()
    shared.page_host = "other.test"
    assert len(shared.subtree(link, 500).ids()) > len(at_home)
    shared.page_host = "shop.test"
    assert shared.subtree(link, 500).ids() == at_home
