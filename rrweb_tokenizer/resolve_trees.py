"""The order in which rrweb's replayer tries again to add nodes that had to wait."""

from __future__ import annotations

from dataclasses import dataclass

from rrweb_tokenizer.incremental import AddedNode

__all__ = ["resolve_trees"]


@dataclass(slots=True, eq=False)
class _Tree:
    """An added node with what waits for it; children and their neighbours are linked."""

    added: AddedNode | None
    parent: _Tree | None = None
    before: _Tree | None = None
    first: _Tree | None = None
    last: _Tree | None = None
    after: _Tree | None = None

    def append(self, child: _Tree) -> None:
        child.parent, child.before = self, self.last
        if self.last is None:
            self.first = child
        else:
            self.last.after = child
        self.last = child

    def insert(self, child: _Tree, following: _Tree) -> None:
        """Puts a tree before one of the children."""
        child.parent, child.before, child.after = self, following.before, following
        if following.before is None:
            self.first = child
        else:
            following.before.after = child
        following.before = child

    def children(self) -> list[_Tree]:
        found = []
        child = self.first
        while child is not None:
            found.append(child)
            child = child.after
        return found


def resolve_trees(queue: list[AddedNode]) -> list[list[AddedNode]]:
    """The waiting nodes as trees, each in the order in which to add it: next siblings first.

    A node comes before its next sibling where that stands before it in the queue, else below its
    parent where that does, else it is the root of a tree. Linear in the length of the queue.
    """
    top = _Tree(None)
    by_id: dict[int, _Tree] = {}
    for added in queue:
        tree = _Tree(added)
        following = by_id.get(added.next_id) if added.next_id else None
        if following is not None:
            (following.parent or top).insert(tree, following)
        else:
            by_id.get(added.parent_id, top).append(tree)
        by_id[added.node.id] = tree
    return [_in_order(root) for root in top.children()]


def _in_order(root: _Tree) -> list[AddedNode]:
    found: list[AddedNode] = []
    stack = [root]
    while stack:
        tree = stack.pop()
        if tree.added is not None:
            found.append(tree.added)
        stack.extend(tree.children())
    return found
