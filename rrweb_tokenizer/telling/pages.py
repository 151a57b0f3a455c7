"""Pages as they are told: a summary, or node by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from rrweb_tokenizer.tags import TAG_OF
from rrweb_tokenizer.telling.phrases import CLICKABLE, FILLABLE, HEADINGS
from rrweb_tokenizer.telling.records import Element, Event, Node
from rrweb_tokenizer.telling.told import Fields, Told, action_of, mark
from rrweb_tokenizer.telling.wording import (
    count_phrase,
    counted,
    element_phrase,
    quoted,
    value_phrase,
)

__all__ = ["node_phrase", "outline", "tell_page"]

_MAX_HEADINGS: Final = 3
_MAX_INDENT: Final = 30


def tell_page(event: Event, fields: Fields, *, full: bool) -> Told:
    """A page as its title, a summary and its size; without the summary where `full`."""
    action = action_of("[EV_FullSnapshot]") if event.head else "page goes on"
    size = fields.take_token("[N_")
    same = fields.take_token("[SNAP_SAME]")
    nodes = fields.take_all(Node)
    elided = fields.take_token("[ELIDED]")
    left_out = fields.take_token("[N_") if elided is not None else None
    details: list[str] = [] if full else list(_summary(nodes))
    if same is not None:
        details.append(mark(same))
    if size is not None:
        details.append(f"{count_phrase(size)} nodes")
    if left_out is not None:
        details.append(f"{count_phrase(left_out)} left out")
    title = _titles(nodes, ("title",), 1)
    return Told(action=action, target=title[0] if title else "", details=tuple(details))


def _summary(nodes: list[Node]) -> Iterator[str]:
    """Counts of what can be clicked and filled, and the first headings."""
    counts: Counter[str] = Counter()
    for node in nodes:
        if node.element is not None:
            kind = _usable_kind(node.element)
            if kind is not None:
                counts[kind] += 1
    if counts:
        yield ", ".join(counted(n, kind) for kind, n in counts.most_common())
    headings = _titles(nodes, HEADINGS, _MAX_HEADINGS)
    if headings:
        yield f"{'heading' if len(headings) == 1 else 'headings'} {', '.join(headings)}"


def _usable_kind(element: Element) -> str | None:
    # <link> is no link to a visitor, an element of the role is.
    tag = None if element.tag == "[TAG_link]" else element.tag[5:-1]
    for name in (element.attribute("role"), element.attribute("type"), tag):
        if isinstance(name, str):
            kind = CLICKABLE.get(name) or FILLABLE.get(name)
            if kind is not None:
                return kind
    return None


def _titles(nodes: list[Node], tags: tuple[str, ...], most: int) -> list[str]:
    """The texts of the first elements of some tags, quoted."""
    found: list[str] = []
    is_within = False
    for node in nodes:
        if node.element is not None:
            is_within = node.element.tag[5:-1] in tags
        elif node.words is not None and is_within and node.levels_up == 0:
            found.append(quoted(node.words.text, is_cut=node.words.is_cut))
            is_within = False
            if len(found) == most:
                break
    return found


def outline(event: Event) -> list[str]:
    """The nodes of a page, one a line, indented by their levels."""
    lines: list[str] = []
    num_open = 0
    for node in event.fields:
        if not isinstance(node, Node):
            continue
        depth = max(num_open - node.levels_up, 0)
        lines.append("  " * min(depth, _MAX_INDENT) + node_phrase(node))
        num_open = depth if _holds_nothing(node) else depth + 1
    return lines


def _holds_nothing(node: Node) -> bool:
    """Whether a node opens no level: texts, void, closed and blocked elements."""
    if node.element is None:
        return not node.prefixes
    return node.element.is_blocked or TAG_OF[node.element.tag[5:-1]].holds_nothing


def node_phrase(node: Node) -> str:
    """A node in words: an element with what names it, or a text."""
    prefixes = {"[SHADOW_ROOT]": "shadow root:", "[WRAPPED]": "", "[IFRAME_DOC]": "frame:"}
    words = [prefixes[prefix] for prefix in node.prefixes if prefixes[prefix]]
    if node.element is not None:
        words.append(element_phrase(node.element))
        if node.element.value is not None:
            words.append(f"({value_phrase(node.element.value)})")
    if node.words is not None:
        words.append(quoted(node.words.text, is_cut=node.words.is_cut))
    return " ".join(words) or "levels closed"
