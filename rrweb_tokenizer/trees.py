"""A node and all below it: gone through, and copied. Trees of any depth, so nothing recurs."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from rrweb_tokenizer.incremental import Node

__all__ = ["copy_tree", "walk"]


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
