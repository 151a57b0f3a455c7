from hypothesis import given
from hypothesis import strategies as st
from rrweb_events import change, element, node, page, text, typed

from rrweb_tokenizer.incremental import MutationData
from rrweb_tokenizer.mirror import Mirror, walk


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
