"""Custom, plugin, asset and annotation events -> ids: tags as text, payload keys, states as tokens.

What a page's own code hands over as a payload may be anything, so its values are never read; the
console and network plugins' levels, methods, statuses and durations are.
"""

from __future__ import annotations

from typing import Any, Final

from rrweb_tokenizer.quantize import count_to_bin, time_to_bin
from rrweb_tokenizer.schema import AnnotationData, AssetData
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder
from rrweb_tokenizer.urls import resource_kind

__all__ = ["annotation_ids", "asset_ids", "console_level", "custom_ids", "level_id", "plugin_ids"]

_MAX_TAG_PIECES: Final = 8
_MAX_KEYS: Final = 6
_MAX_KEY_PIECES: Final = 3
_MAX_REQUESTS: Final = 6
_MAX_NOTE_PIECES: Final = 16
_CONSOLE: Final = "rrweb/console"

_N_0: Final = STRUCTURAL_IDS["[N_0]"]
_DT_0: Final = STRUCTURAL_IDS["[DT_0]"]
_TXT: Final = STRUCTURAL_IDS["[TXT]"]
_VAL: Final = STRUCTURAL_IDS["[VAL]"]
_METHODS: Final = {
    "GET": "[NET_GET]",
    "POST": "[NET_POST]",
    "PUT": "[NET_PUT_PATCH]",
    "PATCH": "[NET_PUT_PATCH]",
    "DELETE": "[NET_DELETE]",
}
_INITIATORS: Final = {
    "fetch": "[NI_fetch_xhr]",
    "xmlhttprequest": "[NI_fetch_xhr]",
    "navigation": "[NI_navigation]",
    "beacon": "[NI_beacon_ping]",
    "ping": "[NI_beacon_ping]",
}
# The console's other methods, by what they are to a reader.
_LEVELS: Final = {
    "info": "info",
    "warn": "warn",
    "error": "error",
    "assert": "error",
    "debug": "debug",
    "trace": "debug",
}


def custom_ids(tag: str, payload: Any, text_encoder: TextEncoder) -> list[int]:
    """A custom event's tag as text, a page-visibility state, and its payload's keys."""
    ids = list(text_encoder.encode(tag, _MAX_TAG_PIECES)[0])
    state = f"{tag} {payload if isinstance(payload, str) else ''}".lower()
    if "hidden" in state or "blur" in state or "idle" in state:
        ids.append(STRUCTURAL_IDS["[VIS_HIDDEN]"])
    elif "visib" in state or "focus" in state:
        ids.append(STRUCTURAL_IDS["[VIS_VISIBLE]"])
    return ids + _keys(payload, text_encoder)


def plugin_ids(plugin: str, payload: Any, text_encoder: TextEncoder) -> list[int]:
    """What rrweb's console and network plugins recorded; of other plugins name and payload keys."""
    level = console_level(plugin, payload)
    if level is not None:
        arguments = payload.get("payload")
        num_arguments = len(arguments) if isinstance(arguments, list) else 1
        return [level, _N_0 + count_to_bin(num_arguments)]
    requests = payload.get("requests") if isinstance(payload, dict) else None
    if isinstance(requests, list):
        known = [request for request in requests if isinstance(request, dict)]
        ids = [_N_0 + count_to_bin(len(known))]
        for request in known[:_MAX_REQUESTS]:
            ids += _request(request)
        return ids
    return list(text_encoder.encode(plugin, _MAX_TAG_PIECES)[0]) + _keys(payload, text_encoder)


def console_level(plugin: str, payload: Any) -> int | None:
    """The `[CON_*]` id of a console plugin's message; None for what is no console message."""
    if plugin.startswith(_CONSOLE) and isinstance(payload, dict):
        return level_id(str(payload.get("level")))
    return None


def level_id(level: str) -> int:
    """The `[CON_*]` id of a console method; `[CON_log]` for those that only print."""
    return STRUCTURAL_IDS[f"[CON_{_LEVELS.get(level, 'log')}]"]


def asset_ids(asset: AssetData) -> list[int]:
    """What kind of asset it is, and how it failed where it did."""
    ids = [resource_kind(asset.url)]
    return ids if asset.failed is None else [*ids, _outcome(asset.failed.status)]


def annotation_ids(note: AnnotationData, text_encoder: TextEncoder) -> list[int]:
    """A note's kind and its text."""
    ids = list(text_encoder.encode(note.type, _MAX_TAG_PIECES)[0])
    if isinstance(note.text, str) and note.text:
        pieces = text_encoder.encode(note.text, _MAX_NOTE_PIECES)[0]
        ids += [_TXT, *pieces] if pieces else []
    return ids


def _keys(payload: Any, text_encoder: TextEncoder) -> list[int]:
    ids: list[int] = []
    if isinstance(payload, dict):
        for key in list(payload)[:_MAX_KEYS]:
            ids += [_VAL, *text_encoder.encode(str(key), _MAX_KEY_PIECES)[0]]
    return ids


def _request(request: dict[str, Any]) -> list[int]:
    """Method, initiator and outcome of a request, and how long it took where that is known."""
    method = _METHODS.get(str(request.get("method") or "GET").upper(), "[NET_OTHER]")
    initiator = _INITIATORS.get(str(request.get("initiatorType")), "[NI_resource]")
    status = request.get("status", request.get("responseStatus"))
    ids = [STRUCTURAL_IDS[method], STRUCTURAL_IDS[initiator], _outcome(status)]
    duration_ms = request.get("duration")
    if isinstance(duration_ms, int | float) and not isinstance(duration_ms, bool):
        ids.append(_DT_0 + time_to_bin(duration_ms))
    return ids


def _outcome(status: Any) -> int:
    """The `[NET_*]` id of an HTTP status; `[NET_FAIL]` where there is none to speak of."""
    is_status = isinstance(status, int | float) and 200 <= status < 600
    return STRUCTURAL_IDS[f"[NET_{int(status) // 100}xx]" if is_status else "[NET_FAIL]"]
