"""What rrweb's replayer makes of recorded nodes when it builds them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Final

from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.trees import walk

__all__ = [
    "WITH_TEXT_ATTRIBUTE",
    "Recorded",
    "index_of",
    "is_same",
    "keep_last_of_each_id",
    "settle_text",
]

Recorded = tuple[dict[str, Any], str | None]
"""Attributes and text of a node as recorded, before any change."""

WITH_TEXT_ATTRIBUTE: Final = frozenset(("style", "textarea"))
"""Elements whose text may be recorded as an attribute, `_cssText` or `value`."""

_CSS_SPLIT: Final = "/* rr_split */"  # what rrweb writes between the texts of several text nodes


def index_of(siblings: list[Node], node: Node) -> int:
    """The place of this very node; -1 when it is not there."""
    for place, child in enumerate(siblings):
        if child is node:
            return place
    return -1


def is_same(known: Node, recorded: Recorded, node: Node) -> bool:
    """Whether an added node is the known one of its id, by all but its children.

    Args:
        known: the node as it is.
        recorded: its attributes and text as they were when it was added.
        node: the node that is added.
    """
    attributes, text = recorded
    added = node.attributes
    if "_cssText" in added and "_cssText" not in attributes:  # it was moved below, to the texts
        added = {name: value for name, value in added.items() if name != "_cssText"}
    return (
        known.type == node.type
        and known.tag_name == node.tag_name
        and attributes == added
        and text == node.text_content
        and known.is_svg == node.is_svg
        and known.need_block == node.need_block
    )


def keep_last_of_each_id(root: Node, ids_above: Set[int]) -> None:
    """Takes out each node whose id stands again later in the document, with all below it.

    Args:
        root: the topmost node, which stays.
        ids_above: the ids of the nodes that it stands in; they stay, too.
    """
    last = {node.id: node for node, _ in walk(root) if node.id not in ids_above}
    last[root.id] = root
    stack = [root]
    while stack:
        node = stack.pop()
        node.child_nodes = [child for child in node.child_nodes if last.get(child.id) is child]
        stack.extend(node.child_nodes)


def settle_text(node: Node) -> None:
    """Moves a text that was recorded as an attribute to where the replayer shows it.

    A style sheet's text goes to the text nodes below it, a text area's stands in place of them.
    """
    if node.tag_name == "textarea":
        if isinstance(node.attributes.get("value"), str):
            node.child_nodes = []
        return
    css = node.attributes.get("_cssText")
    if not isinstance(css, str) or not node.child_nodes:
        return
    del node.attributes["_cssText"]
    texts = [child for child in node.child_nodes if child.type == NodeType.Text]
    parts = css.split(_CSS_SPLIT)
    if len(parts) > len(texts):
        last = max(0, len(texts) - 1)
        parts[last:] = ["".join(parts[last:])]
    for text, part in zip(texts, parts, strict=False):
        text.text_content = part
