"""Elements -> ids, and the walk that writes a page or an added subtree in document order.

A tag opens an element, `[UP_k]` closes k levels before the next one. Chains of bare div/span with
one child collapse to `[WRAPPED]`, an svg subtree to `[TAG_svg]` and its label; script, style, link
and meta keep the tag alone; white space is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from rrweb_tokenizer.attributes import AttributeWriter, value_ids
from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.quantize import count_to_bin, depth_to_bin, sibling_to_bin
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder
from rrweb_tokenizer.typed_text import is_typed_into, is_within_typed_text, text_below

__all__ = ["MAX_TEXT_PIECES", "UNREAD_TEXT", "ElementWriter", "Subtree"]

MAX_TEXT_PIECES: Final = 24
_MAX_LABEL_PIECES: Final = 8
_MAX_LABEL_CHARS: Final = 80
# A label is redacted after it is cut, so the cut lies far behind what 8 pieces can reach: half a
# number would not be recognised.
_MAX_LABEL_WORDS: Final = 40
_MAX_LABEL_TEXT_CHARS: Final = 600
_MAX_TYPED_CHARS: Final = 4_096
_MAX_TELLING: Final = 4
_MAX_OPTIONS: Final = 8
_MAX_SHORT_PIECES: Final = 4

_TAGS: Final = {token[5:-1]: i for token, i in STRUCTURAL_IDS.items() if token.startswith("[TAG_")}
_SVG_TAGS: Final = frozenset("g path rect circle line polygon use".split())
_UP_1: Final = STRUCTURAL_IDS["[UP_1]"]
_AT_VALUE: Final = STRUCTURAL_IDS["[AT_value]"]
_TXT: Final = STRUCTURAL_IDS["[TXT]"]
_TRUNC: Final = STRUCTURAL_IDS["[TRUNC]"]
_ELIDED: Final = STRUCTURAL_IDS["[ELIDED]"]
_N_0: Final = STRUCTURAL_IDS["[N_0]"]
_WRAPPED: Final = STRUCTURAL_IDS["[WRAPPED]"]
_BLOCKED: Final = STRUCTURAL_IDS["[BLOCKED]"]
_IFRAME_DOC: Final = STRUCTURAL_IDS["[IFRAME_DOC]"]
_SHADOW_ROOT: Final = STRUCTURAL_IDS["[SHADOW_ROOT]"]
_DEPTH_0: Final = STRUCTURAL_IDS["[DEPTH_0-3]"]
_NTH_0: Final = STRUCTURAL_IDS["[NTH_0]"]

_TAG_ONLY: Final = frozenset("script style link meta noscript template base".split())
# The text inside these is code, or what a visitor typed.
UNREAD_TEXT: Final = _TAG_ONLY | {"textarea"}
_HEADINGS: Final = frozenset("h1 h2 h3 h4 h5 h6 title legend caption th dialog".split())
_INTERACTIVE: Final = frozenset(
    "a button input select textarea label summary video audio option".split()
)
_INTERACTIVE_ROLES: Final = frozenset(
    "button link checkbox radio tab menuitem option combobox switch textbox slider".split()
)
_URGENT_ROLES: Final = frozenset("alert dialog status alertdialog".split())
# What is written of an element on a page, and what identifies a target, most telling first.
_PAGE_ATTRIBUTES: Final = (
    "type role id class name href src alt title placeholder value aria-label aria-expanded "
    "aria-selected aria-checked aria-hidden aria-current disabled required checked selected "
    "hidden contenteditable data-testid open".split()
)
_TELLING_ATTRIBUTES: Final = "aria-label name placeholder data-testid href id title alt".split()


class Rank(IntEnum):
    """What is kept first when a page is larger than its cap."""

    interactive = 0
    heading = 1
    text = 2
    container = 3


@dataclass(slots=True)
class _Entry:
    """One node as it would be written: its level among written nodes, rank and ids."""

    depth: int
    rank: Rank
    ids: list[int]
    short_ids: list[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtree:
    """A page or subtree as ids.

    Attributes:
        nodes: ids node by node, so that a long page can be cut between nodes.
        num_elided: nodes left out to stay within the cap.
    """

    nodes: list[list[int]]
    num_elided: int

    def ids(self) -> list[int]:
        """All ids in one list."""
        return [token_id for node in self.nodes for token_id in node]


class ElementWriter:
    """Writes elements, targets and subtrees as ids; knows the page's host for relative links."""

    def __init__(self, text_encoder: TextEncoder, attributes: AttributeWriter) -> None:
        self._text_encoder = text_encoder
        self._attributes = attributes
        self.page_host = ""

    def tag_id(self, node: Node) -> int:
        """The `[TAG_*]` id of an element, or the `[NT_*]` id of another node."""
        if node.type != NodeType.Element:
            kind = node.type if 0 <= node.type <= NodeType.Comment else NodeType.Comment
            return STRUCTURAL_IDS["[NT_Document]"] + kind
        tag = node.tag_name.lower()
        if node.is_svg:
            if tag == "svg" or tag in _SVG_TAGS:
                return _TAGS[tag]
            return _TAGS["svg-text"] if tag == "text" else _TAGS["other-svg"]
        known = _TAGS.get(tag)
        if known is not None:
            return known
        return _TAGS["custom-element"] if "-" in tag else _TAGS["other-html"]

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
            label = node.text_content or ""
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

    def subtree(self, root: Node, max_ids: int) -> Subtree:
        """A node and all below it in document order, at most about `max_ids` ids.

        What goes first is containers, then text, then headings, each from the end of the page;
        what can be clicked or filled stays, with a shorter text when it alone is over the cap.
        """
        entries = self._entries(root)
        kept, num_elided = _fit(entries, max_ids)
        return Subtree(nodes=_with_levels(kept, num_elided), num_elided=num_elided)

    def _entries(self, root: Node) -> list[_Entry]:
        entries: list[_Entry] = []
        # node, level to write it at, whether it stands in something that can be clicked
        stack: list[tuple[Node, int, Rank]] = [(root, 0, Rank.text)]
        while stack:
            node, depth, text_rank = stack.pop()
            if node.type == NodeType.Text:
                self._add_text(entries, node, depth, text_rank)
                continue
            if node.type in (NodeType.Document, NodeType.Element):
                node, ids = self._open(node)
                rank = _rank(node)
                if ids:
                    entries.append(_Entry(depth, rank, ids, ids[:1]))
                    depth += 1
                if not _is_closed(node):
                    inner = text_rank if rank in (Rank.container, Rank.text) else rank
                    stack.extend((child, depth, inner) for child in reversed(_children(node)))
        return entries

    def _add_text(self, entries: list[_Entry], node: Node, depth: int, rank: Rank) -> None:
        text = node.text_content
        if text is None or not text or text.isspace():
            return
        ids = self.text(text)
        if ids:
            short = ids if len(ids) <= _MAX_SHORT_PIECES else [*ids[:_MAX_SHORT_PIECES], _TRUNC]
            entries.append(_Entry(depth, rank, [_TXT, *ids], [_TXT, *short]))

    def _open(self, node: Node) -> tuple[Node, list[int]]:
        """The ids that open a node; of a chain of bare wrappers, its innermost node and one id."""
        if node.type == NodeType.Document:
            return node, ([] if node.id == 1 else [_IFRAME_DOC])
        prefix = [_SHADOW_ROOT] if node.is_shadow else []
        length = 0
        inner = node
        while (only := self._bare_only_child(inner)) is not None:
            inner = only
            length += 1
        if length >= 2:
            return inner, [*prefix, _WRAPPED, *self._element_ids(inner)]
        return node, prefix + self._element_ids(node)

    def _bare_only_child(self, node: Node) -> Node | None:
        if node.tag_name not in ("div", "span") or node.is_svg or _is_closed(node):
            return None
        children = _children(node)
        if len(children) != 1 or children[0].type != NodeType.Element:
            return None
        return None if self._attribute_ids(node, _PAGE_ATTRIBUTES) else children[0]

    def _element_ids(self, node: Node) -> list[int]:
        ids = [self.tag_id(node)]
        tag = node.tag_name.lower()
        if node.need_block:
            ids.append(_BLOCKED)
        elif tag == "svg":
            label = _label(node) or str(node.attributes.get("aria-label") or "")
            ids += self._text_encoder.encode(label, _MAX_LABEL_PIECES)[0] if label else []
        elif tag not in _TAG_ONLY:
            ids += self._attribute_ids(node, _PAGE_ATTRIBUTES)
            if tag == "textarea" and "value" not in node.attributes:
                ids += value_ids("".join(child.text_content or "" for child in node.child_nodes))
            elif is_typed_into(node):
                ids += value_ids(text_below(node, _MAX_TYPED_CHARS))
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


def _children(node: Node) -> list[Node]:
    """The children that are written: no white space, no comments, of options the first few."""
    children = [
        child
        for child in node.child_nodes
        if child.type in (NodeType.Element, NodeType.Document)
        or (child.type == NodeType.Text and child.text_content and not child.text_content.isspace())
    ]
    if node.tag_name.lower() == "select":
        return children[:_MAX_OPTIONS]
    return children


def _is_closed(node: Node) -> bool:
    return node.tag_name.lower() == "svg" or _hides_text(node)


def _hides_text(node: Node) -> bool:
    return node.need_block or node.tag_name.lower() in UNREAD_TEXT or is_typed_into(node)


def _rank(node: Node) -> Rank:
    tag = node.tag_name.lower()
    role = str(node.attributes.get("role"))
    if tag in _INTERACTIVE or role in _INTERACTIVE_ROLES or "contenteditable" in node.attributes:
        return Rank.interactive
    if tag in _HEADINGS or role in _URGENT_ROLES:
        return Rank.heading
    return Rank.container


def _label(node: Node) -> str:
    """The first text below a node, about 80 characters, joined from its text nodes."""
    found: list[str] = []
    length = 0
    stack = [node]
    while stack and length < _MAX_LABEL_CHARS:
        inner = stack.pop()
        if inner.type == NodeType.Text and inner.text_content:
            words = inner.text_content.split(None, _MAX_LABEL_WORDS)[:_MAX_LABEL_WORDS]
            text = " ".join(words)[:_MAX_LABEL_TEXT_CHARS]
            found += [text] if text else []
            length += len(text)
        elif not _hides_text(inner):
            stack.extend(reversed(inner.child_nodes))
    return " ".join(found)


def _fit(entries: list[_Entry], max_ids: int) -> tuple[list[_Entry], int]:
    """The entries that fit, in document order, and how many were left out."""
    # One id an entry is set aside for its [UP_k].
    if sum(len(entry.ids) + 1 for entry in entries) <= max_ids:
        return entries, 0
    room = max_ids - sum(len(e.ids) + 1 for e in entries if e.rank == Rank.interactive)
    if room < 0:
        for entry in entries:
            if entry.rank == Rank.interactive and entry.short_ids is not None:
                entry.ids = entry.short_ids
        room = max_ids - sum(len(e.ids) + 1 for e in entries if e.rank == Rank.interactive)
    keep = [entry.rank == Rank.interactive for entry in entries]
    for rank in (Rank.heading, Rank.text, Rank.container):
        for number, entry in enumerate(entries):
            if entry.rank == rank and len(entry.ids) < room:
                keep[number] = True
                room -= len(entry.ids) + 1
    kept = [entry for entry, is_kept in zip(entries, keep, strict=True) if is_kept]
    return kept, len(entries) - len(kept)


def _with_levels(entries: list[_Entry], num_elided: int) -> list[list[int]]:
    """Ids entry by entry with `[UP_k]` between them, levels counted among what was kept."""
    nodes: list[list[int]] = []
    open_depths: list[int] = []
    for entry in entries:
        closed = 0
        while open_depths and open_depths[-1] >= entry.depth:
            open_depths.pop()
            closed += 1
        up = [_UP_1 + min(closed, 6) - 1] if closed else []
        nodes.append(up + entry.ids)
        open_depths.append(entry.depth)
    if num_elided:
        nodes.append([_ELIDED, _N_0 + count_to_bin(num_elided)])
    return nodes
