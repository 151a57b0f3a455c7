"""A page or an added subtree -> its nodes in document order, and which of them fit into a cap.

Most nodes of a large page are left out, so the ids of a node are made only when its turn comes: the
walk notes what stands where, `fit` asks for ids in the order of what is kept first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.normalize import normalize_text
from rrweb_tokenizer.quantize import count_to_bin
from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS
from rrweb_tokenizer.tags import (
    CONTAINER_RANK,
    HEADING_RANK,
    INTERACTIVE_RANK,
    NUM_RANKS,
    TAG_OF,
    TEXT_RANK,
)
from rrweb_tokenizer.typed_text import is_typed_into

__all__ = ["Outline", "Subtree", "fit", "outline"]

_MAX_OPTIONS: Final = 8
_DOCUMENT: Final = int(NodeType.Document)
_ELEMENT: Final = int(NodeType.Element)
_TEXT: Final = int(NodeType.Text)

_UP_1: Final = STRUCTURAL_IDS["[UP_1]"]
_ELIDED: Final = STRUCTURAL_IDS["[ELIDED]"]
_N_0: Final = STRUCTURAL_IDS["[N_0]"]
_WRAPPED: Final = STRUCTURAL_IDS["[WRAPPED]"]
_IFRAME_DOC: Final = STRUCTURAL_IDS["[IFRAME_DOC]"]
_SHADOW_ROOT: Final = STRUCTURAL_IDS["[SHADOW_ROOT]"]
_TXT: Final = STRUCTURAL_IDS["[TXT]"]
_TRUNC: Final = STRUCTURAL_IDS["[TRUNC]"]
_TAKES_NO_TEXT: Final = frozenset(
    token_id
    for group in GROUPS
    if group.name in ("tag", "svg tag", "boolean", "role", "input type", "tree")
    for token_id in range(group.start, group.stop)
) - {STRUCTURAL_IDS["[TAG_svg]"]}  # its label follows it
_NO_LEAD: Final[tuple[int, ...]] = ()

_INTERACTIVE_ROLES: Final = frozenset(
    "button link checkbox radio tab menuitem option combobox switch textbox slider".split()
)
_URGENT_ROLES: Final = frozenset("alert dialog status alertdialog".split())


@dataclass(slots=True)
class Outline:
    """The nodes that may be written, in document order (n of them).

    Attributes:
        depths: each node's level among written nodes.
        subjects: an element, the text of a text node, or None for a frame's document.
        leads: ids that stand before a node's own, by its place; most have none.
        by_rank: the places (0..n-1) of the nodes of each rank, ascending.
    """

    depths: list[int] = field(default_factory=list)
    subjects: list[Node | str | None] = field(default_factory=list)
    leads: dict[int, tuple[int, ...]] = field(default_factory=dict)
    by_rank: tuple[list[int], ...] = field(
        default_factory=lambda: tuple([] for _ in range(NUM_RANKS))
    )


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


def outline(root: Node, is_bare: Callable[[Node], bool], *, is_page: bool = False) -> Outline:
    """The nodes of a subtree that may be written: no white space, no comments, no closed content.

    Args:
        root: the topmost node.
        is_bare: whether nothing would be written of a wrapper but its tag.
        is_page: the topmost node is the page's own document, of which nothing is written itself;
            other documents are those of frames.
    """
    found = Outline()
    leads, by_rank = found.leads, found.by_rank
    add_depth, add_subject = found.depths.append, found.subjects.append
    num_nodes = 0
    children: Iterator[Node] = iter(root.child_nodes if is_page else (root,))
    depth = 0
    text_rank = TEXT_RANK  # of text here; that of what can be clicked where it stands inside
    above: list[tuple[Iterator[Node], int, int]] = []
    while True:
        for node in children:
            kind = node.type
            if kind == _TEXT:
                text = node.text_content
                # Visible ASCII stays when it is normalised; other characters may be dropped.
                if text and (start := text.lstrip()[:1]):
                    if not "!" <= start <= "~" and not normalize_text(text):
                        continue
                    by_rank[text_rank].append(num_nodes)
                    add_depth(depth)
                    add_subject(text)
                    num_nodes += 1
                continue
            if kind != _ELEMENT and kind != _DOCUMENT:
                continue
            tag = TAG_OF[node.tag_name]
            lead = _NO_LEAD
            if tag.is_wrapper or node.is_shadow or kind == _DOCUMENT:
                node, lead = _opened(node, is_bare)
                tag = TAG_OF[node.tag_name]
            rank = tag.rank
            if (attributes := node.attributes) and (
                "role" in attributes or "contenteditable" in attributes
            ):
                rank = _rank_by_role(node, rank)
            inner_depth = depth
            if kind == _ELEMENT or lead:
                if lead:
                    leads[num_nodes] = lead
                by_rank[rank].append(num_nodes)
                add_depth(depth)
                add_subject(node if kind == _ELEMENT else None)
                num_nodes += 1
                inner_depth += 1
            is_leaf = tag.holds_nothing or node.need_block or (attributes and is_typed_into(node))
            if node.child_nodes and not is_leaf:
                above.append((children, depth, text_rank))
                children = iter(_options(node) if tag.name == "select" else node.child_nodes)
                depth = inner_depth
                text_rank = text_rank if rank >= TEXT_RANK else rank
                break
        else:
            if not above:
                return found
            children, depth, text_rank = above.pop()


def _opened(node: Node, is_bare: Callable[[Node], bool]) -> tuple[Node, tuple[int, ...]]:
    """Of a chain of bare wrappers its innermost node, and the ids before the node's own."""
    if node.type == _DOCUMENT:
        return node, (_IFRAME_DOC,)
    lead = (_SHADOW_ROOT,) if node.is_shadow else ()
    if not TAG_OF[node.tag_name].is_wrapper:
        return node, lead
    length = 0
    inner = node
    while (only := _only_child(inner)) is not None and (not inner.attributes or is_bare(inner)):
        inner = only
        length += 1
    return (inner, (*lead, _WRAPPED)) if length >= 2 else (node, lead)


def _only_child(node: Node) -> Node | None:
    """The one element in a wrapper that holds nothing else, None for all other nodes."""
    if not TAG_OF[node.tag_name].is_wrapper or node.is_svg or node.need_block:
        return None
    if is_typed_into(node):
        return None
    only = None
    for child in node.child_nodes:
        if child.type in (_ELEMENT, _DOCUMENT):
            if only is not None:
                return None
            only = child
        elif child.type == _TEXT and child.text_content and not child.text_content.isspace():
            return None
    if only is None or only.type != _ELEMENT or only.is_shadow:  # `[SHADOW_ROOT]` stands before it
        return None
    return only


def _options(select: Node) -> list[Node]:
    """The first few children of a select element that are written."""
    return [
        child
        for child in select.child_nodes
        if child.type in (_ELEMENT, _DOCUMENT)
        or (child.type == _TEXT and child.text_content and not child.text_content.isspace())
    ][:_MAX_OPTIONS]


def _rank_by_role(node: Node, rank: int) -> int:
    role = node.attributes.get("role")
    if role is not None:
        if str(role) in _INTERACTIVE_ROLES:
            return INTERACTIVE_RANK
        if str(role) in _URGENT_ROLES:
            rank = min(rank, HEADING_RANK)
    return INTERACTIVE_RANK if "contenteditable" in node.attributes else rank


class _Written:
    """The ids of an outline's nodes, each made when it is first asked for."""

    def __init__(
        self,
        found: Outline,
        write: Callable[[Node | str], list[int]],
        write_short: Callable[[Node | str], list[int]],
    ) -> None:
        self._subjects = found.subjects
        self._leads = found.leads
        self._write = write
        self._write_short = write_short
        self._known: list[list[int] | None] = [None] * len(found.subjects)

    def ids(self, place: int) -> list[int]:
        """The ids of a node, at least one."""
        ids = self._known[place]
        if ids is None:
            subject = self._subjects[place]
            ids = [] if subject is None else self._write(subject)
            if place in self._leads:
                ids = [*self._leads[place], *ids]
            self._known[place] = ids
        return ids

    def shorten(self, place: int) -> list[int]:
        """Puts a few ids in place of a node's own: of an element up to its tag, of a text some."""
        subject = self._subjects[place]
        ids = [*self._leads.get(place, _NO_LEAD)]
        ids += [] if subject is None else self._write_short(subject)
        self._known[place] = ids
        return ids


def fit(
    found: Outline,
    max_ids: int,
    *,
    write: Callable[[Node | str], list[int]],
    write_short: Callable[[Node | str], list[int]],
) -> Subtree:
    """The nodes that fit into about `max_ids` ids, one of them set aside for each node's `[UP_k]`.

    What goes first is containers, then text, then headings, each from the end of the page. What can
    be clicked or filled stays; when it alone is over the cap, it is shortened, and what is then
    beyond three quarters of the cap goes, too.

    Args:
        found: the nodes.
        max_ids: the cap.
        write: gives the ids of an element or text, at least one.
        write_short: gives few ids of it, at least one.
    """
    written = _Written(found, write, write_short)
    num_nodes = len(found.depths)
    if _all_fit(found, written, max_ids):
        kept: list[int] | range = range(num_nodes)
    else:
        kept = _chosen(found, written, max_ids)
    return Subtree(
        nodes=_with_levels(found, written, kept, num_nodes - len(kept)),
        num_elided=num_nodes - len(kept),
    )


def _all_fit(found: Outline, written: _Written, max_ids: int) -> bool:
    total = 2 * len(found.depths)
    for places in found.by_rank:
        for place in places:
            if total > max_ids:
                return False
            total += len(written.ids(place)) - 1
    return total <= max_ids


def _chosen(found: Outline, written: _Written, max_ids: int) -> list[int]:
    """The places of the nodes that are kept, ascending."""
    interactive = found.by_rank[INTERACTIVE_RANK]
    room = max_ids - 2 * len(interactive)
    for place in interactive:
        if room < 0:
            break
        room -= len(written.ids(place)) - 1
    kept = interactive.copy()
    if room < 0:
        # Shortened, and from the end of the page those that go beyond their share all the same.
        kept = []
        room = max_ids * 3 // 4
        for place in interactive:
            if room < 2:
                break
            num_ids = len(written.shorten(place))
            if num_ids < room:
                kept.append(place)
                room -= num_ids + 1
        room += max_ids - max_ids * 3 // 4
    for rank in (HEADING_RANK, TEXT_RANK, CONTAINER_RANK):
        for place in found.by_rank[rank]:
            if room < 2:  # not even one id and its [UP_k]
                break
            num_ids = len(written.ids(place))
            if num_ids < room:
                kept.append(place)
                room -= num_ids + 1
    kept.sort()
    return kept


def _with_levels(
    found: Outline, written: _Written, kept: list[int] | range, num_elided: int
) -> list[list[int]]:
    """Ids node by node, `[UP_k]` before a node closes k elements that it does not stand in."""
    nodes: list[list[int]] = []
    open_levels = 0
    last_id = _TXT
    for place, level in zip(kept, _levels(found.depths, kept), strict=True):
        subject = found.subjects[place]
        ids = written.ids(place)
        closed = open_levels - level
        # After what takes no text of its own, text needs no mark to be told from it.
        is_text = ids[0] == _TXT and len(ids) > 1 and ids[1] != _TRUNC
        if is_text and (closed or last_id in _TAKES_NO_TEXT):
            ids = ids[1:]
        nodes.append([_UP_1 + min(closed, 6) - 1, *ids] if closed > 0 else ids)
        last_id = ids[-1]
        open_levels = level if _holds_nothing(subject) else level + 1
    if num_elided:
        nodes.append([_ELIDED, _N_0 + count_to_bin(num_elided)])
    return nodes


def _levels(depths: list[int], kept: list[int] | range) -> list[int]:
    """How many kept nodes each kept one stands in."""
    if isinstance(kept, range):
        return depths
    levels: list[int] = []
    above: list[tuple[int, bool]] = []  # depth of each node that is open, and whether it is kept
    level = 0
    keep = bytearray(len(depths))
    for place in kept:
        keep[place] = 1
    for depth, is_kept in zip(depths, keep, strict=True):
        while above and above[-1][0] >= depth:
            level -= above.pop()[1]
        above.append((depth, bool(is_kept)))
        if is_kept:
            levels.append(level)
            level += 1
    return levels


def _holds_nothing(subject: Node | str | None) -> bool:
    """Whether nothing can be written inside: text, void elements, what is closed or blocked."""
    if subject is None or isinstance(subject, str):
        return subject is not None
    return TAG_OF[subject.tag_name].holds_nothing or subject.need_block or is_typed_into(subject)
