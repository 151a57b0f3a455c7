from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rrweb_events import change, element, node, page, text, typed

from rrweb_tokenizer.incremental import AddedNode, MutationData, Node, RemovedNode
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.trees import copy_tree, walk


def mirror_of(*body) -> Mirror:
    mirror = Mirror()
    mirror.reset(node(page(*body)))
    return mirror


def mutate(mirror: Mirror, **members) -> int:
    (event,) = typed(change(1, 0, **members))
    assert isinstance(event.data, MutationData)
    return mirror.apply(event.data)


def below(mirror: Mirror, node_id: int) -> list[int]:
    return [child.id for child in mirror.get(node_id).child_nodes]


def test_adds_find_their_place_whatever_the_order_of_the_list() -> None:
    mirror = mirror_of(element(10, "ul", element(11, "li")))
    adds = [
        {"parentId": 10, "nextId": 21, "node": element(20, "li")},
        {"parentId": 20, "nextId": None, "node": text(22, "deep")},
        {"parentId": 10, "nextId": 11, "node": element(21, "li")},
    ]
    assert mutate(mirror, adds=adds) == 0
    assert below(mirror, 10) == [20, 21, 11]
    assert mirror.parent(22) is mirror.get(20)
    assert mirror.depth(22) == 5


def test_a_move_keeps_the_node_known_and_in_its_new_place() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p")), element(12, "div"))
    removes = [{"parentId": 10, "id": 11}]
    assert mutate(mirror, removes=removes, adds=[{"parentId": 12, "node": element(11, "p")}]) == 0
    assert (below(mirror, 10), below(mirror, 12)) == ([], [11])
    assert not mirror.has_gone(11)


def test_a_removed_subtree_is_gone_until_the_next_snapshot_reuses_its_ids() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p", text(12, "hi"))))
    mutate(mirror, removes=[{"parentId": 4, "id": 10}])
    assert [mirror.get(i) for i in (10, 11, 12)] == [None, None, None]
    assert all(mirror.has_gone(i) for i in (10, 11, 12))
    mirror.reset(node(page(element(10, "span"))))
    assert mirror.get(10).tag_name == "span"
    assert not mirror.has_gone(11)


def test_attributes_and_text_change_and_unknown_ids_are_counted() -> None:
    mirror = mirror_of(element(10, "a", text(11, "old"), href="/x", title="t"))
    changed = [
        {"id": 10, "attributes": {"href": "/y", "title": None, "style": {"color": "red"}}},
        {"id": 99, "attributes": {"href": "/z"}},
    ]
    num_unknown = mutate(mirror, attributes=changed, texts=[{"id": 11, "value": "new"}])
    assert num_unknown == 1
    assert mirror.get(10).attributes == {"href": "/y", "style": "color: red;"}
    assert mirror.get(11).text_content == "new"


def test_a_frames_new_document_replaces_the_old_one() -> None:
    mirror = mirror_of(element(10, "iframe"))
    for document_id in (50, 60):
        frame = {"type": 0, "id": document_id, "childNodes": []}
        mutate(mirror, adds=[{"parentId": 10, "nextId": None, "node": frame}])
    assert below(mirror, 10) == [60]
    assert mirror.has_gone(50)


def test_an_add_below_an_unknown_parent_is_counted_not_raised() -> None:
    mirror = mirror_of()
    assert mutate(mirror, adds=[{"parentId": 999, "nextId": None, "node": element(20, "p")}]) == 1


def test_a_node_moved_below_itself_is_counted_and_changes_nothing() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p")))
    assert mutate(mirror, adds=[{"parentId": 11, "nextId": None, "node": element(10, "div")}]) == 1
    assert (below(mirror, 4), below(mirror, 10)) == ([10], [11])


def test_an_id_that_stands_twice_in_a_page_cannot_make_a_loop() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p", element(10, "b"))), element(11, "i"))
    assert (mirror.get(10), below(mirror, 4)) == (None, [11])  # the second 10 is below the first
    assert mirror.get(11).tag_name == "i"
    assert mirror.depth(11) == 3


def test_twenty_thousand_levels_need_no_recursion() -> None:
    deep = node(element(30, "div"))
    top = deep
    for node_id in range(31, 20_031):
        outer = node(element(node_id, "div"))
        outer.child_nodes.append(top)
        top = outer
    mirror = Mirror()
    mirror.reset(top)
    assert mirror.depth(30) == 20_000
    assert sum(1 for _ in walk(top)) == 20_001


def test_what_goes_with_its_ancestor_is_not_counted_as_unknown() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p", text(12, "hi"))))
    removes = [{"parentId": 4, "id": 10}, {"parentId": 10, "id": 11}, {"parentId": 11, "id": 12}]
    gone = {"removes": removes, "texts": [{"id": 12, "value": "late"}]}
    assert mutate(mirror, **gone) == 0
    assert below(mirror, 4) == []
    assert mutate(mirror, **gone) == 4


def test_a_removal_from_an_unknown_parent_is_counted_and_changes_nothing() -> None:
    mirror = mirror_of(element(10, "div"))
    assert mutate(mirror, removes=[{"parentId": 999, "id": 10}]) == 1
    assert below(mirror, 4) == [10]


def test_a_node_whose_next_sibling_never_comes_is_left_out_and_counted() -> None:
    mirror = mirror_of(element(10, "div"))
    adds = [
        {"parentId": 4, "nextId": 999, "node": element(20, "p")},
        {"parentId": 20, "nextId": None, "node": text(21, "below")},
    ]
    assert mutate(mirror, adds=adds) == 2
    assert (below(mirror, 4), mirror.get(20), mirror.get(21)) == ([10], None, None)


def test_a_chain_of_next_siblings_in_any_order_is_added_whole() -> None:
    mirror = mirror_of()
    ids = list(range(100, 3100))
    following = [*ids[1:], None]
    adds = [
        {"parentId": 4, "nextId": next_id, "node": element(node_id, "i")}
        for node_id, next_id in zip(ids, following, strict=True)
    ]
    assert mutate(mirror, adds=adds[::2] + adds[1::2]) == 0
    assert below(mirror, 4) == ids


def test_a_tree_that_waits_before_its_parent_is_left_out_as_by_the_replayer() -> None:
    mirror = mirror_of()
    adds = [
        {"parentId": 20, "nextId": None, "node": text(21, "too early")},
        {"parentId": 4, "nextId": 22, "node": element(20, "p")},
        {"parentId": 4, "nextId": None, "node": element(22, "p")},
    ]
    assert mutate(mirror, adds=adds) == 1
    assert (below(mirror, 4), below(mirror, 20)) == ([20, 22], [])


def test_new_nodes_within_an_added_node_are_kept_although_rrweb_never_writes_them() -> None:
    mirror = mirror_of()
    nested = element(20, "p", text(21, "kept"))
    adds = [
        {"parentId": 4, "nextId": None, "node": nested},
        {"parentId": 20, "nextId": None, "node": text(22, "shown")},
    ]
    assert mutate(mirror, adds=adds) == 0
    assert below(mirror, 20) == [21, 22]


@pytest.mark.parametrize("child_id", [2, 4, 10, 20])
def test_nodes_within_an_added_node_are_left_out_where_an_id_of_them_is_known(child_id) -> None:
    mirror = mirror_of(element(10, "div"))
    nested = element(20, "p", element(child_id, "b"), text(22, "too"))
    assert mutate(mirror, adds=[{"parentId": 4, "nextId": None, "node": nested}]) == 0
    assert (below(mirror, 20), below(mirror, 4), mirror.get(22)) == ([], [10, 20], None)


def test_a_known_node_added_again_unchanged_moves_with_all_below_it() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p", text(12, "hi"))), element(13, "div"))
    mutate(mirror, adds=[{"parentId": 13, "nextId": None, "node": element(11, "p")}])
    assert (below(mirror, 10), below(mirror, 13), below(mirror, 11)) == ([], [11], [12])


def test_a_known_node_added_again_otherwise_takes_the_place_of_the_old_one() -> None:
    mirror = mirror_of(element(10, "div", element(11, "p", text(12, "hi"))), element(13, "div"))
    mutate(mirror, adds=[{"parentId": 13, "nextId": None, "node": element(11, "p", id="new")}])
    assert (below(mirror, 10), below(mirror, 13), below(mirror, 11)) == ([], [11], [])


def test_it_is_the_recorded_attributes_that_tell_whether_an_added_node_is_the_same() -> None:
    mirror = mirror_of(element(10, "div", text(11, "hi"), title="a"), element(12, "div"))
    mutate(mirror, attributes=[{"id": 10, "attributes": {"title": "b"}}])
    mutate(mirror, adds=[{"parentId": 12, "nextId": None, "node": element(10, "div", title="a")}])
    assert (below(mirror, 12), below(mirror, 10)) == ([10], [11])
    assert mirror.get(10).attributes == {"title": "b"}


def test_a_frames_document_may_come_before_the_frame() -> None:
    mirror = mirror_of()
    document = {"type": 0, "id": 50, "childNodes": [element(51, "html")]}
    assert mutate(mirror, adds=[{"parentId": 10, "nextId": None, "node": document}]) == 0
    assert mirror.get(51) is None
    mutate(mirror, adds=[{"parentId": 4, "nextId": None, "node": element(10, "iframe")}])
    assert (below(mirror, 10), mirror.depth(51)) == ([50], 5)


def test_a_frames_document_that_came_early_waits_for_a_snapshot_too() -> None:
    mirror = mirror_of()
    document = {"type": 0, "id": 50, "childNodes": []}
    mutate(mirror, adds=[{"parentId": 10, "nextId": None, "node": document}])
    mirror.reset(node(page(element(10, "iframe"))))
    assert below(mirror, 10) == [50]


def test_a_document_has_one_root() -> None:
    mirror = mirror_of(element(10, "div"))
    mutate(mirror, adds=[{"parentId": 1, "nextId": None, "node": element(20, "html")}])
    assert below(mirror, 1) == [20]
    assert mirror.has_gone(10)


def test_the_text_of_a_style_sheet_is_parted_among_its_text_nodes() -> None:
    css = "p { top: 0 }/* rr_split */b { top: 1 }/* rr_split */i { top: 2 }"
    style = element(10, "style", text(11, ""), text(12, ""))
    style["attributes"]["_cssText"] = css
    mirror = mirror_of(style)
    assert mirror.get(10).attributes == {}
    texts = [mirror.get(node_id).text_content for node_id in (11, 12)]
    assert texts == ["p { top: 0 }", "b { top: 1 }i { top: 2 }"]


def test_the_first_text_added_to_a_style_sheet_takes_its_recorded_text() -> None:
    style = element(10, "style")
    style["attributes"]["_cssText"] = "p { top: 0 }"
    mirror = mirror_of(style)
    mutate(mirror, adds=[{"parentId": 10, "nextId": None, "node": text(11, "")}])
    assert mirror.get(11).text_content == "p { top: 0 }"


def test_a_text_area_has_its_value_in_place_of_texts() -> None:
    mirror = mirror_of(element(10, "textarea", text(11, "old"), value="old"))
    assert (below(mirror, 10), mirror.get(11)) == ([], None)
    mutate(mirror, adds=[{"parentId": 10, "nextId": None, "node": text(12, "new")}])
    assert (below(mirror, 10), mirror.get(10).attributes) == ([12], {})


def test_attribute_values_that_no_document_can_hold_change_nothing() -> None:
    mirror = mirror_of(element(10, "p", title="t"))
    mutate(mirror, attributes=[{"id": 10, "attributes": {"title": 5, "class": True}}])
    assert mirror.get(10).attributes == {"title": "t"}


def test_neighbours_of_old_recordings_that_were_not_known_yet_find_their_place() -> None:
    mirror = mirror_of(element(10, "p"))
    mutate(mirror, adds=[{"parentId": 4, "nextId": -1, "previousId": 10, "node": element(20, "a")}])
    assert below(mirror, 4) == [10]
    mutate(
        mirror,
        adds=[{"parentId": 4, "nextId": None, "previousId": 20, "node": element(21, "b")}],
    )
    assert below(mirror, 4) == [10, 20, 21]


def test_a_node_can_be_placed_after_the_previous_one() -> None:
    mirror = mirror_of(element(10, "p"), element(11, "p"))
    mutate(mirror, adds=[{"parentId": 4, "previousId": 10, "node": element(20, "a")}])
    assert below(mirror, 4) == [10, 20, 11]


def test_ten_thousand_frames_that_wait_within_one_another_need_no_recursion() -> None:
    mirror = mirror_of()
    for frame_id in range(12_000, 2_000, -2):
        inner = {"type": 0, "id": frame_id + 1, "childNodes": [element(frame_id + 2, "iframe")]}
        assert mutate(mirror, adds=[{"parentId": frame_id, "nextId": None, "node": inner}]) == 0
    mutate(mirror, adds=[{"parentId": 4, "nextId": None, "node": element(2_002, "iframe")}])
    assert mirror.depth(12_002) == 3 + 2 * 5_000


changes = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 12), st.integers(5, 12)),
        st.tuples(st.just("remove"), st.integers(2, 12), st.just(0)),
    ),
    max_size=30,
)


@given(changes)
def test_after_any_changes_the_index_is_the_tree(steps) -> None:
    mirror = mirror_of(element(5, "div"))
    for kind, first, second in steps:
        if kind == "add" and first != second:
            mutate(mirror, adds=[{"parentId": first, "nextId": None, "node": element(second, "p")}])
        elif kind == "remove":
            mutate(mirror, removes=[{"parentId": 1, "id": first}])
    in_tree = {inner.id: inner for inner, _ in walk(mirror.document)}
    assert len(in_tree) == len(mirror)
    assert all(mirror.get(node_id) is inner for node_id, inner in in_tree.items())
    for inner in in_tree.values():
        assert all(mirror.parent(child.id) is inner for child in inner.child_nodes)


def test_a_node_without_a_place_cannot_be_put_below_itself() -> None:
    mirror = mirror_of(element(10, "p"))
    placeless = element(20, "div", element(21, "div"))
    mutate(mirror, adds=[{"parentId": 4, "nextId": -1, "node": placeless}])
    mutate(mirror, adds=[{"parentId": 21, "previousId": 20, "node": element(22, "b")}])
    assert mirror.parent(20) is None
    assert mirror.depth(22) == 2


@pytest.mark.parametrize("taken_id", [1, 4, 50])
def test_an_id_of_what_a_document_stands_in_is_left_out_of_it(taken_id) -> None:
    mirror = mirror_of(element(10, "iframe"))
    body = element(51, "html", element(taken_id, "p", element(52, "b")), element(53, "i"))
    frame = {"type": 0, "id": 50, "childNodes": [body]}
    mutate(mirror, adds=[{"parentId": 10, "nextId": None, "node": frame}])
    assert below(mirror, 51) == [53]
    assert mirror.parent(53) is mirror.get(51)
    assert mirror.get(4).tag_name == "body"


node_ids = st.integers(-1, 12)
trees = st.recursive(
    st.builds(
        Node,
        type=st.sampled_from((0, 2, 2, 2, 3, 5)),
        id=node_ids,
        tag_name=st.sampled_from(("div", "iframe", "style", "textarea", "html")),
    ),
    lambda inner: st.builds(
        Node,
        type=st.sampled_from((0, 2, 2)),
        id=node_ids,
        tag_name=st.sampled_from(("div", "iframe", "style", "textarea", "html")),
        child_nodes=st.lists(inner, max_size=3),
    ),
    max_leaves=5,
)
hostile_mutations = st.builds(
    MutationData,
    adds=st.lists(
        st.builds(
            AddedNode,
            parent_id=node_ids,
            node=trees,
            next_id=st.none() | node_ids,
            previous_id=st.none() | node_ids,
        ),
        max_size=4,
    ),
    removes=st.lists(
        st.builds(RemovedNode, id=st.integers(2, 12), parent_id=st.none() | node_ids), max_size=2
    ),
)


@given(st.lists(trees, max_size=3), st.lists(hostile_mutations, max_size=5))
def test_whatever_ids_say_the_document_stays_a_tree_that_is_known(children, mutations) -> None:
    mirror = Mirror()
    mirror.reset(Node(type=0, id=1, child_nodes=[copy_tree(child) for child in children]))
    for mutation in mutations:
        adds = [replace(added, node=copy_tree(added.node)) for added in mutation.adds]
        mirror.apply(replace(mutation, adds=adds))
        if mirror.get(1) is not mirror.document:
            return  # an id of the document's own stood for another node, which took its place
        in_tree = [inner for inner, _ in islice(walk(mirror.document), 1_000)]
        assert len({id(inner) for inner in in_tree}) == len(in_tree)
        assert all(mirror.get(inner.id) is inner for inner in in_tree)
        for inner in in_tree:
            assert all(mirror.parent(child.id) is inner for child in inner.child_nodes)
            assert mirror.depth(inner.id) < 1_000
