"""Custom and plugin events -> ids: their tag as text, payload keys only, states as tokens."""

from __future__ import annotations

from typing import Any, Final

from rrweb_tokenizer.quantize import count_to_bin
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder

__all__ = ["custom_ids", "plugin_ids"]

_MAX_TAG_PIECES: Final = 8
_MAX_KEYS: Final = 6
_MAX_KEY_PIECES: Final = 3
_MAX_REQUESTS: Final = 6

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
_LEVELS: Final = {"log": "log", "info": "info", "warn": "warn", "error": "error", "debug": "debug"}


def custom_ids(tag: str, payload: Any, text_encoder: TextEncoder) -> list[int]:
    """A custom event's tag as text, a page-visibility state, and its payload's keys."""
    ids = text_encoder.encode(tag, _MAX_TAG_PIECES)[0]
    state = f"{tag} {payload if isinstance(payload, str) else ''}".lower()
    if "hidden" in state or "blur" in state or "idle" in state:
        ids = [*ids, STRUCTURAL_IDS["[VIS_HIDDEN]"]]
    elif "visib" in state or "focus" in state:
        ids = [*ids, STRUCTURAL_IDS["[VIS_VISIBLE]"]]
    if isinstance(payload, dict):
        for key in list(payload)[:_MAX_KEYS]:
            pieces = text_encoder.encode(str(key), _MAX_KEY_PIECES)[0]
            ids = [*ids, STRUCTURAL_IDS["[VAL]"], *pieces]
    return list(ids)


def plugin_ids(plugin: str, payload: Any) -> list[int]:
    """What rrweb's console and network plugins recorded, as levels, methods and statuses."""
    if not isinstance(payload, dict):
        return []
    if plugin.startswith("rrweb/console"):
        level = _LEVELS.get(str(payload.get("level")), "log")
        return [STRUCTURAL_IDS[f"[CON_{level}]"]]
    requests = payload.get("requests")
    if not isinstance(requests, list):
        return []
    known = [request for request in requests if isinstance(request, dict)]
    ids = [STRUCTURAL_IDS["[N_0]"] + count_to_bin(len(known))]
    for request in known[:_MAX_REQUESTS]:
        ids += _request(request)
    return ids


def _request(request: dict[str, Any]) -> list[int]:
    method = _METHODS.get(str(request.get("method") or "GET").upper(), "[NET_OTHER]")
    initiator = _INITIATORS.get(str(request.get("initiatorType")), "[NI_resource]")
    status = request.get("status", request.get("responseStatus"))
    family = int(status) // 100 if isinstance(status, int | float) else 0
    outcome = f"[NET_{family}xx]" if 2 <= family <= 5 else "[NET_FAIL]"
    return [STRUCTURAL_IDS[name] for name in (method, initiator, outcome)]
