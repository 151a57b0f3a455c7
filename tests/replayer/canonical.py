"""The state of a mirror in the form in which page.js tells the state of rrweb's replayer.

Everything that the replayer deliberately shows otherwise than it was recorded stands here, in
`shown_attributes` and `_shown_tag`, each with its reason; all else is compared as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import MutationData, Node
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.schema import FullSnapshotEvent, IncrementalEvent, decode_events

__all__ = ["State", "digest", "mirror_digests", "mirror_states", "shown_attributes"]

State = list[Any]
"""[parent id, in a shadow root, DOM node type, tag, attributes, text, child ids, shadow ids]"""

_DOM_TYPES: Final = {
    NodeType.Document: 9,
    NodeType.DocumentType: 10,
    NodeType.Element: 1,
    NodeType.Text: 3,
    NodeType.CDATA: 4,
    NodeType.Comment: 8,
}
_ATTRIBUTE_NAME: Final = re.compile(r"[^\s\0\"'>/=<]+")


def digest(states: dict[int, State]) -> str:
    """Sixteen hexadecimal digits that tell a document from every other."""
    text = json.dumps(sorted(states.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def mirror_digests(events: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """Index and digest after each event that may change the document, in the order of time."""
    mirror = Mirror()
    for index in sorted(range(len(events)), key=lambda place: events[place]["timestamp"]):
        (event,) = decode_events([msgspec.json.encode(events[index])]).events
        if isinstance(event, FullSnapshotEvent):
            mirror.reset(event.data.node)
        elif isinstance(event, IncrementalEvent) and isinstance(event.data, MutationData):
            mirror.apply(event.data)
        else:
            continue
        yield index, digest(mirror_states(mirror))


def mirror_states(mirror: Mirror) -> dict[int, State]:
    """The state of each node of the document, by id."""
    states: dict[int, State] = {}
    if mirror.document is None:
        return states
    stack: list[tuple[Node, int | None]] = [(mirror.document, None)]
    while stack:
        node, parent_id = stack.pop()
        light = [child for child in node.child_nodes if not child.is_shadow]
        shadow = [child for child in node.child_nodes if child.is_shadow]
        states[node.id] = [
            parent_id,
            node.is_shadow,
            _DOM_TYPES[NodeType(node.type)],
            _shown_tag(node),
            shown_attributes(node),
            _shown_text(node),
            [child.id for child in _body_last(node, light)],
            [child.id for child in shadow],
        ]
        stack.extend((child, node.id) for child in node.child_nodes)
    return states


def _body_last(node: Node, children: list[Node]) -> list[Node]:
    """The replayer builds the body after all else in a page, against flickering."""
    if node.tag_name != "html":
        return children
    return sorted(children, key=lambda child: child.tag_name == "body")


def _shown_tag(node: Node) -> str:
    tag = node.tag_name.lower()
    if tag == "script":  # so that nothing runs
        return "noscript"
    if tag == "link" and node.attributes.get("_cssText"):  # its rules are in the recording
        return "style"
    return tag


def _shown_text(node: Node) -> str | None:
    if node.type == NodeType.Element:
        text = _text_from_attribute(node)
        return text or None
    if node.type in (NodeType.Text, NodeType.CDATA, NodeType.Comment):
        return node.text_content or ""
    return None


def _text_from_attribute(node: Node) -> object:
    """The text of a style sheet or text area that was recorded as an attribute."""
    tag = _shown_tag(node)
    if tag == "style":
        return node.attributes.get("_cssText")
    return node.attributes.get("value") if tag == "textarea" else None


def shown_attributes(node: Node) -> list[list[str]]:
    """The attributes that the replayer gives an element, sorted by name."""
    tag, attributes = _shown_tag(node), node.attributes
    if _loads_script(tag, attributes):  # a link to a script is not followed
        return []
    shown: dict[str, str] = {}
    for name, value in attributes.items():
        if value is None or (tag == "option" and name == "selected" and value is False):
            continue
        if name.startswith("rr_"):  # instructions to the replayer
            continue
        if tag == "style" and name == "_cssText":  # becomes text
            continue
        if tag == "textarea" and name == "value":  # becomes text
            continue
        shown_name = name if node.is_svg else name.lower()
        if name == "content" and attributes.get("http-equiv") == "Content-Security-Policy":
            shown_name = "csp-content" if tag == "meta" else name  # holds for no replayer
        if _ATTRIBUTE_NAME.fullmatch(shown_name):  # no DOM has an attribute of another name
            shown[shown_name] = _text_of(value)
    if tag == "html" and "class" in shown:  # rewritten when the replayer marks a paused page
        shown["class"] = " ".join(shown["class"].split())
        if not shown["class"]:
            del shown["class"]
    if tag in ("input", "textarea"):  # so that the browser fills nothing in
        shown["autocomplete"] = "off"
    sizes = [(side, attributes.get(f"rr_{side}")) for side in ("width", "height")]
    for side, size in sizes:  # of a blocked element
        if size is not None:
            shown["style"] = f"{shown.get('style', '')}; {side}: {size}".lstrip("; ")
    return [[name, shown[name]] for name in sorted(shown)]


def _loads_script(tag: str, attributes: dict[str, Any]) -> bool:
    if tag != "link":
        return False
    rel, href = attributes.get("rel"), attributes.get("href")
    if rel == "modulepreload" or (rel == "preload" and attributes.get("as") == "script"):
        return True
    path = str(href).split("#")[0].split("?")[0]
    return rel == "prefetch" and isinstance(href, str) and path.lower().endswith(".js")


def _text_of(value: object) -> str:
    """A recorded value as JavaScript writes it."""
    if isinstance(value, bool):
        return "" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
