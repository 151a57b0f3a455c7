"""Incremental events other than mutations -> head and parts: what a person or a script did.

Places are relative to the viewport of the moment, values are classes; what would be text of a style
sheet, a font or a drawing is never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from rrweb_tokenizer.attributes import style_classes, value_ids
from rrweb_tokenizer.chapters import Part
from rrweb_tokenizer.incremental import (
    AdoptedStyleSheetData,
    CanvasMutationData,
    CustomElementData,
    DragData,
    FontData,
    InputData,
    LogData,
    MediaInteractionData,
    MouseInteractionData,
    MouseMoveData,
    MovesData,
    Node,
    ScrollData,
    SelectionData,
    StyleDeclarationData,
    StyleSheetRuleData,
    TouchMoveData,
    ViewportResizeData,
)
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.pages import PageState
from rrweb_tokenizer.plugins import level_id
from rrweb_tokenizer.pointer import place_ids, stroke_ids
from rrweb_tokenizer.quantize import (
    count_to_bin,
    scroll_depth_to_bin,
    scroll_step_to_bin,
    sibling_to_bin,
)
from rrweb_tokenizer.references import Target
from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder

__all__ = ["ActionWriter"]

_ID = STRUCTURAL_IDS
_N_0: Final = _ID["[N_0]"]
_NTH_0: Final = _ID["[NTH_0]"]
_GROUP: Final = {group.name: group for group in GROUPS}
_MOVE_HEADS: Final = {
    MouseMoveData: _ID["[IS_MouseMove]"],
    TouchMoveData: _ID["[IS_TouchMove]"],
    DragData: _ID["[IS_Drag]"],
}
_CHOICE_TYPES: Final = ("checkbox", "radio")
_MAX_NAME_PIECES: Final = 4
_MAX_OPTIONS: Final = 12


class ActionWriter:
    """Writes actions against the page, and keeps pointer, scroll offsets and form fields true."""

    def __init__(self, mirror: Mirror, page: PageState, text_encoder: TextEncoder) -> None:
        self._mirror = mirror
        self._page = page
        self._text_encoder = text_encoder

    def write(self, action: Any) -> tuple[int, list[Part]]:
        """The head id of an action and the parts that follow head and time delta."""
        match action:
            case MovesData():
                return _MOVE_HEADS[type(action)], self._moves(action)
            case MouseInteractionData():
                return self._interaction(action)
            case ScrollData():
                return _ID["[IS_Scroll]"], self._scroll(action)
            case InputData():
                return _ID["[IS_Input]"], self._input(action)
            case MediaInteractionData():
                return self._media(action)
            case ViewportResizeData():
                self._page.resize(action.width, action.height)
                return _ID["[IS_ViewportResize]"], [*self._page.viewport_ids()]
            case SelectionData():
                return _ID["[IS_Selection]"], self._selection(action)
        head, parts = self._looks(action)
        return _ID[head], parts

    def _place(self, x_px: float, y_px: float) -> list[int]:
        self._page.pointer = (x_px, y_px)
        return place_ids(x_px, y_px, self._page.width_px, self._page.height_px)

    def _moves(self, moves: MovesData) -> list[Part]:
        parts: list[Part] = [*stroke_ids(moves.positions, self._page.pointer)]
        last = moves.positions[-1]
        parts += self._place(last.x, last.y)
        if last.id != self._page.hovered_id:
            self._page.hovered_id = last.id
            parts.append(Target(last.id))
        return parts

    def _interaction(self, action: MouseInteractionData) -> tuple[int, list[Part]]:
        parts: list[Part] = [Target(action.id, with_tag=True)]
        if action.x is not None and action.y is not None:
            parts += self._place(action.x, action.y)
        pointer = _member("PointerTypes", action.pointer_type)
        parts += [] if pointer is None else [pointer]
        head = _member("MouseInteractions", action.type)
        return _ID["[IS_MouseInteraction]"] if head is None else head, parts

    def _scroll(self, scroll: ScrollData) -> list[Part]:
        old_x, old_y = self._page.scrolled(scroll.id, scroll.x, scroll.y)
        height_px = self._page.height_px
        parts: list[Part] = [Target(scroll.id)]
        dx, dy = scroll.x - old_x, scroll.y - old_y
        if scroll.y <= 0 and dy < 0:
            parts.append(_ID["[S_TOP]"])
        elif dy:
            first = _ID["[SY_DOWN_1]" if dy > 0 else "[SY_UP_1]"]
            parts.append(first + scroll_step_to_bin(dy, height_px))
        if dx:
            parts.append(_ID["[SX_RIGHT]" if dx > 0 else "[SX_LEFT]"])
        parts.append(_ID["[SDEPTH_0]"] + scroll_depth_to_bin(scroll.y, height_px))
        return parts

    def _input(self, field: InputData) -> list[Part]:
        """What was done to a form field: class, length and kind of edit, never the characters."""
        parts: list[Part] = [Target(field.id, with_tag=True)]
        node = self._mirror.get(field.id)
        if node is not None and str(node.attributes.get("type")).lower() in _CHOICE_TYPES:
            parts.append(_ID["[IN_CHECKED]" if field.is_checked else "[IN_UNCHECKED]"])
        elif node is not None and node.tag_name.lower() == "select":
            parts.append(_NTH_0 + sibling_to_bin(_option_place(node, field.text)))
        else:
            parts += value_ids(field.text)
            parts.append(_ID[self._page.edit_kind(field.id, field.text)])
        if field.user_triggered is not None:
            parts.append(_ID["[IN_USER]" if field.user_triggered else "[IN_PROG]"])
        return parts

    def _media(self, media: MediaInteractionData) -> tuple[int, list[Part]]:
        """A media action: seconds into it, volume or rate in percent, whichever it is about."""
        head = _member("MediaInteractions", media.type)
        head = _ID["[IS_MediaInteraction]"] if head is None else head
        parts: list[Part] = [Target(media.id, with_tag=True)]
        if head == _ID["[ME_VolumeChange]"]:
            figure = None if media.volume is None else media.volume * 100
        elif head == _ID["[ME_RateChange]"]:
            figure = None if media.playback_rate is None else media.playback_rate * 100
        else:
            figure = media.current_time
        parts += [] if figure is None else [_N_0 + count_to_bin(figure)]
        parts += [_ID["[MUTED]"]] if media.muted else []
        return head, parts

    def _selection(self, selection: SelectionData) -> list[Part]:
        """How many ranges; where the first starts; its length in characters, or where it ends."""
        parts: list[Part] = [_N_0 + count_to_bin(len(selection.ranges))]
        if selection.ranges:
            first = selection.ranges[0]
            parts.append(Target(first.start))
            if first.start == first.end:
                parts.append(_N_0 + count_to_bin(first.end_offset - first.start_offset))
            else:
                parts.append(Target(first.end))
        return parts

    def _looks(self, action: Any) -> tuple[str, list[Part]]:
        """What changes looks and never holds text that is read."""
        match action:
            case StyleSheetRuleData():
                num_rules = len(action.adds or ()), len(action.removes or ())
                parts: list[Part] = [_N_0 + count_to_bin(n) for n in num_rules]
                is_whole = action.replace is not None or action.replace_sync is not None
                return "[IS_StyleSheetRule]", [
                    *parts,
                    *([_ID["[ED_REPLACED]"]] if is_whole else []),
                ]
            case StyleDeclarationData():
                changed = action.set or action.remove
                style = f"{changed.property}: {changed.value}" if changed is not None else ""
                return "[IS_StyleDeclaration]", [_ID["[MUT_STYLE]"], *style_classes(style)]
            case CanvasMutationData():
                context = _member("CanvasContext", action.type)
                num_commands = 1 if action.commands is None else len(action.commands)
                return "[IS_CanvasMutation]", [
                    Target(action.id),
                    _GROUP["CanvasContext"].start if context is None else context,
                    _N_0 + count_to_bin(num_commands),
                ]
            case AdoptedStyleSheetData():
                return "[IS_AdoptedStyleSheet]", [_N_0 + count_to_bin(len(action.style_ids))]
            case CustomElementData():
                name = action.define.name if action.define is not None else ""
                pieces = self._text_encoder.encode(name, _MAX_NAME_PIECES)[0]
                return "[IS_CustomElement]", [*pieces]
            case LogData():
                return "[IS_Log]", [level_id(action.level)]
            case FontData():
                return "[IS_Font]", []
        raise AssertionError(f"no rule for {type(action).__name__}")


def _member(group_name: str, number: int | None) -> int | None:
    """The id of an enum's member, None for a number that rrweb does not know."""
    group = _GROUP[group_name]
    is_known = number is not None and 0 <= number < len(group.tokens)
    return group.start + number if is_known and number is not None else None


def _option_place(select: Node, chosen: str) -> int:
    """The place of the chosen option, by its value or text; their number when there is none.

    From the twelfth on, places are one class, so the first twelve options say all.
    """
    place = 0
    for option in islice(_options(select), _MAX_OPTIONS):
        value = option.attributes.get("value")
        if value is None:
            value = "".join(child.text_content or "" for child in option.child_nodes).strip()
        if value == chosen:
            break
        place += 1
    return place


def _options(select: Node) -> Iterator[Node]:
    """The options of a select element, in groups or not; no more are looked at than are taken."""
    levels = [iter(select.child_nodes)]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
        elif node.tag_name.lower() == "option":
            yield node
        else:
            levels.append(iter(node.child_nodes))
