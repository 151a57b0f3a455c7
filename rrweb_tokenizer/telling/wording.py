"""Fields of events -> phrases: what an element, a place, a value, a span of time is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rrweb_tokenizer.quantize import bin_to_time_ms
from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS
from rrweb_tokenizer.telling.phrases import (
    DIRECTIONS,
    DISTANCES_PX,
    ELEMENTS,
    INPUT_TYPES,
    LABELS,
    MARKS,
    ROLES,
    SCROLL_DEPTHS,
    VALUES,
)
from rrweb_tokenizer.telling.records import (
    Address,
    Attribute,
    Element,
    Place,
    Stroke,
    Target,
    Token,
    Value,
    Words,
)

__all__ = [
    "MAX_LABEL_CHARS",
    "address_phrase",
    "attribute_phrase",
    "clock",
    "count_phrase",
    "counted",
    "duration",
    "element_kind",
    "element_phrase",
    "nth",
    "option_phrase",
    "place_phrase",
    "quoted",
    "stroke_phrase",
    "target_phrase",
    "token_phrase",
    "value_phrase",
]

MAX_LABEL_CHARS: Final = 60

_PLACES: Final = {"[REF_DOC]": "page", "[REF_GONE]": "element that is gone"}
_TYPED_TAGS: Final = ("[TAG_input]", "[TAG_button]")


def clock(elapsed_ms: float) -> str:
    """`0:03.2`, `12:00.0`, `1:02:03.0`: time since the start."""
    tenths = round(max(elapsed_ms, 0.0) / 100)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def duration(span_ms: float) -> str:
    """`45 seconds`, `1 minute`, `4 minutes`, `2 hours`: a span of time, roughly."""
    if span_ms < 1_000:
        return f"{round(span_ms)} ms"
    for unit, unit_ms, least in (("hour", 3_600_000, 2), ("minute", 60_000, 1), ("second", 1e3, 0)):
        number = round(span_ms / unit_ms)
        if span_ms >= least * unit_ms:
            return counted(number, unit)
    raise AssertionError("a second is left")


def counted(number: int, noun: str) -> str:
    """`1 file`, `2,000 files`: a number of things whose plural has an s."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def quoted(text: str, *, is_cut: bool = False) -> str:
    """A text in quotation marks, cut to a readable length."""
    if len(text) > MAX_LABEL_CHARS:
        text, is_cut = text[:MAX_LABEL_CHARS].rstrip(), True
    return f'"{text}{"..." if is_cut else ""}"'


def count_phrase(name: str) -> str:
    """`[N_4-7]` is `4 to 7`."""
    number = name[3:-1]
    if number.endswith("+"):
        return f"over {number[:-1]}"
    return number.replace("-", " to ")


def token_phrase(token: Token) -> str:
    """A token that says what it says by itself; its own name where there is no phrase."""
    if token.name.startswith("[N_"):
        return count_phrase(token.name)
    if token.name.startswith("[DT_"):
        return f"takes {duration(bin_to_time_ms(_bin(token.name)))}"
    if token.name.startswith("[SDEPTH_"):
        return nth(SCROLL_DEPTHS, _bin(token.name), token.name)
    return MARKS.get(token.name, token.name)


def nth(phrases: Sequence[str], number: int, name: str) -> str:
    """The phrase of a bin; its token's name where there is none."""
    return phrases[number] if 0 <= number < len(phrases) else name


def _bin(name: str) -> int:
    token_id = STRUCTURAL_IDS[name]
    return token_id - next(group.start for group in GROUPS if token_id < group.stop)


def option_phrase(name: str) -> str:
    """`[NTH_3-5]` counts from 0, people from 1: `4 to 6`."""
    number = name[5:-1]
    if number.endswith("+"):
        return f"{int(number[:-1]) + 1} or later"
    return " to ".join(str(int(part) + 1) for part in number.split("-"))


def element_kind(element: Element) -> str:
    """What a visitor would call an element, by its role, input type or tag."""
    role, input_type = element.attribute("role"), element.attribute("type")
    if isinstance(role, str):
        return ROLES.get(role, role)
    if isinstance(input_type, str) and element.tag in _TYPED_TAGS:
        if element.tag == "[TAG_button]":
            return "button"
        return INPUT_TYPES.get(input_type, f"{input_type} field")
    return tag_phrase(element.tag)


def tag_phrase(tag: str) -> str:
    """A tag or node type in words."""
    name = tag.partition("_")[2][:-1]
    if tag.startswith("[NT_"):
        return "text" if name == "Text" else f"{name} node"
    return ELEMENTS.get(name, name)


def element_name(element: Element) -> str:
    """What an element is called on the page, in quotation marks; "" where nothing names it."""
    # What stands in a drop-down are its options.
    is_named_within = element.tag not in ("[TAG_select]", "[TAG_textarea]")
    if element.label and is_named_within:
        return quoted(element.label)
    for name in LABELS:
        value = element.attribute(name)
        if isinstance(value, Words) and value.text:
            return quoted(value.text)
    if element.label:
        return quoted(element.label)
    href = element.attribute("href")
    return f"to {address_phrase(href)}" if isinstance(href, Address) else ""


def element_phrase(element: Element) -> str:
    """`button "Add to cart"`."""
    kind, name = element_kind(element), element_name(element)
    phrase = f"{kind} {name}" if name else kind
    return f"{phrase} (blocked)" if element.is_blocked else phrase


def target_phrase(target: Target) -> str:
    """What a target is, as far as the ids tell; its reference where they do not."""
    if target.element is not None:
        return element_phrase(target.element)
    if target.reference in _PLACES:
        return _PLACES[target.reference]
    kind = tag_phrase(target.tag) if target.tag is not None else "element"
    if target.reference == "[REF_UNK]":
        return f"unknown {kind}"
    return f"{kind} {target.reference}"


def address_phrase(address: Address) -> str:
    """`shop.test/cart?step#top`; query values were never kept."""
    if address.other is not None:
        return VALUES.get(address.other, f"a {address.other[3:-1]} address")
    query = "?" + "&".join(address.query_keys) if address.query_keys else ""
    fragment = "" if address.fragment is None else f"#{address.fragment}"
    return f"{address.host.replace(' ', '')}{address.path or ''}{query}{fragment}"


def value_phrase(value: Value) -> str:
    """`an e-mail address, 16 to 31 characters`."""
    name = VALUES.get(value.value_class, value.value_class)
    if value.count is None:
        return name
    count = count_phrase(value.count)
    plural = "character" if count == "1" else "characters"
    return f"{count} {plural}" if name == "text" else f"{name}, {count} {plural}"


def attribute_phrase(attribute: Attribute) -> str:
    """`aria-expanded = true`, `class "open menu"`, or the name alone."""
    match attribute.value:
        case None:
            return attribute.name
        case Words(text=text):
            return f"{attribute.name} {quoted(text)}"
        case Address() as address:
            return f"{attribute.name} {address_phrase(address)}"
        case Value() as value:
            return f"{attribute.name}: {value_phrase(value)}"
        case str() as name:
            told = count_phrase(name) if name.startswith("[N_") else name
            return f"{attribute.name} = {told}"


def place_phrase(place: Place) -> str:
    """`at the middle right`: thirds of the viewport."""
    across = ("left", "", "right")[_third(place.x)]
    down = ("top", "middle", "bottom")[_third(place.y)]
    return (
        f"at the {down} {across}" if across else f"at the {'centre' if down == 'middle' else down}"
    )


def _third(place_bin: int) -> int:
    return 0 if place_bin < 7 else 1 if place_bin < 13 else 2


def stroke_phrase(stroke: Stroke) -> str:
    """`down and left about 180 px`."""
    direction = DIRECTIONS[(stroke.direction + 1) // 2 % 8]
    return f"{direction} about {DISTANCES_PX[stroke.distance]} px"
