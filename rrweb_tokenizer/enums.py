"""rrweb's enums, members and values as in rrweb 2.2.2 (`@rrweb/types`, `rrweb-snapshot`)."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "CanvasContext",
    "EventType",
    "IncrementalSource",
    "MediaInteractions",
    "MouseInteractions",
    "NodeType",
    "PointerTypes",
]


class EventType(IntEnum):
    """rrweb's `EventType`."""

    DomContentLoaded = 0
    Load = 1
    FullSnapshot = 2
    IncrementalSnapshot = 3
    Meta = 4
    Custom = 5
    Plugin = 6
    Asset = 7
    Annotation = 8


class IncrementalSource(IntEnum):
    """rrweb's `IncrementalSource`."""

    Mutation = 0
    MouseMove = 1
    MouseInteraction = 2
    Scroll = 3
    ViewportResize = 4
    Input = 5
    TouchMove = 6
    MediaInteraction = 7
    StyleSheetRule = 8
    CanvasMutation = 9
    Font = 10
    Log = 11
    Drag = 12
    StyleDeclaration = 13
    Selection = 14
    AdoptedStyleSheet = 15
    CustomElement = 16


class MouseInteractions(IntEnum):
    """rrweb's `MouseInteractions`."""

    MouseUp = 0
    MouseDown = 1
    Click = 2
    ContextMenu = 3
    DblClick = 4
    Focus = 5
    Blur = 6
    TouchStart = 7
    TouchMove_Departed = 8
    TouchEnd = 9
    TouchCancel = 10


class PointerTypes(IntEnum):
    """rrweb's `PointerTypes`."""

    Mouse = 0
    Pen = 1
    Touch = 2


class MediaInteractions(IntEnum):
    """rrweb's `MediaInteractions`."""

    Play = 0
    Pause = 1
    Seeked = 2
    VolumeChange = 3
    RateChange = 4


class CanvasContext(IntEnum):
    """rrweb's `CanvasContext`."""

    D2 = 0
    WebGL = 1
    WebGL2 = 2


class NodeType(IntEnum):
    """rrweb-snapshot's `NodeType`."""

    Document = 0
    DocumentType = 1
    Element = 2
    Text = 3
    CDATA = 4
    Comment = 5
