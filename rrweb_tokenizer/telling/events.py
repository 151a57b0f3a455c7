"""Records -> what happened, in words: action, target, place, details.

What a head does not account for is told as raw tokens, after a question mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.telling.mutations import tell_mutation
from rrweb_tokenizer.telling.pages import tell_page
from rrweb_tokenizer.telling.phrases import (
    CHOOSES,
    EDITS,
    GOES_TO,
    KEYFRAMES,
    SCROLL_DEPTHS,
    SCROLL_STEPS,
    VIEWPORTS,
)
from rrweb_tokenizer.telling.records import (
    Address,
    Event,
    Field,
    Frame,
    Key,
    Keyframe,
    Node,
    Place,
    Record,
    Stroke,
    Target,
    Token,
    Value,
    Words,
)
from rrweb_tokenizer.telling.told import Fields, Raw, Told, action_of, mark
from rrweb_tokenizer.telling.wording import (
    address_phrase,
    count_phrase,
    nth,
    option_phrase,
    place_phrase,
    quoted,
    stroke_phrase,
    target_phrase,
    token_phrase,
    value_phrase,
)

__all__ = ["tell"]


def tell(record: Record, raw: Raw, *, full: bool = False) -> Told:
    """What a record says.

    Args:
        record: an event, a keyframe or what frames a window.
        raw: gives the tokens of what cannot be told.
        full: leave nothing out of long events.
    """
    match record:
        case Frame(name=name):
            return Told(action="window" if name == "[CLS]" else "end" if name == "[SEP]" else name)
        case Keyframe():
            return _tell_keyframe(record)
        case Event():
            return _tell_event(record, raw, full=full)


def _tell_keyframe(keyframe: Keyframe) -> Told:
    fields = Fields(keyframe.others)
    window = fields.take_token("[NTH_")
    if window is not None:
        fields.take_token("[TAB]")
    sizes = [fields.take_token("[VW_"), fields.take_token("[VH_")]
    known = [name for name in sizes if name is not None]
    return Told(
        action=KEYFRAMES.get(keyframe.key, keyframe.key),
        target="" if keyframe.address is None else address_phrase(keyframe.address),
        details=(
            *([f"tab {option_phrase(window)}"] if window is not None else ()),
            *([_viewport(known)] if known else ()),
            *(token_phrase(token) for token in fields.take_all(Token)),
        ),
    )


def _tell_event(event: Event, raw: Raw, *, full: bool) -> Told:
    fields = Fields(event.fields)
    head = event.head or ""
    repeats = _take_repeats(fields)
    if head in ("[EV_FullSnapshot]", ""):
        told = tell_page(event, fields, full=full)
    elif head == "[IS_Mutation]":
        told = tell_mutation(fields, raw, full=full)
    else:
        told = _teller(head)(head, fields)
    if fields.left:
        unread = " ".join(raw(left) for left in fields.left)
        told = replace(told, details=(*told.details, f"? {unread}"))
    return replace(told, details=(*told.details, repeats)) if repeats else told


def _take_repeats(fields: Fields) -> str:
    """How often an event came again; "" where that is not told."""
    match fields.left[-2:]:
        case [Token(name="[MUT_REPEAT]"), Token(name=name)] if name.startswith("[N_"):
            del fields.left[-2:]
            return "once more" if name == "[N_1]" else f"{count_phrase(name)} times more"
    return ""


def _teller(head: str) -> Callable[[str, Fields], Told]:
    for prefix, teller in _TELLERS.items():
        if head.startswith(prefix):
            return teller
    return _other


def _acted(head: str, fields: Fields) -> Told:
    target, place = fields.take(Target), fields.take(Place)
    pointer = fields.take_token("[PT_")
    with_what = "" if pointer in (None, "[PT_Mouse]") else mark(pointer or "")
    return Told(
        action=action_of(head),
        target="" if target is None else target_phrase(target),
        place="" if place is None else place_phrase(place),
        details=(with_what,) if with_what else (),
    )


def _moved(head: str, fields: Fields) -> Told:
    strokes = fields.take_all(Stroke)
    place, target = fields.take(Place), fields.take(Target)
    return Told(
        action=action_of(head),
        target="" if target is None else f"over {target_phrase(target)}",
        place="" if place is None else place_phrase(place).replace("at", "to", 1),
        details=tuple(stroke_phrase(stroke) for stroke in strokes),
    )


def _scrolled(head: str, fields: Fields) -> Told:
    target = fields.take(Target)
    step, aside = fields.take_token("[SY_", "[S_TOP]"), fields.take_token("[SX_")
    depth = fields.take_token("[SDEPTH_")
    action, details = action_of(head), []
    if step == "[S_TOP]":
        action = "scrolls up"
        details.append("to the top")
    elif step is not None:
        action = f"scrolls {'down' if 'DOWN' in step else 'up'}"
        details.append(nth(SCROLL_STEPS, _bin(step, "[SY_DOWN_1]", "[SY_UP_1]"), step))
    if aside is not None:
        details.append("to the left" if "LEFT" in aside else "to the right")
    if depth is not None and step != "[S_TOP]":
        details.append(nth(SCROLL_DEPTHS, _bin(depth, "[SDEPTH_0]"), depth))
    is_page = target is None or target.reference == "[REF_DOC]"
    return Told(
        action=action,
        target="" if is_page or target is None else f"in {target_phrase(target)}",
        details=tuple(details),
    )


def _filled(head: str, fields: Fields) -> Told:
    target, value = fields.take(Target), fields.take(Value)
    edit = fields.take_token("[ED_", "[IN_CHECKED]", "[IN_UNCHECKED]")
    option = fields.take_token("[NTH_")
    by = fields.take_token("[IN_USER]", "[IN_PROG]")
    phrase = "" if target is None else target_phrase(target)
    details: list[str] = []
    action = EDITS.get(edit or "", action_of(head))
    if option is not None:
        action = CHOOSES
        details.append(f"option {option_phrase(option)} of the list")
    if value is not None and edit != "[ED_CLEARED]":
        details.append(f"now {value_phrase(value)}")
    if by == "[IN_PROG]":
        details.append(mark(by))
    preposition = {"types": "into ", "deletes": "from ", "replaces": "in ", "chooses": "in "}
    target_words = preposition.get(action, "") + phrase if phrase else ""
    return Told(action=action, target=target_words, details=tuple(details))


def _selected(head: str, fields: Fields) -> Told:
    num_ranges = fields.take_next_token("[N_")
    ends = [target_phrase(target) for target in fields.take_all(Target)[:2]]
    length = fields.take_next_token("[N_") if len(ends) == 1 else None
    details: list[str] = []
    if length is not None:
        details.append(f"{count_phrase(length.name)} characters")
    if num_ranges is not None and num_ranges.name not in ("[N_0]", "[N_1]"):
        details.append(f"{count_phrase(num_ranges.name)} ranges")
    phrase = f"from {ends[0]} to {ends[1]}" if len(ends) == 2 else f"in {ends[0]}" if ends else ""
    return Told(action=action_of(head), target=phrase or "nothing", details=tuple(details))


def _played(head: str, fields: Fields) -> Told:
    target, figure = fields.take(Target), fields.take_token("[N_")
    muted = fields.take_token("[MUTED]")
    unit = "%" if head in ("[ME_VolumeChange]", "[ME_RateChange]") else " seconds in"
    details = [] if figure is None else [f"{count_phrase(figure)}{unit}"]
    details += [] if muted is None else [mark(muted)]
    return Told(
        action=action_of(head),
        target="" if target is None else target_phrase(target),
        details=tuple(details),
    )


def _changed_window(head: str, fields: Fields) -> Told:
    number = fields.take_token("[NTH_")
    return Told(
        action=action_of(head),
        target="another tab" if number is None else f"tab {option_phrase(number)}",
    )


def _visited(head: str, fields: Fields) -> Told:
    is_new = fields.take_token("[NAV]") is not None
    address = fields.take(Address)
    sizes = [fields.take_token("[VW_"), fields.take_token("[VH_")]
    known = [name for name in sizes if name is not None]
    return Told(
        action=GOES_TO if is_new else action_of(head),
        target="" if address is None else address_phrase(address) or "page without address",
        details=(_viewport(known),) if known else (),
    )


def _resized(head: str, fields: Fields) -> Told:
    sizes = [fields.take_token("[VW_"), fields.take_token("[VH_")]
    known = [name for name in sizes if name is not None]
    return Told(action=action_of(head), target=_viewport(known) if known else "")


def _custom(head: str, fields: Fields) -> Told:
    words = fields.take(Words)
    keys = [key.text for key in fields.take_all(Key)]
    state = fields.take_token("[VIS_")
    is_new = fields.take_token("[NAV]") is not None
    address = fields.take(Address)
    details = [mark(state)] if state is not None else []
    if keys:
        details.append(f"with {', '.join(keys)}")
    if is_new:
        details.append(f"{GOES_TO} {'' if address is None else address_phrase(address)}".rstrip())
    return Told(
        action=action_of(head),
        target=quoted(words.text) if words is not None else "",
        details=tuple(details),
    )


def _other(head: str, fields: Fields) -> Told:
    """Heads without rules of their own: all fields in order."""
    target = fields.take(Target)
    details: list[str] = []
    left: list[Field] = []
    for found in fields.left:
        match found:
            case Token() as token if token_phrase(token) != token.name:
                details.append(token_phrase(token))
            case Words(text=text, is_cut=is_cut):
                details.append(quoted(text, is_cut=is_cut))
            case Node(words=Words(text=text, is_cut=is_cut)):
                details.append(quoted(text, is_cut=is_cut))
            case Key(text=text):
                details.append(f"with {text}")
            case _:
                left.append(found)
    fields.left = left
    return Told(
        action=action_of(head),
        target="" if target is None else target_phrase(target),
        details=tuple(details),
    )


# Head, or how it begins -> how it is told.
_TELLERS: Final[dict[str, Callable[[str, Fields], Told]]] = {
    "[IS_MouseMove]": _moved,
    "[IS_TouchMove]": _moved,
    "[IS_Drag]": _moved,
    "[IS_Scroll]": _scrolled,
    "[IS_Input]": _filled,
    "[IS_ViewportResize]": _resized,
    "[EV_Meta]": _visited,
    "[IS_Selection]": _selected,
    "[TAB]": _changed_window,
    "[EV_Custom]": _custom,
    "[IS_MouseInteraction]": _acted,
    "[MI_": _acted,
    "[IS_MediaInteraction]": _played,
    "[ME_": _played,
}


def _viewport(sizes: Sequence[str]) -> str:
    """`viewport 1440+ x 800+ px`: the lower edges of its classes."""
    edges = (VIEWPORTS.get(size, size.partition("_")[2].rstrip("+]") + "+") for size in sizes)
    return f"viewport {' x '.join(edges)} px"


def _bin(name: str, *firsts: str) -> int:
    """How far a token stands behind the last of some first tokens that is not after it."""
    token_id = STRUCTURAL_IDS[name]
    return min(token_id - STRUCTURAL_IDS[f] for f in firsts if STRUCTURAL_IDS[f] <= token_id)
