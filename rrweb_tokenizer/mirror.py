"""The DOM mirror: node id -> node, kept true by every snapshot and mutation.

rrweb re-uses ids after a full snapshot, so ids mean something only together with the mirror of that
moment. Nodes are the `schema.Node` objects of the recording itself, children included; the mirror
adds what rrweb leaves out: who is whose parent, and which ids have gone.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import AddedNode, MutationData, Node

__all__ = ["Mirror", "copy_tree", "walk"]


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """A node and all below it in document order, each with its depth below `root` (0)."""
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in reversed(node.child_nodes))


def copy_tree(root: Node) -> Node:
    """A copy of a node and all below it that shares nothing a mirror changes."""
    copy = replace(root, attributes=dict(root.attributes))
    stack = [copy]
    while stack:
        node = stack.pop()
        node.child_nodes = [
            replace(child, attributes=dict(child.attributes)) for child in node.child_nodes
        ]
        stack.extend(node.child_nodes)
    return copy


class Mirror:
    """The document as it stands after the events seen so far."""

    def __init__(self) -> None:
        self.document: Node | None = None
        self._nodes: dict[int, Node] = {}
        self._parents: dict[int, Node] = {}
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, node_id: int) -> Node | None:
        """The node of an id, or None when the document has none."""
        return self._nodes.get(node_id)

    def has_gone(self, node_id: int) -> bool:
        """Whether the id was removed since the last snapshot and not added again."""
        return node_id in self._gone

    def parent(self, node_id: int) -> Node | None:
        """The parent of a node; None for the document and for unknown ids."""
        return self._parents.get(node_id)

    def depth(self, node_id: int) -> int:
        """How many nodes stand above a node; 0 for the document. Cost: the depth."""
        depth = 0
        parent = self._parents.get(node_id)
        while parent is not None:
            depth += 1
            parent = self._parents.get(parent.id)
        return depth

    def sibling_index(self, node: Node) -> int:
        """The place of a node among its parent's children of the same type, from 0."""
        parent = self._parents.get(node.id)
        if parent is None:
            return 0
        index = 0
        for child in parent.child_nodes:
            if child is node:
                break
            index += child.type == node.type
        return index

    def reset(self, document: Node) -> None:
        """Takes over a full snapshot; everything known before is forgotten."""
        self.document = document
        self._nodes = {}
        self._parents = {}
        self._gone = set()
        self._register(document)

    def apply(self, mutation: MutationData) -> int:
        """Applies a mutation in the replayer's order: removes, adds, texts, attributes.

        Returns:
            How many of its changes name a node that the document does not have.
        """
        num_unknown = sum(not self._remove(removed.id) for removed in mutation.removes)
        num_unknown += self._add_all(mutation.adds)
        for text in mutation.texts:
            node = self._nodes.get(text.id)
            if node is None:
                num_unknown += 1
            else:
                node.text_content = text.value
        for changed in mutation.attributes:
            node = self._nodes.get(changed.id)
            if node is None:
                num_unknown += 1
            else:
                _set_attributes(node, changed.attributes)
        return num_unknown

    def _register(self, root: Node) -> None:
        """Makes a subtree known; a node whose id stands in the document already is left out."""
        nodes, parents, gone = self._nodes, self._parents, self._gone
        nodes[root.id] = root
        gone.discard(root.id)
        stack = [root]
        while stack:
            node = stack.pop()
            kept = []
            for child in node.child_nodes:
                if child.id not in nodes:
                    nodes[child.id] = child
                    parents[child.id] = node
                    gone.discard(child.id)
                    kept.append(child)
            if len(kept) != len(node.child_nodes):
                node.child_nodes = kept
            stack.extend(kept)

    def _remove(self, node_id: int) -> bool:
        node = self._nodes.get(node_id)
        if node is None:
            return False
        parent = self._parents.pop(node_id, None)
        if parent is not None:
            parent.child_nodes = [child for child in parent.child_nodes if child is not node]
        for inner, _ in walk(node):
            if self._nodes.get(inner.id) is inner:
                del self._nodes[inner.id]
                self._parents.pop(inner.id, None)
                self._gone.add(inner.id)
        return True

    def _add_all(self, adds: list[AddedNode]) -> int:
        """Adds nodes whose parent and next sibling may come later in the same list."""
        pending = adds
        while pending:
            waiting = [added for added in pending if not self._add(added, must_fit=True)]
            if len(waiting) == len(pending):
                break
            pending = waiting
        return sum(not self._add(added, must_fit=False) for added in pending)

    def _is_within(self, node: Node, ancestor_id: int) -> bool:
        """Whether a node is the one of an id, or stands below it."""
        inner: Node | None = node
        while inner is not None and inner.id != ancestor_id:
            inner = self._parents.get(inner.id)
        return inner is not None

    def _add(self, added: AddedNode, *, must_fit: bool) -> bool:
        """Adds one node; with `must_fit` only when its next sibling is there already."""
        parent = self._nodes.get(added.parent_id)
        if parent is None:
            return False
        following = None if added.next_id is None else self._nodes.get(added.next_id)
        if added.next_id is not None and following is None and must_fit:
            return False
        node = added.node
        if node.id in self._nodes:
            if self._is_within(parent, node.id):  # no document has a node below itself
                return False
            self._remove(node.id)
        siblings = parent.child_nodes
        if node.type == NodeType.Document:  # a frame's new document replaces the old one
            for old in [child for child in siblings if child.type == NodeType.Document]:
                self._remove(old.id)
            siblings = parent.child_nodes
        place = len(siblings)
        if following is not None:
            place = next((i for i, child in enumerate(siblings) if child is following), place)
        siblings.insert(place, node)
        self._parents[node.id] = parent
        self._register(node)
        return True


def _set_attributes(node: Node, attributes: dict[str, object]) -> None:
    for name, value in attributes.items():
        if value is None:
            node.attributes.pop(name, None)
        elif not (name == "style" and isinstance(value, dict)):
            node.attributes[name] = value
