"""Elements -> ids: what is written of one on a page, and what identifies a target.

A tag opens an element, `[UP_k]` closes k levels before the next one. Chains of bare div/span with
one child collapse to `[WRAPPED]`, an svg subtree to `[TAG_svg]` and its label; script, style, link
and meta keep the tag alone; white space is dropped. Which nodes of a page are written is decided in
`outline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rrweb_tokenizer.attributes import AttributeWriter, value_ids
from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.memo import IdsMemo
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.outline import Subtree, fit, outline
from rrweb_tokenizer.quantize import depth_to_bin, sibling_to_bin
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.tags import TAG_OF
from rrweb_tokenizer.text_encoder import TextEncoder
from rrweb_tokenizer.typed_text import is_typed_into, is_within_typed_text, text_below

__all__ = ["MAX_TEXT_PIECES", "NODE_MEMO_BYTES", "ElementWriter"]

MAX_TEXT_PIECES: Final = 24
NODE_MEMO_BYTES: Final = 16 << 20
"""About how much memory a memo of texts and attributes may take."""

_MAX_LABEL_PIECES: Final = 8
_MAX_SHORT_PIECES: Final = 4
_MAX_LABEL_CHARS: Final = 80
# A label is redacted after it is cut, so the cut lies far behind what 8 pieces can reach: half a
# number would not be recognised.
_MAX_LABEL_WORDS: Final = 40
_MAX_LABEL_TEXT_CHARS: Final = 600
_MAX_LABEL_NODES: Final = 2_000
_MAX_TYPED_CHARS: Final = 4_096
_MAX_TELLING: Final = 4

_TEXT: Final = int(NodeType.Text)
_ELEMENT: Final = int(NodeType.Element)
_AT_VALUE: Final = STRUCTURAL_IDS["[AT_value]"]
_TXT: Final = STRUCTURAL_IDS["[TXT]"]
_TRUNC: Final = STRUCTURAL_IDS["[TRUNC]"]
_BLOCKED: Final = STRUCTURAL_IDS["[BLOCKED]"]
_NT_DOCUMENT: Final = STRUCTURAL_IDS["[NT_Document]"]
_DEPTH_0: Final = STRUCTURAL_IDS["[DEPTH_0-3]"]
_NTH_0: Final = STRUCTURAL_IDS["[NTH_0]"]

# What is written of an element on a page, and what identifies a target, most telling first.
_PAGE_ATTRIBUTES: Final = (
    "type role id class name href src alt title placeholder value aria-label aria-expanded "
    "aria-selected aria-checked aria-pressed aria-hidden aria-current aria-disabled aria-haspopup "
    "aria-invalid aria-modal disabled required readonly checked selected multiple hidden "
    "contenteditable draggable download autocomplete data-testid data-state open rr_open_mode "
    "rr_mediaState rr_scrollTop".split()
)
_SIZE: Final = ("rr_width", "rr_height")
_TELLING_ATTRIBUTES: Final = "aria-label name placeholder data-testid href id title alt".split()


class ElementWriter:
    """Writes elements, targets and subtrees as ids; knows the page's host for relative links.

    Args:
        text_encoder: turns text into ids.
        attributes: turns single attributes into ids.
        memo: what was written of texts and of elements' attributes, to share between pages; one of
            its own where not given.
    """

    def __init__(
        self,
        text_encoder: TextEncoder,
        attributes: AttributeWriter,
        memo: IdsMemo | None = None,
    ) -> None:
        self._text_encoder = text_encoder
        self._attributes = attributes
        self._memo = IdsMemo(NODE_MEMO_BYTES) if memo is None else memo
        self.page_host = ""

    def tag_id(self, node: Node) -> int:
        """The `[TAG_*]` id of an element, or the `[NT_*]` id of another node."""
        if node.type != _ELEMENT:
            kind = node.type if 0 <= node.type <= NodeType.Comment else NodeType.Comment
            return _NT_DOCUMENT + kind
        tag = TAG_OF[node.tag_name]
        return tag.svg_id if node.is_svg else tag.html_id

    def text(self, text: str, max_pieces: int = MAX_TEXT_PIECES) -> list[int]:
        """A text's ids, ending in `[TRUNC]` when it was cut."""
        ids, is_cut = self._text_encoder.encode(text, max_pieces)
        return [*ids, _TRUNC] if is_cut else ids

    def describe(self, node: Node, mirror: Mirror) -> list[int]:
        """What identifies a target: tag, role or type, telling attributes, label, depth, place."""
        ids = [self.tag_id(node)]
        is_visitors = is_within_typed_text(node, mirror)
        if node.type == NodeType.Element:
            ids += self._attribute_ids(node, ("type", "role"))
        if is_visitors:
            label = ""
        elif node.type == NodeType.Element:
            telling = 0
            for name in _TELLING_ATTRIBUTES:
                if name in node.attributes and telling < _MAX_TELLING:
                    written = self._attribute_ids(node, (name,))
                    telling += bool(written)
                    ids += written
            label = _label(node)
        else:
            label = (node.text_content or "") if _is_shown_text(node, mirror) else ""
        if label:
            pieces = self._text_encoder.encode(label, _MAX_LABEL_PIECES)[0]
            ids += [_TXT, *pieces] if pieces else []
        ids.append(_DEPTH_0 + depth_to_bin(mirror.depth(node.id)))
        ids.append(_NTH_0 + sibling_to_bin(mirror.sibling_index(node)))
        return ids

    def typed(self, node: Node) -> list[int]:
        """An element that holds what a visitor typed: tag, class and length, never its text."""
        return [self.tag_id(node), *value_ids(text_below(node, _MAX_TYPED_CHARS))]

    def attribute(self, node: Node, name: str, value: object) -> list[int]:
        """The ids of one attribute of a node; see `AttributeWriter.write`."""
        return self._attributes.write(node.tag_name.lower(), name, value, self.page_host)

    def subtree(self, root: Node, max_ids: int, *, is_page: bool = False) -> Subtree:
        """A node and all below it in document order, at most about `max_ids` ids.

        With `is_page` the node is the page's own document, not that of a frame.

        What goes first is containers, then text, then headings, each from the end of the page;
        what can be clicked or filled stays, unless it alone is over the cap.
        """
        found = outline(root, self._is_bare, is_page=is_page)
        return fit(found, max_ids, write=self._node_ids, write_short=self._short_ids)

    def _is_bare(self, node: Node) -> bool:
        return not self._page_attribute_ids(node)

    def _node_ids(self, subject: Node | str) -> list[int]:
        if not isinstance(subject, str):
            return self._element_ids(subject)
        ids = self._memo.get(subject)
        if ids is None:
            ids = [_TXT, *self.text(subject)]
            self._memo.put_ids(subject, ids, len(subject))
        return ids

    def _short_ids(self, subject: Node | str) -> list[int]:
        if isinstance(subject, str):
            return [_TXT, *self.text(subject, _MAX_SHORT_PIECES)]
        return [self.tag_id(subject)]

    def _element_ids(self, node: Node) -> list[int]:
        ids = [self.tag_id(node)]
        tag = TAG_OF[node.tag_name]
        if node.need_block:
            ids += [_BLOCKED, *self._attribute_ids(node, _SIZE)]
        elif tag.name == "svg":
            label = _label(node) or str(node.attributes.get("aria-label") or "")
            ids += self._text_encoder.encode(label, _MAX_LABEL_PIECES)[0] if label else []
        elif not tag.is_tag_only:
            ids += self._page_attribute_ids(node)
            if tag.name == "textarea" and "value" not in node.attributes:
                ids += value_ids("".join(child.text_content or "" for child in node.child_nodes))
            elif is_typed_into(node):
                ids += value_ids(text_below(node, _MAX_TYPED_CHARS))
        return ids

    def _page_attribute_ids(self, node: Node) -> list[int]:
        """What is written of an element's attributes on a page; not to be changed."""
        attributes = node.attributes
        if not attributes:
            return []
        try:
            num_chars = len("".join(attributes.values()))
        except TypeError:  # not all are text; True and 1 would be one key, but are written apart
            return self._attribute_ids(node, _PAGE_ATTRIBUTES)
        key = (node.tag_name, self.page_host, *attributes, *attributes.values())
        ids = self._memo.get(key)
        if ids is None:
            ids = self._attribute_ids(node, _PAGE_ATTRIBUTES)
            # 20 characters for what a string takes beside its characters, of name and of value.
            num_chars += sum(len(name) + 40 for name in attributes)
            self._memo.put_ids(key, ids, num_chars)
        return ids

    def _attribute_ids(self, node: Node, names: Sequence[str]) -> list[int]:
        attributes = node.attributes
        if not attributes:
            return []
        tag = node.tag_name.lower()
        ids: list[int] = []
        for name in names:
            if name in attributes:
                if name == "value" and tag == "input" and _is_labelled_by_value(attributes):
                    label = str(attributes[name])
                    ids += [_AT_VALUE, *self._text_encoder.encode(label, _MAX_LABEL_PIECES)[0]]
                else:
                    ids += self.attribute(node, name, attributes[name])
        return ids


def _is_labelled_by_value(attributes: dict[str, object]) -> bool:
    return attributes.get("type") in ("submit", "button", "reset")


def _hides_text(node: Node) -> bool:
    return node.need_block or TAG_OF[node.tag_name].is_unread or is_typed_into(node)


def _is_shown_text(node: Node, mirror: Mirror) -> bool:
    parent = mirror.parent(node.id)
    return node.type == _TEXT and (parent is None or not _hides_text(parent))


def _label(node: Node) -> str:
    """The first text below a node, about 80 characters, joined from its text nodes.

    It is looked for in the first 2,000 nodes, so that a mention costs the same on every page.
    """
    found: list[str] = []
    length = num_nodes = 0
    stack = [node]
    while stack and length < _MAX_LABEL_CHARS and num_nodes < _MAX_LABEL_NODES:
        inner = stack.pop()
        num_nodes += 1
        if inner.type == _TEXT and inner.text_content:
            words = inner.text_content.split(None, _MAX_LABEL_WORDS)[:_MAX_LABEL_WORDS]
            text = " ".join(words)[:_MAX_LABEL_TEXT_CHARS]
            if text:
                found.append(text)
                length += len(text)
        elif inner.child_nodes and not _hides_text(inner):
            stack += inner.child_nodes[::-1]
    return " ".join(found)
