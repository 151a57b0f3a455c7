"""Which elements hold text that a visitor typed; it is written as a class and a length only.

Form fields are told by their tag. What is typed elsewhere reaches a recording as ordinary mutations
of the page: below `contenteditable`, below the roles of text fields, and in editors which draw
their lines themselves. An editor switched on by `document.designMode` leaves no trace in a
recording and is not recognised.
"""

from __future__ import annotations

from typing import Final

from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.mirror import Mirror

__all__ = ["is_typed_into", "is_within_typed_text", "text_below"]

# What is typed there comes as an attribute, an event, or (textarea) as text that is never read.
_FIELD_TAGS: Final = frozenset(("input", "textarea", "select"))
_FIELD_ROLES: Final = frozenset(("textbox", "searchbox", "spinbutton"))
# Monaco, CodeMirror 5 and Ace take keys in a hidden field and draw what was typed beside it.
_EDITOR_CLASSES: Final = frozenset(("monaco-editor", "CodeMirror", "ace_editor"))
_MAX_LEVELS: Final = 512
_NOT_EDITABLE: Final = frozenset(("false", "inherit", "none"))


def is_typed_into(node: Node) -> bool:
    """Whether the text below an element is, or may be, a visitor's own.

    So it is for `<div contenteditable>`, `<body contenteditable="true">` of a frame,
    `<div role="textbox">`; not for `<div contenteditable="false">` by itself.
    """
    attributes = node.attributes
    if not attributes:
        return False
    if "contenteditable" in attributes:
        value = str(attributes["contenteditable"])
        if value.strip().lower() not in _NOT_EDITABLE:
            return node.tag_name.lower() not in _FIELD_TAGS
    if "role" in attributes:  # a list: browsers take the first role that they know
        roles = str(attributes["role"]).lower().split()
        if not _FIELD_ROLES.isdisjoint(roles):
            return node.tag_name.lower() not in _FIELD_TAGS
    names = attributes.get("class")
    # Most class attributes hold neither word: two searches spare them the split.
    return (
        type(names) is str
        and ("editor" in names or "CodeMirror" in names)
        and not _EDITOR_CLASSES.isdisjoint(names.split())
    )


def is_within_typed_text(node: Node, mirror: Mirror) -> bool:
    """Whether a node stands below an element that is typed into, a textarea or a blocked one.

    All of it is the visitor's then, also a part that cannot be edited, such as the name of a person
    who is mentioned. So is what stands more than 512 levels deep, where browsers end a document:
    looking further up would let a hostile recording take forever.
    """
    parent = mirror.parent(node.id)
    for _ in range(_MAX_LEVELS):
        if parent is None:
            return False
        if parent.need_block or is_typed_into(parent) or parent.tag_name.lower() == "textarea":
            return True
        parent = mirror.parent(parent.id)
    return True


def text_below(node: Node, max_chars: int) -> str:
    """The first `max_chars` characters below a node, its text nodes joined in order."""
    found: list[str] = []
    length = 0
    stack = [node]
    while stack and length < max_chars:
        inner = stack.pop()
        if inner.type in (NodeType.Text, NodeType.CDATA) and inner.text_content:
            found.append(inner.text_content)
            length += len(inner.text_content)
        stack.extend(reversed(inner.child_nodes))
    return "".join(found)[:max_chars]
