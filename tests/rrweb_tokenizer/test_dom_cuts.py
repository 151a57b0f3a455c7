"""Pages and additions over their cap: what is left still says what stands in what."""

import pytest
from odd_sessions import adds_of
from rrweb_events import WordEncoder, change, element, meta, node, snapshot, text, typed

from rrweb_tokenizer.attributes import AttributeWriter
from rrweb_tokenizer.dom import ElementWriter
from rrweb_tokenizer.serializer import serialize
from rrweb_tokenizer.urls import UrlWriter


def words_of(root: dict, max_ids: int) -> list[str]:
    encoder = WordEncoder()
    writer = ElementWriter(encoder, AttributeWriter(encoder, UrlWriter(encoder)))
    return encoder.render(writer.subtree(node(root), max_ids).ids())


def last_event(*events: dict) -> list[str]:
    encoder = WordEncoder()
    session = serialize(typed(*events), encoder)
    return encoder.render(session.ids[int(session.event_starts[-1]) :])


def test_a_node_whose_parent_was_left_out_does_not_slip_into_the_node_before_it() -> None:
    root = element(
        1,
        "body",
        element(2, "button"),
        element(3, "div", element(4, "button"), element(5, "button"), class_="very large box"),
    )
    assert words_of(root, 8) == [
        *("[TAG_body]", "[TAG_button]", "[UP_1]", "[TAG_button]", "[UP_1]", "[TAG_button]"),
        *("[ELIDED]", "[N_1]"),
    ]


@pytest.mark.parametrize("prefix", ["[SHADOW_ROOT]", "[WRAPPED]"])
def test_the_short_form_of_a_button_keeps_its_tag(prefix) -> None:
    buttons = [
        element(10 * i, "button", name="long name of a button", title="another long text")
        for i in range(1, 5)
    ]
    if prefix == "[SHADOW_ROOT]":
        buttons = [{**button, "isShadow": True} for button in buttons]
    else:
        buttons = [element(b["id"] + 1, "div", element(b["id"] + 2, "span", b)) for b in buttons]
    words = words_of(element(1, "body", *buttons), 16)
    assert words.count("[TAG_button]") == words.count(prefix) == 4


def test_a_large_addition_is_cut_between_nodes_and_says_how_many_are_missing() -> None:
    links = [
        element(100 + 2 * i, "a", text(101 + 2 * i, "one two three four five six"))
        for i in range(30)
    ]
    adds = adds_of(element(50, "ul", *links), 4)
    words = last_event(meta(0), snapshot(1), change(2, 0, adds=adds))
    assert words[-2:] == ["[ELIDED]", "[N_32-63]"]
    assert words[-3] == "[TRUNC]"  # the shortened text of the last link
    assert len(words) < 96


def test_a_mutation_longer_than_a_chapter_is_cut_between_its_changes() -> None:
    label = " ".join(f"w{i}" for i in range(12))
    href = "/" + "/".join("a b c d e f" for _ in range(4)) + "?a b c=1&d e f=1&g h i=1&j k l=1#m n"
    names = {"aria-label": label, "name": label, "placeholder": label, "href": href}
    links = [element(10 + 2 * i, "a", text(11 + 2 * i, label), **names) for i in range(8)]
    changes = [{"id": 10 + 2 * i, "attributes": {"disabled": True}} for i in range(8)]
    encoder = WordEncoder()
    session = serialize(
        typed(meta(0), snapshot(1, *links), change(2, 0, attributes=changes)), encoder
    )
    start = int(session.event_starts[-1])
    words = encoder.render(session.ids[start:])
    assert len(words) > 512
    before_keyframe = words[: words.index("[KEY_CONT]")]
    assert before_keyframe[-2:] == ["[AT_disabled]", "[TRUE]"]
    after_keyframe = words[words.index("[KEY_CONT]") :]
    assert after_keyframe[after_keyframe.index("[MUT_ATTR]") - 1] == "[PATH]"
    assert not any(word.startswith("[REF_1") for word in after_keyframe)


def test_what_a_script_put_into_a_void_element_is_left_out_and_closes_nothing() -> None:
    root = element(1, "p", element(2, "br", element(3, "b", element(4, "i"))), element(5, "em"))
    assert words_of(root, 100) == ["[TAG_p]", "[TAG_br]", "[TAG_em]"]
