"""Tag names -> what the walk over a page asks of them, looked up once a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

__all__ = [
    "CONTAINER_RANK",
    "HEADING_RANK",
    "INTERACTIVE_RANK",
    "NUM_RANKS",
    "TAG_OF",
    "TEXT_RANK",
    "Tag",
]

# What is kept first when a page is larger than its cap.
NUM_RANKS: Final = 4
INTERACTIVE_RANK, HEADING_RANK, TEXT_RANK, CONTAINER_RANK = range(NUM_RANKS)

_TAGS: Final = {token[5:-1]: i for token, i in STRUCTURAL_IDS.items() if token.startswith("[TAG_")}
_SVG_TAGS: Final = frozenset("g path rect circle line polygon use".split())
_TAG_ONLY: Final = frozenset("script style link meta noscript template base".split())
# The text inside these is code, or what a visitor typed.
_UNREAD_TEXT: Final = _TAG_ONLY | {"textarea"}
_HEADINGS: Final = frozenset("h1 h2 h3 h4 h5 h6 title legend caption th dialog".split())
_INTERACTIVE: Final = frozenset(
    "a button input select textarea label summary video audio option".split()
)
_VOID: Final = frozenset("area base br col embed hr img input source track wbr".split())
_WRAPPERS: Final = ("div", "span")
_MAX_KNOWN: Final = 4_096
_MAX_KNOWN_CHARS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What follows from a tag name alone.

    Attributes:
        name: the name in lower case.
        html_id: the `[TAG_*]` id of an HTML element of this name.
        svg_id: the `[TAG_*]` id of an SVG element of this name.
        rank: what is kept first, unless the element's role says more.
        is_wrapper: a chain of such elements may be written as one.
        is_tag_only: neither attributes nor content are written.
        is_unread: text inside is never written.
        holds_nothing: nothing inside is written or can be; such an element needs no closing.
    """

    name: str
    html_id: int
    svg_id: int
    rank: int
    is_wrapper: bool
    is_tag_only: bool
    is_unread: bool
    holds_nothing: bool


def _tag(tag_name: str) -> Tag:
    name = tag_name.lower()
    is_unread = name in _UNREAD_TEXT
    rank = CONTAINER_RANK
    if name in _INTERACTIVE:
        rank = INTERACTIVE_RANK
    elif name in _HEADINGS:
        rank = HEADING_RANK
    return Tag(
        name=name,
        html_id=_TAGS.get(name) or _TAGS["custom-element" if "-" in name else "other-html"],
        svg_id=_svg_id(name),
        rank=rank,
        is_wrapper=tag_name in _WRAPPERS,
        is_tag_only=name in _TAG_ONLY,
        is_unread=is_unread,
        holds_nothing=is_unread or name == "svg" or name in _VOID,
    )


def _svg_id(name: str) -> int:
    if name == "svg" or name in _SVG_TAGS:
        return _TAGS[name]
    return _TAGS["svg-text"] if name == "text" else _TAGS["other-svg"]


class _TagTable(dict[str, Tag]):
    """Tag name as recorded -> `Tag`; keeps at most 4,096 names, none longer than 64 characters."""

    def __missing__(self, tag_name: str) -> Tag:
        tag = _tag(tag_name)
        if len(self) < _MAX_KNOWN and len(tag_name) <= _MAX_KNOWN_CHARS:
            self[tag_name] = tag
        return tag


TAG_OF: Final = _TagTable()
"""`TAG_OF[node.tag_name]` is the node's `Tag`, for any string."""
