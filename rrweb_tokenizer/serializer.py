"""Typed events -> structural tokens and text: a session as ids with keyframes.

An event is its head token, a time delta, then its fields; the most specific head wins. Targets are
references (see `references`), pages are written in document order (see `dom`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from rrweb_tokenizer.attributes import AttributeWriter, style_classes, value_ids
from rrweb_tokenizer.chapters import ChapterWriter, EncodedSession, Part
from rrweb_tokenizer.dom import ElementWriter
from rrweb_tokenizer.enums import EventType
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
    MutationData,
    ScrollData,
    SelectionData,
    StyleDeclarationData,
    StyleSheetRuleData,
    TouchMoveData,
    ViewportResizeData,
)
from rrweb_tokenizer.mirror import Mirror, copy_tree
from rrweb_tokenizer.mutations import MutationWriter, style_signature
from rrweb_tokenizer.pages import PageState
from rrweb_tokenizer.plugins import custom_ids, plugin_ids
from rrweb_tokenizer.pointer import place_ids, stroke_ids
from rrweb_tokenizer.quantize import (
    count_to_bin,
    scroll_depth_to_bin,
    scroll_step_to_bin,
    sibling_to_bin,
    time_to_bin,
)
from rrweb_tokenizer.references import References, Target
from rrweb_tokenizer.schema import (
    AssetEvent,
    CustomEvent,
    DomContentLoadedEvent,
    Event,
    FullSnapshotEvent,
    IncrementalEvent,
    LoadEvent,
    MetaEvent,
    PluginEvent,
    UnknownEvent,
)
from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder
from rrweb_tokenizer.timeline import in_true_time_order
from rrweb_tokenizer.urls import UrlWriter

__all__ = ["MAX_SNAPSHOT_IDS", "EncodedSession", "Serializer", "copy_events", "serialize"]

MAX_SNAPSHOT_IDS: Final = 1_536

_ID = STRUCTURAL_IDS
_DT_NEG: Final = _ID["[DT_NEG]"]
_N_0: Final = _ID["[N_0]"]
_NTH_0: Final = _ID["[NTH_0]"]
_GROUP: Final = {group.name: group for group in GROUPS}
_MOVE_HEADS: Final = {
    MouseMoveData: _ID["[IS_MouseMove]"],
    TouchMoveData: _ID["[IS_TouchMove]"],
    DragData: _ID["[IS_Drag]"],
}
_CHOICE_TYPES: Final = ("checkbox", "radio")


class Serializer:
    """Writes sessions as ids; what repeats between sessions comes from bounded memos.

    Args:
        text_encoder: turns text into ids.
    """

    def __init__(self, text_encoder: TextEncoder) -> None:
        self.text_encoder = text_encoder
        self.urls = UrlWriter(text_encoder)
        self.attributes = AttributeWriter(text_encoder, self.urls)

    def serialize(self, events: Iterable[Event]) -> EncodedSession:
        """Writes one session's events, in any order: they are put in true-time order.

        The nodes of the events' snapshots and mutations become the mirror's and are changed by
        later events: decode the recording again to serialise it again.
        """
        writer = _SessionWriter(self)
        for time_ms, event in in_true_time_order(events):
            writer.write(time_ms, event)
        return writer.finish()


def copy_events(events: Iterable[Event]) -> list[Event]:
    """The events with nodes of their own, so that the originals stay as they are."""
    return [_copy_event(event) for event in events]


def _copy_event(event: Event) -> Event:
    if isinstance(event, FullSnapshotEvent):
        return replace(event, data=replace(event.data, node=copy_tree(event.data.node)))
    if isinstance(event, IncrementalEvent) and isinstance(event.data, MutationData):
        adds = [replace(added, node=copy_tree(added.node)) for added in event.data.adds]
        return replace(event, data=replace(event.data, adds=adds))
    return event


def serialize(events: Iterable[Event], text_encoder: TextEncoder) -> EncodedSession:
    """Writes one session's events as ids; see `Serializer.serialize`."""
    return Serializer(text_encoder).serialize(events)


class _SessionWriter:
    """Writes one session, event by event."""

    def __init__(self, shared: Serializer) -> None:
        self._text_encoder = shared.text_encoder
        self._mirror = Mirror()
        self._elements = ElementWriter(shared.text_encoder, shared.attributes)
        self._mutations = MutationWriter(self._mirror, self._elements)
        self._page = PageState(shared.urls)
        self._chapters = ChapterWriter(
            References(self._mirror, self._elements),
            lambda: self._page.keyframe(has_snapshot=self._mirror.document is not None),
        )
        self._counts: Counter[str] = Counter()
        self._num_events = 0
        self._last_time_ms: float | None = None
        self._signature: frozenset[tuple[int, str]] | None = None
        self._num_repeats = 0
        self._last_page_ids: list[list[int]] = []

    def write(self, time_ms: float, event: Event) -> None:
        """Writes one event and brings the state up to date."""
        self._num_events += 1
        self._page.tick(time_ms)
        if self._is_repeat(event):
            self._num_repeats += 1
            self._counts["joined repeats"] += 1
            return
        self._end_repeats()
        match event:
            case FullSnapshotEvent():
                self._write_snapshot(time_ms, event)
            case IncrementalEvent():
                self._write_incremental(time_ms, event.data)
            case MetaEvent():
                self._write_meta(time_ms, event)
            case CustomEvent():
                self._write_custom(time_ms, event)
            case PluginEvent():
                ids = plugin_ids(event.data.plugin, event.data.payload)
                self._write_parts(time_ms, _ID["[EV_Plugin]"], ids)
            case DomContentLoadedEvent():
                self._write_parts(time_ms, _ID["[EV_DomContentLoaded]"], [])
            case LoadEvent():
                self._write_parts(time_ms, _ID["[EV_Load]"], [])
            case AssetEvent():
                self._write_parts(time_ms, _ID["[EV_Asset]"], [])
            case UnknownEvent():
                self._counts["unknown events"] += 1
                is_incremental = event.event_type == EventType.IncrementalSnapshot
                head = _ID["[EV_Incremental]" if is_incremental else "[EV_UNKNOWN]"]
                self._write_parts(time_ms, head, [])

    def finish(self) -> EncodedSession:
        """Ends the session."""
        self._end_repeats()
        return self._chapters.finish(self._num_events, dict(self._counts))

    def _delta(self, time_ms: float) -> int:
        delta_ms = 0.0 if self._last_time_ms is None else time_ms - self._last_time_ms
        self._last_time_ms = time_ms
        return _DT_NEG + time_to_bin(delta_ms)

    def _write_parts(self, time_ms: float, head: int, parts: list[Any]) -> None:
        self._chapters.write_event([head, self._delta(time_ms), *parts], time_ms)

    # Repeated looks: one event and a count.

    def _is_repeat(self, event: Event) -> bool:
        """Whether an event changes just the looks that the event before it changed."""
        signature = None
        if isinstance(event, IncrementalEvent) and isinstance(event.data, MutationData):
            signature = style_signature(event.data)
        is_repeat = signature is not None and signature == self._signature
        if is_repeat and isinstance(event, IncrementalEvent):
            self._mirror.apply(event.data)  # type: ignore[arg-type]  # a signature means a mutation
        else:
            self._end_repeats()
        self._signature = signature
        return is_repeat

    def _end_repeats(self) -> None:
        if self._num_repeats:
            count_id = _N_0 + count_to_bin(self._num_repeats)
            self._chapters.append([_ID["[MUT_REPEAT]"], count_id])
            self._num_repeats = 0

    # Pages.

    def _write_meta(self, time_ms: float, event: MetaEvent) -> None:
        is_new = self._page.visit(event.data.href)
        self._page.resize(event.data.width, event.data.height)
        self._elements.page_host = self._page.host
        ids = [_ID["[NAV]"]] if is_new else []
        self._write_parts(
            time_ms, _ID["[EV_Meta]"], [*ids, *self._page.url_ids(), *self._page.viewport_ids()]
        )

    def _write_snapshot(self, time_ms: float, event: FullSnapshotEvent) -> None:
        document = event.data.node
        self._mirror.reset(document)
        self._page.leave_document(event.data.initial_offset.top)
        subtree = self._elements.subtree(document, MAX_SNAPSHOT_IDS)
        self._counts["elided nodes"] += subtree.num_elided
        head = [
            _ID["[EV_FullSnapshot]"],
            self._delta(time_ms),
            _N_0 + count_to_bin(len(self._mirror)),
        ]
        self._chapters.forget_references()
        if subtree.nodes == self._last_page_ids:
            self._chapters.write_event([*head, _ID["[SNAP_SAME]"]], time_ms)
        else:
            self._chapters.write_long_event([head, *subtree.nodes], time_ms)
        self._last_page_ids = subtree.nodes

    def _write_custom(self, time_ms: float, event: CustomEvent) -> None:
        ids = custom_ids(event.data.tag, event.data.payload, self._text_encoder)
        payload = event.data.payload
        href = payload.get("href", payload.get("url")) if isinstance(payload, dict) else None
        if isinstance(href, str) and self._page.visit(href):
            self._elements.page_host = self._page.host
            ids += [_ID["[NAV]"], *self._page.url_ids()]
        self._write_parts(time_ms, _ID["[EV_Custom]"], ids)

    # Changes and actions.

    def _write_incremental(self, time_ms: float, data: Any) -> None:
        match data:
            case MutationData():
                parts, num_unknown = self._mutations.apply(data)
                self._counts["unknown targets"] += num_unknown
                self._write_parts(time_ms, _ID["[IS_Mutation]"], parts)
            case MovesData():
                self._write_moves(time_ms, data)
            case MouseInteractionData():
                self._write_interaction(time_ms, data)
            case ScrollData():
                self._write_parts(time_ms, _ID["[IS_Scroll]"], self._scroll(data))
            case InputData():
                self._write_parts(time_ms, _ID["[IS_Input]"], self._input(data))
            case ViewportResizeData():
                self._page.resize(data.width, data.height)
                self._write_parts(time_ms, _ID["[IS_ViewportResize]"], self._page.viewport_ids())
            case MediaInteractionData():
                self._write_media(time_ms, data)
            case _:
                self._write_rare(time_ms, data)

    def _write_moves(self, time_ms: float, moves: MovesData) -> None:
        if not moves.positions:
            self._counts["empty batches"] += 1
            return
        parts: list[Part] = [*stroke_ids(moves.positions, self._page.pointer)]
        last = moves.positions[-1]
        self._page.pointer = (last.x, last.y)
        parts += place_ids(last.x, last.y, self._page.width_px, self._page.height_px)
        if last.id != self._page.hovered_id:
            self._page.hovered_id = last.id
            parts.append(Target(last.id))
        self._write_parts(time_ms, _MOVE_HEADS[type(moves)], parts)

    def _write_interaction(self, time_ms: float, action: MouseInteractionData) -> None:
        group = _GROUP["MouseInteractions"]
        is_known = 0 <= action.type < len(group.tokens)
        head = group.start + action.type if is_known else _ID["[IS_MouseInteraction]"]
        parts: list[Part] = [Target(action.id, with_tag=True)]
        if action.x is not None and action.y is not None:
            parts += place_ids(action.x, action.y, self._page.width_px, self._page.height_px)
            self._page.pointer = (action.x, action.y)
        pointers = _GROUP["PointerTypes"]
        if action.pointer_type is not None and 0 <= action.pointer_type < len(pointers.tokens):
            parts.append(pointers.start + action.pointer_type)
        self._write_parts(time_ms, head, parts)

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
        tag = "" if node is None else node.tag_name.lower()
        if node is not None and node.attributes.get("type") in _CHOICE_TYPES:
            parts.append(_ID["[IN_CHECKED]" if field.is_checked else "[IN_UNCHECKED]"])
        elif tag == "select" and node is not None:
            values = [option.attributes.get("value") for option in node.child_nodes]
            place = values.index(field.text) if field.text in values else len(values)
            parts.append(_NTH_0 + sibling_to_bin(place))
        else:
            parts += value_ids(field.text)
            parts.append(_ID[self._page.edit_kind(field.id, field.text)])
        if field.user_triggered is not None:
            parts.append(_ID["[IN_USER]" if field.user_triggered else "[IN_PROG]"])
        return parts

    def _write_media(self, time_ms: float, media: MediaInteractionData) -> None:
        group = _GROUP["MediaInteractions"]
        is_known = 0 <= media.type < len(group.tokens)
        head = group.start + media.type if is_known else _ID["[IS_MediaInteraction]"]
        parts: list[Part] = [Target(media.id, with_tag=True)]
        if media.current_time is not None:
            parts.append(_N_0 + count_to_bin(media.current_time))
        if media.volume is not None:
            parts.append(_N_0 + count_to_bin(round(media.volume * 100)))
        if media.playback_rate is not None:
            parts.append(_N_0 + count_to_bin(media.playback_rate))
        self._write_parts(time_ms, head, parts)

    def _write_rare(self, time_ms: float, data: Any) -> None:
        head, parts = self._rare(data)
        self._write_parts(time_ms, _ID[head], parts)

    def _rare(self, data: Any) -> tuple[str, list[Part]]:
        """Head and parts of the sources whose content is never text."""
        match data:
            case StyleSheetRuleData():
                num_rules = len(data.adds or ()), len(data.removes or ())
                return "[IS_StyleSheetRule]", [_N_0 + count_to_bin(n) for n in num_rules]
            case StyleDeclarationData():
                changed = data.set or data.remove
                style = f"{changed.property}: 0" if changed is not None else ""
                return "[IS_StyleDeclaration]", [_ID["[MUT_STYLE]"], *style_classes(style)]
            case CanvasMutationData():
                contexts = _GROUP["CanvasContext"]
                context = data.type if 0 <= data.type < len(contexts.tokens) else 0
                num_commands = 1 if data.commands is None else len(data.commands)
                return "[IS_CanvasMutation]", [
                    contexts.start + context,
                    _N_0 + count_to_bin(num_commands),
                ]
            case SelectionData():
                parts: list[Part] = [_N_0 + count_to_bin(len(data.ranges))]
                parts += [Target(data.ranges[0].start)] if data.ranges else []
                return "[IS_Selection]", parts
            case AdoptedStyleSheetData():
                return "[IS_AdoptedStyleSheet]", [_N_0 + count_to_bin(len(data.style_ids))]
            case CustomElementData():
                name = data.define.name if data.define is not None else ""
                return "[IS_CustomElement]", [*self._text_encoder.encode(name, 4)[0]]
            case LogData():
                return "[IS_Log]", [_ID.get(f"[CON_{data.level}]", _ID["[CON_log]"])]
            case FontData():
                return "[IS_Font]", []
        raise AssertionError(f"no rule for {type(data).__name__}")
