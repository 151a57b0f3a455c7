"""Typed events -> structural tokens and text: a session as ids with keyframes.

An event is its head token, a time delta, then its fields; the most specific head wins. Targets are
references (see `references`), pages are written in document order (see `dom`), what people and
scripts do is in `actions`, how the DOM changes in `mutations`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from rrweb_tokenizer.actions import ActionWriter
from rrweb_tokenizer.attributes import AttributeWriter
from rrweb_tokenizer.chapters import ChapterWriter, EncodedSession, Part
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.dom import NODE_MEMO_BYTES, ElementWriter
from rrweb_tokenizer.enums import EventType
from rrweb_tokenizer.incremental import MovesData, MutationData
from rrweb_tokenizer.memo import IdsMemo
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.mutations import MutationWriter
from rrweb_tokenizer.pages import PageState
from rrweb_tokenizer.plugins import annotation_ids, asset_ids, custom_ids, plugin_ids
from rrweb_tokenizer.quantize import count_to_bin, time_to_bin
from rrweb_tokenizer.references import References
from rrweb_tokenizer.repeats import repeat_signature
from rrweb_tokenizer.schema import (
    AnnotationEvent,
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
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder
from rrweb_tokenizer.timeline import in_true_time_order
from rrweb_tokenizer.trees import copy_tree
from rrweb_tokenizer.urls import UrlWriter

__all__ = ["MAX_SNAPSHOT_IDS", "EncodedSession", "Serializer", "copy_events", "serialize"]

MAX_SNAPSHOT_IDS: Final = 1_536

_ID = STRUCTURAL_IDS
_DT_0: Final = _ID["[DT_0]"]
_N_0: Final = _ID["[N_0]"]


class Serializer:
    """Writes sessions as ids; what repeats between sessions comes from bounded memos.

    Args:
        text_encoder: turns text into ids.
    """

    def __init__(self, text_encoder: TextEncoder) -> None:
        self.text_encoder = text_encoder
        self.urls = UrlWriter(text_encoder)
        self.attributes = AttributeWriter(text_encoder, self.urls)
        self.memo = IdsMemo(NODE_MEMO_BYTES)

    @paused_collection()
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


class _Window:
    """One browser window (tab) of a session: its document, page and recently used nodes.

    Node ids of different windows clash, so nothing is shared between them.
    """

    def __init__(self, shared: Serializer, tab: int) -> None:
        self.mirror = Mirror()
        self.page = PageState(shared.urls, tab)
        self.elements = ElementWriter(shared.text_encoder, shared.attributes, shared.memo)
        self.mutations = MutationWriter(self.mirror, self.elements)
        self.actions = ActionWriter(self.mirror, self.page, shared.text_encoder)
        self.references = References(self.mirror, self.elements)
        self.last_page_ids: list[list[int]] = []

    def visit(self, url: str) -> bool:
        """Goes to a page; True when it is another one than before."""
        is_new = self.page.visit(url)
        self.elements.page_host = self.page.host
        return is_new


class _SessionWriter:
    """Writes one session, event by event."""

    def __init__(self, shared: Serializer) -> None:
        self._shared = shared
        self._window = _Window(shared, 0)
        self._windows: dict[Hashable, _Window] = {}
        self._chapters = ChapterWriter(self._window.references, self._keyframe)
        self._counts: Counter[str] = Counter()
        self._num_events = 0
        self._start_ms: float | None = None
        self._now_ms = 0.0
        self._written_ms: float | None = None
        self._signature: Hashable | None = None
        self._num_repeats = 0

    def write(self, time_ms: float, event: Event) -> None:
        """Writes one event and brings the state up to date."""
        self._num_events += 1
        self._start_ms = time_ms if self._start_ms is None else self._start_ms
        self._now_ms = time_ms
        self._enter_window(event.window_id)
        if self._is_repeat(event):
            self._num_repeats += 1
            self._counts["joined repeats"] += 1
            return
        match event:
            case FullSnapshotEvent():
                self._write_snapshot(event)
            case IncrementalEvent():
                self._write_incremental(event.data)
            case MetaEvent():
                self._write_meta(event)
            case CustomEvent():
                self._write_custom(event)
            case _:
                self._write_other(event)

    def finish(self) -> EncodedSession:
        """Ends the session."""
        self._end_repeats()
        return self._chapters.finish(self._num_events, dict(self._counts))

    def _write_parts(self, head: str | int, parts: Sequence[Part]) -> None:
        head_id = _ID[head] if isinstance(head, str) else head
        self._chapters.write_event([head_id, self._delta(), *parts], self._now_ms)

    def _delta(self) -> int:
        delta_ms = 0.0 if self._written_ms is None else self._now_ms - self._written_ms
        self._written_ms = self._now_ms
        return _DT_0 + time_to_bin(delta_ms)

    def _keyframe(self) -> list[int]:
        elapsed_ms = 0.0 if self._start_ms is None else self._now_ms - self._start_ms
        return self._window.page.keyframe(
            elapsed_ms,
            is_one_of_several=len(self._windows) > 1,
            has_page=self._window.mirror.document is not None,
        )

    # Several windows in one stream.

    def _enter_window(self, window_id: Any) -> None:
        """Turns to the window of an event; a change of window is an event of its own.

        An event that names no window belongs to the present one.
        """
        if not isinstance(window_id, str | int | float):
            return
        window = self._windows.get(window_id)
        if window is None:
            # The first window is there from the start, before its name is known.
            is_first = not self._windows
            window = self._window if is_first else _Window(self._shared, len(self._windows))
            self._windows[window_id] = window
        if window is not self._window:
            self._end_repeats()
            self._window = window
            self._chapters.use_references(window.references)
            self._write_parts("[TAB]", window.page.tab_ids()[1:])

    # Runs of events that do the same: one event and a count.

    def _is_repeat(self, event: Event) -> bool:
        """Whether an event does just what the event before it did; its effect is applied here."""
        signature = repeat_signature(event)
        if signature is None or signature != self._signature:
            self._end_repeats()
            self._signature = signature
            return False
        if isinstance(event, IncrementalEvent) and isinstance(event.data, MutationData):
            self._counts["unknown targets"] += self._window.mirror.apply(event.data)
        return True

    def _end_repeats(self) -> None:
        if self._num_repeats:
            count_id = _N_0 + count_to_bin(self._num_repeats)
            self._chapters.append([_ID["[MUT_REPEAT]"], count_id])
        self._num_repeats = 0
        self._signature = None

    # Pages.

    def _write_meta(self, event: MetaEvent) -> None:
        is_new = self._window.visit(event.data.href)
        page = self._window.page
        page.resize(event.data.width, event.data.height)
        ids = [_ID["[NAV]"]] if is_new else []
        self._write_parts("[EV_Meta]", [*ids, *page.url_ids(), *page.viewport_ids()])

    def _write_snapshot(self, event: FullSnapshotEvent) -> None:
        window = self._window
        document, offset = event.data.node, event.data.initial_offset
        window.mirror.reset(document)
        window.page.open_document(document.id, offset.left, offset.top)
        subtree = window.elements.subtree(document, MAX_SNAPSHOT_IDS, is_page=True)
        self._counts["elided nodes"] += subtree.num_elided
        head = [_ID["[EV_FullSnapshot]"], self._delta(), _N_0 + count_to_bin(len(window.mirror))]
        window.references.clear()
        if subtree.nodes == window.last_page_ids:
            self._chapters.write_event([*head, _ID["[SNAP_SAME]"]], self._now_ms)
        else:
            self._chapters.write_long_event([head, *subtree.nodes], self._now_ms)
        window.last_page_ids = subtree.nodes

    def _write_custom(self, event: CustomEvent) -> None:
        payload = event.data.payload
        ids = custom_ids(event.data.tag, payload, self._shared.text_encoder)
        href = payload.get("href", payload.get("url")) if isinstance(payload, dict) else None
        if isinstance(href, str) and self._window.visit(href):
            ids += [_ID["[NAV]"], *self._window.page.url_ids()]
        self._write_parts("[EV_Custom]", ids)

    # Changes, actions and the rest.

    def _write_incremental(self, data: Any) -> None:
        if isinstance(data, MutationData):
            parts, num_unknown = self._window.mutations.apply(data)
            self._counts["unknown targets"] += num_unknown
            self._write_parts("[IS_Mutation]", parts)
        elif isinstance(data, MovesData) and not data.positions:
            self._counts["empty batches"] += 1
        else:
            self._write_parts(*self._window.actions.write(data))

    def _write_other(self, event: Event) -> None:
        text_encoder = self._shared.text_encoder
        match event:
            case PluginEvent(data=plugin):
                ids = plugin_ids(plugin.plugin, plugin.payload, text_encoder)
                self._write_parts("[EV_Plugin]", ids)
            case AssetEvent():
                self._write_parts("[EV_Asset]", asset_ids(event.data))
            case AnnotationEvent():
                self._write_parts("[EV_Annotation]", annotation_ids(event.data, text_encoder))
            case DomContentLoadedEvent():
                self._write_parts("[EV_DomContentLoaded]", [])
            case LoadEvent():
                self._write_parts("[EV_Load]", [])
            case UnknownEvent():
                self._counts["unknown events"] += 1
                is_incremental = event.event_type == EventType.IncrementalSnapshot
                self._write_parts("[EV_Incremental]" if is_incremental else "[EV_UNKNOWN]", [])
