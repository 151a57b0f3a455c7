"""Where a session stands: page, viewport, scroll offsets, pointer, what form fields held."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from rrweb_tokenizer.quantize import (
    elapsed_to_bin,
    scroll_depth_to_bin,
    sibling_to_bin,
    viewport_height_to_bin,
    viewport_width_to_bin,
)
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.urls import UrlWriter, resolve

__all__ = ["PageState"]

# Recordings that begin without a Meta event: the viewport most of them have.
_DEFAULT_WIDTH_PX: Final = 1_280.0
_DEFAULT_HEIGHT_PX: Final = 720.0

_URL: Final = STRUCTURAL_IDS["[URL]"]
_EL_0: Final = STRUCTURAL_IDS["[EL_0]"]
_VW_0: Final = STRUCTURAL_IDS["[VW_0]"]
_VH_0: Final = STRUCTURAL_IDS["[VH_0]"]
_SDEPTH_0: Final = STRUCTURAL_IDS["[SDEPTH_0]"]
_TAB: Final = STRUCTURAL_IDS["[TAB]"]
_NTH_0: Final = STRUCTURAL_IDS["[NTH_0]"]
_NO_SNAPSHOT: Final = STRUCTURAL_IDS["[NO_SNAPSHOT]"]
_MAX_URL_IDS: Final = 40


class PageState:
    """What keyframes say, and what events are told relative to.

    Attributes:
        host: the page's host name, empty before the first page.
        width_px: the viewport's width.
        height_px: the viewport's height.
        pointer: where the pointer is (px), None before its first event.
        hovered_id: the node under the pointer, 0 for none.
        tab: the window's number in the order in which windows appear, from 0.
    """

    def __init__(self, urls: UrlWriter, tab: int = 0) -> None:
        self._urls = urls
        self.tab = tab
        self._url = ""
        self.host = ""
        self._is_sized = False
        self.width_px = _DEFAULT_WIDTH_PX
        self.height_px = _DEFAULT_HEIGHT_PX
        self.pointer: tuple[float, float] | None = None
        self.hovered_id = 0
        self._document_id = 1
        self._offsets: dict[int, tuple[float, float]] = {}
        self._lengths: dict[int, int] = {}

    def visit(self, url: str) -> bool:
        """Goes to a page; True when it is another one than before."""
        url = resolve(url, self._url) if self._url else url
        is_new = url != self._url
        self._url = url
        try:
            self.host = urlsplit(url).hostname or ""
        except ValueError:
            self.host = ""
        return is_new

    def open_document(self, document_id: int, left_px: float, top_px: float) -> None:
        """Forgets what belonged to the old document's ids; the new one starts scrolled to here."""
        self._document_id = document_id
        self._offsets = {document_id: (left_px, top_px)}
        self._lengths = {}
        self.hovered_id = 0

    def resize(self, width_px: float, height_px: float) -> None:
        """Sets the viewport; sizes that are not positive are ignored."""
        if width_px > 0 and height_px > 0:
            self.width_px, self.height_px = width_px, height_px
            self._is_sized = True

    def scrolled(self, node_id: int, x_px: float, y_px: float) -> tuple[float, float]:
        """Records a scroll offset and gives the one before it."""
        before = self._offsets.get(node_id, (0.0, 0.0))
        self._offsets[node_id] = (x_px, y_px)
        return before

    def edit_kind(self, node_id: int, text: str) -> str:
        """Which edit a new value is, by its length against the last one: an `[ED_*]` name."""
        before = self._lengths.get(node_id, 0)
        self._lengths[node_id] = len(text)
        if not text:
            return "[ED_CLEARED]"
        if len(text) > before:
            return "[ED_TYPED]"
        return "[ED_DELETED]" if len(text) < before else "[ED_REPLACED]"

    def url_ids(self) -> list[int]:
        """The page's address: `[URL]`, host, path, query keys."""
        return [_URL, *self._urls.write(self._url)[:_MAX_URL_IDS]] if self._url else []

    def viewport_ids(self) -> list[int]:
        """The viewport's size classes: `[VW_*] [VH_*]`."""
        return [
            _VW_0 + viewport_width_to_bin(self.width_px),
            _VH_0 + viewport_height_to_bin(self.height_px),
        ]

    def tab_ids(self) -> list[int]:
        """Which window this is: `[TAB] [NTH_k]`."""
        return [_TAB, _NTH_0 + sibling_to_bin(self.tab)]

    def keyframe(self, elapsed_ms: float, *, is_one_of_several: bool, has_page: bool) -> list[int]:
        """What a chapter opens with, so that it makes sense alone.

        Elapsed time, the window where there are several, the viewport once it is known, how far
        the page is scrolled, its address, and whether its content is known.
        """
        top_px = self._offsets.get(self._document_id, (0.0, 0.0))[1]
        return [
            _EL_0 + elapsed_to_bin(elapsed_ms),
            *(self.tab_ids() if is_one_of_several else ()),
            *(self.viewport_ids() if self._is_sized else ()),
            _SDEPTH_0 + scroll_depth_to_bin(top_px, self.height_px),
            *self.url_ids(),
            *(() if has_page else (_NO_SNAPSHOT,)),
        ]
