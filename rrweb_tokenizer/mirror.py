"""The DOM mirror: node id -> node, kept true by every snapshot and mutation.

rrweb re-uses ids after a full snapshot, so ids mean something only together with the mirror of that
moment. Nodes are the `incremental.Node` objects of the recording itself, children included; the
mirror adds what rrweb leaves out: who is whose parent, and which ids have gone.

What a mutation means is what rrweb's own replayer makes of it, `docs/mirror.md` tells how that is
checked; the children of a shadow root and of a frame's document stand below their host here.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import AddedNode, MutationData, Node, RemovedNode
from rrweb_tokenizer.inline_style import InlineStyles
from rrweb_tokenizer.rebuilding import (
    WITH_TEXT_ATTRIBUTE,
    Recorded,
    index_of,
    is_same,
    keep_last_of_each_id,
    settle_text,
)
from rrweb_tokenizer.resolve_trees import resolve_trees
from rrweb_tokenizer.trees import walk

__all__ = ["Mirror"]

_TEXTS: Final = frozenset(("value", "_cssText"))  # attributes that hold the text of an element
_NOWHERE: Final = -1  # how rrweb before 0.7 wrote a neighbour that it did not know yet


class Mirror:
    """The document as it stands after the events seen so far."""

    def __init__(self) -> None:
        self.document: Node | None = None
        self._nodes: dict[int, Node] = {}
        self._parents: dict[int, Node] = {}
        self._gone: set[int] = set()
        # Documents that came before their frames, by the frame's id; the replayer keeps them, too.
        self._waiting_documents: dict[int, list[AddedNode]] = {}
        self._placeless: dict[int, AddedNode] = {}
        # Changed nodes as they were recorded; the node itself tells a later one of the same id.
        self._recorded: dict[int, tuple[Node, Recorded]] = {}
        self._styles = InlineStyles()

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
        return len(self._ids_above(node_id))

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
        self._placeless = {}
        self._recorded = {}
        self._styles = InlineStyles()
        self._register(document)
        self._attach_waiting(document)

    def apply(self, mutation: MutationData) -> int:
        """Applies a mutation in the replayer's order: removes, adds, texts, attributes.

        Returns:
            How many of its changes name a node that the document does not have, or, for an added
            node, a parent or next sibling.
        """
        nodes = self._nodes
        removes = [removed for removed in mutation.removes if removed.id in nodes]
        num_unknown = len(mutation.removes) - len(removes)
        # What goes together with an ancestor is no longer there for its own removal.
        num_unknown += sum(not self._remove_from(removed) for removed in removes)
        removed_ids = {removed.id for removed in removes}
        if mutation.adds:
            num_unknown += self._add_all(mutation.adds)
        for text in mutation.texts:
            node = nodes.get(text.id)
            if node is None:
                num_unknown += text.id not in removed_ids
            else:
                self._keep_recorded(node)
                node.text_content = text.value
        for changed in mutation.attributes:
            node = nodes.get(changed.id)
            if node is None:
                num_unknown += changed.id not in removed_ids
            else:
                self._set_attributes(node, changed.attributes)
        return num_unknown

    def _register(self, root: Node) -> None:
        """Makes a subtree known; where an id stands twice, the replayer knows the later node."""
        if self._register_new(root):
            return
        for inner, _ in walk(root):
            if self._nodes.get(inner.id) is inner:
                del self._nodes[inner.id]
                if inner is not root:
                    self._parents.pop(inner.id, None)
        keep_last_of_each_id(root, self._ids_above(root.id))
        for inner, _ in walk(root):
            if inner.id in self._nodes:
                self._remove(inner.id)
        self._register_new(root)

    def _register_new(self, root: Node) -> bool:
        """Makes a subtree known, and True; False, half done, when an id of it is known already."""
        nodes, parents, gone = self._nodes, self._parents, self._gone
        nodes[root.id] = root
        gone.discard(root.id)
        with_children = [root]
        for node in with_children:  # grows while it is gone through
            if node.tag_name in WITH_TEXT_ATTRIBUTE:
                settle_text(node)
            for child in node.child_nodes:
                child_id = child.id
                if child_id in nodes:
                    return False
                nodes[child_id] = child
                parents[child_id] = node
                if gone:
                    gone.discard(child_id)
                if child.child_nodes:
                    with_children.append(child)
        return True

    def _remove_from(self, removed: RemovedNode) -> bool:
        """Removes a node unless the parent that is named is unknown, as the replayer does."""
        if removed.id not in self._nodes:
            return True
        if removed.parent_id is not None and removed.parent_id not in self._nodes:
            return False
        self._remove(removed.id)
        return True

    def _remove(self, node_id: int) -> None:
        nodes, parents = self._nodes, self._parents
        node = nodes[node_id]
        self._take_out(node)
        stack = [node]
        while stack:
            inner = stack.pop()
            if nodes.get(inner.id) is inner:
                del nodes[inner.id]
                parents.pop(inner.id, None)
                self._gone.add(inner.id)
            stack.extend(inner.child_nodes)

    def _add_all(self, adds: list[AddedNode]) -> int:
        """Adds nodes whose parent and next sibling may come later in the same list.

        Returns:
            How many could not be added: the replayer leaves out nodes whose parent or next sibling
            never comes.
        """
        num_lost = 0
        queue: list[AddedNode] = []
        for added in adds:
            if self._awaited_id(added) is None:
                num_lost += not self._add(added)
            elif added.node.type == NodeType.Document and added.parent_id not in self._nodes:
                self._waiting_documents.setdefault(added.parent_id, []).append(added)
            else:
                queue.append(added)
        return num_lost + self._add_queued(queue) if queue else num_lost

    def _awaited_id(self, added: AddedNode) -> int | None:
        """The id that must be known before a node can be added; None when it can be."""
        if added.parent_id not in self._nodes:
            return added.parent_id
        next_id = added.next_id
        if next_id is not None and next_id not in self._nodes and next_id != _NOWHERE:
            return next_id
        return None

    def _add_queued(self, queue: list[AddedNode]) -> int:
        """Adds what had to wait; gives how many could not be added.

        One round is the replayer's own: it leaves out a tree of waiting nodes when its turn comes
        and its root has no parent. The rounds after it only add, so here each node is added as
        soon as what it waits for is there.
        """
        num_lost = 0
        waiting: dict[int, list[AddedNode]] = {}
        for tree in resolve_trees(queue):
            if tree[0].parent_id not in self._nodes:
                num_lost += len(tree)
                continue
            for added in tree:
                awaited = self._awaited_id(added)
                if awaited is None:
                    num_lost += not self._add(added)
                else:
                    waiting.setdefault(awaited, []).append(added)
        ready = deque(a for awaited in waiting for a in waiting[awaited] if awaited in self._nodes)
        waiting = {awaited: adds for awaited, adds in waiting.items() if awaited not in self._nodes}
        while ready:
            added = ready.popleft()
            awaited = self._awaited_id(added)
            if awaited is None:
                num_lost += not self._add(added)
                ready.extend(waiting.pop(added.node.id, ()))
            else:
                waiting.setdefault(awaited, []).append(added)
        return num_lost + sum(map(len, waiting.values()))

    def _is_new(self, root: Node) -> bool:
        """Whether all ids of a subtree are distinct and none is known."""
        ids = [node.id for node, _ in walk(root)]
        return len(set(ids)) == len(ids) and self._nodes.keys().isdisjoint(ids)

    def _ids_above(self, node_id: int) -> set[int]:
        """The ids of the nodes that a node stands in."""
        ids: set[int] = set()
        parent = self._parents.get(node_id)
        while parent is not None:
            ids.add(parent.id)
            parent = self._parents.get(parent.id)
        return ids

    def _is_within(self, node: Node, ancestor_id: int) -> bool:
        """Whether a node is the one of an id, or stands below it."""
        inner: Node | None = node
        while inner is not None and inner.id != ancestor_id:
            inner = self._parents.get(inner.id)
        return inner is not None

    def _add(self, added: AddedNode) -> bool:
        """Adds a node whose parent and next sibling are known."""
        parent, node = self._nodes[added.parent_id], added.node
        if parent.tag_name == "iframe":
            is_attached = self._attach_document(parent, node)
            self._attach_waiting(node)
            return is_attached
        known = self._nodes.get(node.id)
        if known is not None:
            if self._is_within(parent, node.id):  # no document has a node below itself
                return False
            recorded_node, recorded = self._recorded.get(node.id, (None, None))
            if recorded is None or recorded_node is not known:
                recorded = (known.attributes, known.text_content)
            if is_same(known, recorded, node):  # the replayer moves it with all below it
                self._take_out(known)
                known.is_shadow = node.is_shadow
                node = known
            else:
                self._remove(node.id)
        if node is not known:
            # rrweb adds children as nodes of their own and its replayer ignores others; whoever
            # writes new ones within an added node means them all the same.
            if node.child_nodes and not self._is_new(node):
                node.child_nodes = []
            if node.child_nodes or node.tag_name in WITH_TEXT_ATTRIBUTE:
                self._register_new(node)
            else:  # nearly all: as above, without the walk
                self._nodes[node.id] = node
                self._gone.discard(node.id)
        if _NOWHERE in (added.next_id, added.previous_id):
            self._placeless[node.id] = added
            return True
        self._make_room(parent, node)
        siblings = parent.child_nodes
        siblings.insert(self._place(siblings, added), node)
        self._parents[node.id] = parent
        self._attach_waiting(node)
        if self._placeless:
            self._place_neighbours(parent, added)
        return True

    def _take_out(self, node: Node) -> None:
        """Takes a node with all below it from its place."""
        parent = self._parents.pop(node.id, None)
        if parent is not None:
            parent.child_nodes = [child for child in parent.child_nodes if child is not node]

    def _place(self, siblings: list[Node], added: AddedNode) -> int:
        """Where among siblings to insert a node: after the previous one, before the next, last."""
        if added.previous_id is not None and added.previous_id in self._nodes:
            previous = self._nodes[added.previous_id]
            place = index_of(siblings, previous) + 1
            if 0 < place < len(siblings):
                return place
        if added.next_id is None or added.next_id not in self._nodes:
            return len(siblings)
        place = index_of(siblings, self._nodes[added.next_id])
        return len(siblings) if place < 0 else place

    def _make_room(self, parent: Node, node: Node) -> None:
        """Takes out what a new node replaces: a document has one root, a text area one text."""
        if parent.type == NodeType.Document:
            for old in parent.child_nodes:
                is_root = node.tag_name == "html" and old.type == NodeType.Element
                if is_root or node.type == old.type == NodeType.DocumentType:
                    self._remove(old.id)
                    return
        elif parent.tag_name in WITH_TEXT_ATTRIBUTE and node.type == NodeType.Text:
            if parent.tag_name == "textarea":
                for old in [child for child in parent.child_nodes if child.type == NodeType.Text]:
                    self._remove(old.id)
                parent.attributes.pop("value", None)
            elif not parent.child_nodes and isinstance(parent.attributes.get("_cssText"), str):
                node.text_content = parent.attributes.pop("_cssText")

    def _place_neighbours(self, parent: Node, added: AddedNode) -> None:
        """Puts placeless nodes beside a node that names them as its neighbours."""
        stack = [added]
        while stack:
            placed = stack.pop()
            for neighbour_id, offset in ((placed.previous_id, 0), (placed.next_id, 1)):
                neighbour = self._placeless.pop(neighbour_id or _NOWHERE, None)
                node = None if neighbour is None else self._nodes.get(neighbour.node.id)
                if neighbour is None or node is None or node.id in self._parents:
                    continue
                if self._is_within(parent, node.id):  # no document has a node below itself
                    continue
                siblings = parent.child_nodes
                place = index_of(siblings, self._nodes[placed.node.id])
                siblings.insert(place + offset, node)
                self._parents[node.id] = parent
                stack.append(neighbour)

    def _attach_document(self, frame: Node, document: Node) -> bool:
        """Makes a document the one of a frame, in place of the one before."""
        if document.type != NodeType.Document:
            return False
        if document.id in self._nodes and self._is_within(frame, document.id):
            return False
        for old in [child for child in frame.child_nodes if child.type == NodeType.Document]:
            self._remove(old.id)
        if document.id in self._nodes:
            self._remove(document.id)
        frame.child_nodes.append(document)
        self._parents[document.id] = frame
        self._register(document)
        return True

    def _attach_waiting(self, root: Node) -> None:
        """Gives frames at or below a new node the documents that came before them."""
        if not self._waiting_documents:
            return
        for frame, _ in walk(root):
            if frame.tag_name == "iframe" and self._nodes.get(frame.id) is frame:
                documents = self._waiting_documents.pop(frame.id, None)
                if documents is not None:
                    self._attach_document(frame, documents.pop(0).node)
                    if documents:
                        self._waiting_documents[frame.id] = documents

    def _set_attributes(self, node: Node, changes: dict[str, Any]) -> None:
        self._keep_recorded(node)
        attributes = node.attributes
        for name, value in changes.items():
            if isinstance(value, str):
                attributes[name] = value
            elif value is None:
                attributes.pop(name, None)
            elif name == "style" and isinstance(value, dict):
                attributes[name] = self._styles.change(node.id, attributes.get(name), value)
        if node.tag_name in WITH_TEXT_ATTRIBUTE and not changes.keys().isdisjoint(_TEXTS):
            for child in [child for child in node.child_nodes if child.type == NodeType.Text]:
                self._remove(child.id)

    def _keep_recorded(self, node: Node) -> None:
        """Remembers a node as it was recorded, before its first change."""
        kept = self._recorded.get(node.id)
        if kept is None or kept[0] is not node:
            self._recorded[node.id] = (node, (dict(node.attributes), node.text_content))
