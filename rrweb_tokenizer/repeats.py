"""Which events do just what the event before them did: animations, drawing, style floods.

Such a run is written as one event and `[MUT_REPEAT] [N_k]`, so that a carousel or a canvas that
draws sixty times a second does not fill the windows.
"""

from __future__ import annotations

from collections.abc import Hashable

from rrweb_tokenizer.incremental import (
    AdoptedStyleSheetData,
    CanvasMutationData,
    FontData,
    LogData,
    MutationData,
    StyleDeclarationData,
    StyleSheetRuleData,
)
from rrweb_tokenizer.mutations import style_signature
from rrweb_tokenizer.plugins import console_level
from rrweb_tokenizer.schema import Event, IncrementalEvent, PluginEvent

__all__ = ["repeat_signature"]


def repeat_signature(event: Event) -> Hashable | None:
    """What an event does, where a repetition of it tells nothing new; else None.

    Successive events with equal signatures are a run. What people do never has one.
    """
    if isinstance(event, PluginEvent):
        level = console_level(event.data.plugin, event.data.payload)
        return None if level is None else ("console", level)
    if not isinstance(event, IncrementalEvent):
        return None
    match event.data:
        case MutationData() as mutation:
            return style_signature(mutation)
        case CanvasMutationData(id=node_id, type=context):
            return ("canvas", node_id, context)
        case StyleSheetRuleData(id=node_id, style_id=style_id) as rules:
            return ("rules", node_id, style_id, bool(rules.adds), bool(rules.removes))
        case StyleDeclarationData(id=node_id, style_id=style_id):
            return ("declaration", node_id, style_id)
        case AdoptedStyleSheetData(id=node_id):
            return ("adopted", node_id)
        case FontData():
            return ("font",)
        case LogData() as message:
            return ("log", message.level)
    return None
