"""rrweb's nodes and the `data` of its incremental events, as msgspec Structs (one a source)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

__all__ = [
    "AddedNode",
    "AdoptedStyleSheetData",
    "CanvasMutationData",
    "ChangedAttributes",
    "ChangedText",
    "CustomElementData",
    "CustomElementDefinition",
    "DragData",
    "FontData",
    "IncrementalData",
    "InputData",
    "LogData",
    "MediaInteractionData",
    "MouseInteractionData",
    "MouseMoveData",
    "MovesData",
    "MutationData",
    "Node",
    "Position",
    "RemovedNode",
    "ScrollData",
    "SelectionData",
    "SelectionRange",
    "StyleDeclarationData",
    "StyleProperty",
    "StyleSheetRuleData",
    "TouchMoveData",
    "ViewportResizeData",
]


class Node(Struct, rename="camel", gc=False):
    """A serialised DOM node, its children within. The mirror keeps these very objects.

    Python's collector does not look at nodes: no node may stand below itself.
    """

    type: int
    id: int
    tag_name: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    child_nodes: list[Node] = field(default_factory=list)
    text_content: str | None = None
    is_svg: bool = field(default=False, name="isSVG")
    is_shadow: bool = False
    is_shadow_host: bool = False
    need_block: bool = False


class Position(Struct, rename="camel", gc=False):
    """One position of a batch of moves; `time_offset` (ms, usually <= 0) counts from the event."""

    x: float
    y: float
    id: int = 0
    time_offset: float = 0.0


class AddedNode(Struct, rename="camel", gc=False):
    """A node added below `parent_id`, before `next_id` (None: as the last child)."""

    parent_id: int
    node: Node
    next_id: int | None = None
    previous_id: int | None = None


class RemovedNode(Struct, rename="camel", gc=False):
    """A node taken out of the document, with all below it."""

    id: int
    parent_id: int | None = None


class ChangedAttributes(Struct):
    """New attribute values of a node; None removes one, `style` may be an object of properties."""

    id: int
    attributes: dict[str, Any]


class ChangedText(Struct):
    """A text node's new text."""

    id: int
    value: str | None = None


class _Data(Struct, tag_field="source", rename="camel"):
    """Base of the `data` of incremental events."""


class MutationData(_Data, tag=0):
    """Changes of the DOM; applied in the order removes, adds, texts, attributes."""

    adds: list[AddedNode] = field(default_factory=list)
    removes: list[RemovedNode] = field(default_factory=list)
    texts: list[ChangedText] = field(default_factory=list)
    attributes: list[ChangedAttributes] = field(default_factory=list)
    is_attach_iframe: bool = False


class MovesData(_Data):
    """Base of the three batches of positions."""

    positions: list[Position] = field(default_factory=list)


class MouseMoveData(MovesData, tag=1):
    """Positions of the mouse."""


class MouseInteractionData(_Data, tag=2):
    """A click, focus, touch or the like."""

    type: int
    id: int
    x: float | None = None
    y: float | None = None
    pointer_type: int | None = None


class ScrollData(_Data, tag=3):
    """The scroll offset of a node (the document's id for the page), px."""

    id: int
    x: float
    y: float


class ViewportResizeData(_Data, tag=4):
    """The viewport's new size, px."""

    width: float
    height: float


class InputData(_Data, tag=5):
    """The new value or state of a form field."""

    id: int
    text: str = ""
    is_checked: bool = False
    user_triggered: bool | None = None


class TouchMoveData(MovesData, tag=6):
    """Positions of a finger."""


class MediaInteractionData(_Data, tag=7):
    """Play, pause, seek, volume or rate of a media element."""

    type: int
    id: int
    current_time: float | None = None
    volume: float | None = None
    muted: bool | None = None
    playback_rate: float | None = None


class StyleSheetRuleData(_Data, tag=8):
    """CSS rules added, removed or replaced; their text is never read."""

    id: int | None = None
    style_id: int | None = None
    adds: list[msgspec.Raw] | None = None
    removes: list[msgspec.Raw] | None = None
    replace: str | None = None
    replace_sync: str | None = None


class CanvasMutationData(_Data, tag=9):
    """Drawing commands; only their number is read."""

    id: int
    type: int = 0
    commands: list[msgspec.Raw] | None = None


class FontData(_Data, tag=10):
    """A font face was loaded."""

    family: str = ""


class LogData(_Data, tag=11):
    """A console message in the form of old recorders."""

    level: str = ""


class DragData(MovesData, tag=12):
    """Positions of the mouse while something is dragged."""


class StyleProperty(Struct):
    """A CSS property set or removed by a script; the value tells hiding from showing."""

    property: str = ""
    value: str | None = None


class StyleDeclarationData(_Data, tag=13):
    """One declaration of a style rule changed."""

    id: int | None = None
    style_id: int | None = None
    set: StyleProperty | None = None
    remove: StyleProperty | None = None


class SelectionRange(Struct, rename="camel"):
    """A selected range between two nodes; offsets count characters."""

    start: int
    end: int
    start_offset: int = 0
    end_offset: int = 0


class SelectionData(_Data, tag=14):
    """What is selected; an empty list clears the selection."""

    ranges: list[SelectionRange] = field(default_factory=list)


class AdoptedStyleSheetData(_Data, tag=15):
    """Constructed style sheets adopted by a document or shadow root."""

    id: int
    style_ids: list[int] = field(default_factory=list)


class CustomElementDefinition(Struct):
    """The name under which a custom element was defined."""

    name: str = ""


class CustomElementData(_Data, tag=16):
    """A custom element was defined."""

    define: CustomElementDefinition | None = None


IncrementalData = (
    MutationData
    | MouseMoveData
    | MouseInteractionData
    | ScrollData
    | ViewportResizeData
    | InputData
    | TouchMoveData
    | MediaInteractionData
    | StyleSheetRuleData
    | CanvasMutationData
    | FontData
    | LogData
    | DragData
    | StyleDeclarationData
    | SelectionData
    | AdoptedStyleSheetData
    | CustomElementData
)
