"""Which nodes of a page are kept, against a plain statement of the rule."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.normalize import normalize_text
from rrweb_tokenizer.outline import Outline, fit, outline
from rrweb_tokenizer.tags import INTERACTIVE_RANK, NUM_RANKS
from tests.rrweb_events import element, text


def kept_by_the_rule(nodes: list[tuple[int, str]], max_ids: int) -> list[int]:
    """The places kept of (rank, text) nodes, each text a list of one-letter ids."""
    lengths = [len(content) for _, content in nodes]
    if sum(length + 1 for length in lengths) <= max_ids:
        return list(range(len(nodes)))
    interactive = [i for i, (rank, _) in enumerate(nodes) if rank == INTERACTIVE_RANK]
    room = max_ids - sum(lengths[i] + 1 for i in interactive)
    kept = set(interactive)
    if room < 0:
        kept = set()
        room = max_ids * 3 // 4
        for i in interactive:
            if min(lengths[i], 6) < room:
                kept.add(i)
                room -= min(lengths[i], 6) + 1
        room += max_ids - max_ids * 3 // 4
    for rank in range(1, NUM_RANKS):
        for i, (its_rank, _) in enumerate(nodes):
            if its_rank == rank and lengths[i] < room:
                kept.add(i)
                room -= lengths[i] + 1
    return sorted(kept)


@given(
    nodes=st.lists(st.tuples(st.integers(0, NUM_RANKS - 1), st.text("a", min_size=1, max_size=9))),
    max_ids=st.integers(0, 60),
)
def test_what_is_kept_follows_the_rule(nodes: list[tuple[int, str]], max_ids: int) -> None:
    found = Outline()
    for place, (rank, content) in enumerate(nodes):
        found.depths.append(place)  # each below the one before: nothing closes, no [UP_k]
        found.subjects.append(content)
        found.by_rank[rank].append(place)
    asked: list[Any] = []

    def write(subject: Node | str) -> list[int]:
        asked.append(subject)
        return [600] * len(str(subject))

    def write_short(subject: Node | str) -> list[int]:
        return [600] * min(len(str(subject)), 6)

    subtree = fit(found, max_ids, write=write, write_short=write_short)
    expected = kept_by_the_rule(nodes, max_ids)
    assert subtree.num_elided == len(nodes) - len(expected)
    written = subtree.nodes[: len(expected)]
    assert [len(ids) for ids in written] in (
        [len(nodes[i][1]) for i in expected],
        [min(len(nodes[i][1]), 6) if nodes[i][0] == 0 else len(nodes[i][1]) for i in expected],
    )
    assert len(asked) <= len(nodes)


def test_a_text_that_is_nothing_but_invisible_is_no_node() -> None:
    for content in ("\u200b", "\u00ad \ufeff", "\x01", " \n", "\u200b."):
        page = msgspec.convert(element(1, "p", text(2, content)), Node)
        is_there = bool(normalize_text(content))
        assert len(outline(page, lambda _: False).depths) == 1 + is_there


@given(st.text(max_size=6))
def test_a_text_is_a_node_when_something_is_left_of_it(content: str) -> None:
    page = msgspec.convert(element(1, "p", text(2, content)), Node)
    assert len(outline(page, lambda _: False).depths) == 1 + bool(normalize_text(content))


def test_nodes_that_cannot_fit_are_never_written() -> None:
    paragraphs = [element(10 + i, "p", text(5_000 + i, f"word{i}")) for i in range(1_000)]
    page = msgspec.convert(element(1, "body", *paragraphs), Node)
    asked: list[Any] = []

    def write(subject: Node | str) -> list[int]:
        asked.append(subject)
        return [600, 601]

    subtree = fit(outline(page, lambda _: False), 100, write=write, write_short=lambda _: [7])
    assert subtree.num_elided > 1_900
    assert len(asked) < 200


def test_a_page_of_links_stays_within_the_cap_and_keeps_its_headings() -> None:
    links = [element(10 + i, "a", text(5_000 + i, "some more words")) for i in range(1_000)]
    page = msgspec.convert(element(1, "body", *links, element(9_000, "h1")), Node)
    subtree = fit(
        outline(page, lambda _: False),
        200,
        write=lambda _: [600, 601, 602],
        write_short=lambda _: [7],
    )
    assert 100 < sum(map(len, subtree.nodes)) <= 200
    assert any(ids[-3:] == [600, 601, 602] for ids in subtree.nodes[-3:])
