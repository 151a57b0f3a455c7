"""What ids say, as records: events, keyframes and their fields, each with its span of ids.

`parser` makes them of ids, `events` tells them. Names of tokens stand in them as
they are in the vocabulary, brackets included; texts are decoded and safe to print.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Address",
    "Attribute",
    "Element",
    "Event",
    "Field",
    "Frame",
    "Key",
    "Keyframe",
    "Node",
    "Place",
    "Record",
    "Span",
    "Stroke",
    "Target",
    "Token",
    "Value",
    "Words",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where something stands: `start <= offset < stop` in the ids."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Span):
    """One token that says what it says, or that nothing was expected of here."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Span):
    """A text, value classes in it as `<e-mail address>`; `is_cut` where it went on."""

    text: str
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Span):
    """The name of a member of a payload."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(Span):
    """What a form field holds: its class (`[VAL]` is plain text) and a count of characters."""

    value_class: str
    count: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Span):
    """A URL; `other` is the one token that stands for a URL without host and path."""

    host: str = ""
    path: str | None = None
    query_keys: tuple[str, ...] = ()
    fragment: str | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute(Span):
    """An attribute, `type` and `role` included; the value None where only the name is written."""

    name: str
    value: Words | Address | Value | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element(Span):
    """An element of a page or a target: its tag's or node type's token and what describes it."""

    tag: str
    attributes: tuple[Attribute, ...] = ()
    label: str = ""
    value: Value | None = None
    is_blocked: bool = False

    def attribute(self, name: str) -> Words | Address | Value | str | None:
        """The value of an attribute, None where it is not there."""
        return next((a.value for a in self.attributes if a.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Span):
    """A mention of a node.

    Attributes:
        reference: the `[REF_*]` token.
        element: what the node was when it was first mentioned; None where that is not known.
        tag: the tag's token where it stands after a `[REF_j]`.
    """

    reference: str
    element: Element | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Span):
    """A node of a page or of an added subtree, in document order.

    Attributes:
        levels_up: how many levels are closed before it.
        prefixes: `[SHADOW_ROOT]`, `[WRAPPED]`, `[IFRAME_DOC]` as they stand before it.
        element: the element; None for a text or a frame's document.
        words: the text; None for an element.
    """

    levels_up: int = 0
    prefixes: tuple[str, ...] = ()
    element: Element | None = None
    words: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke(Span):
    """A stretch of movement, as bins (`quantize`)."""

    direction: int
    distance: int
    time_bin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Span):
    """A position in the viewport, as bins of 0 to 19 from the left and from the top."""

    x: int
    y: int


Field = Token | Words | Key | Value | Address | Attribute | Target | Node | Stroke | Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyframe(Span):
    """The opening of a chapter."""

    key: str
    elapsed_bin: int | None = None
    address: Address | None = None
    others: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Span):
    """An event.

    Attributes:
        head: its head token; None where its beginning is missing, as in a window that opens within
            a page.
        time_bin: the time since the event before it, as a bin; None where it is missing.
        fields: what follows.
        index: its number in the session, None where that is not known.
        time_ms: epoch ms, None where that is not known.
    """

    head: str | None
    time_bin: int | None
    fields: tuple[Field, ...]
    index: int | None = None
    time_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame(Span):
    """Tokens that frame windows: one of `[CLS]`, `[SEP]`, `[PAD]`, repeated."""

    name: str


Record = Keyframe | Event | Frame
