"""Four events, and the forms that recorders and their vendors give them."""

import base64
import gzip
import json
import zlib
from typing import Any

META = {"type": 4, "data": {"href": "http://a.test/", "width": 9, "height": 8}, "timestamp": 1000}
NODE = {"type": 0, "id": 1, "childNodes": []}
SNAPSHOT = {
    "type": 2,
    "data": {"node": NODE, "initialOffset": {"left": 0, "top": 0}},
    "timestamp": 1001,
}
TEXT_CHANGE = {"id": 1, "value": "é"}
MUTATION = {
    "type": 3,
    "timestamp": 1002,
    "data": {"source": 0, "adds": [], "removes": [], "texts": [TEXT_CHANGE], "attributes": []},
}
CLICK = {"type": 3, "timestamp": 1003, "data": {"source": 2, "type": 2, "id": 1, "x": 1, "y": 2}}
EVENTS = [META, SNAPSHOT, MUTATION, CLICK]


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def later(events: list[dict[str, Any]], milliseconds: int) -> list[dict[str, Any]]:
    return [{**event, "timestamp": event["timestamp"] + milliseconds} for event in events]


def latin1(packed: bytes) -> str:
    return packed.decode("latin-1")


def pack(event: dict[str, Any]) -> str:
    """As @rrweb/packer does."""
    return latin1(zlib.compress(dumps({**event, "v": "v1"})))


def cv(event: dict[str, Any]) -> dict[str, Any]:
    """As posthog-js does since 2024: what is large in an event becomes a string of gzip."""

    def squeeze(value: Any) -> str:
        return latin1(gzip.compress(dumps(value)))

    if event["type"] == 2:
        return {**event, "cv": "2024-10", "data": squeeze(event["data"])}
    if event["type"] == 3 and event["data"]["source"] == 0:
        names = ("adds", "removes", "texts", "attributes")
        return {
            **event,
            "cv": "2024-10",
            "data": {**event["data"], **{name: squeeze(event["data"][name]) for name in names}},
        }
    return event


def page_spy(event: dict[str, Any]) -> dict[str, Any]:
    packed = latin1(zlib.compress(dumps({**event, "id": "x"})))
    return {"type": "rrweb-event", "timestamp": event["timestamp"], "data": packed}


def laminar(event: dict[str, Any]) -> dict[str, str]:
    seconds, milliseconds = divmod(event["timestamp"], 1000)
    stamp = f"1970-01-01 00:00:{seconds:02}.{milliseconds:03}"
    data = base64.b64encode(gzip.compress(dumps(event["data"]))).decode()
    return {"text": json.dumps({"type": event["type"], "timestamp": stamp, "data": data})}


def otel_rows(event: dict[str, Any], number: int) -> list[dict[str, Any]]:
    text = dumps(event).decode()
    slices = [text[start : start + 40] for start in range(0, len(text), 40)]
    return [
        {
            "Body": part,
            "LogAttributes": {
                "rr-web.event": str(number),
                "rr-web.chunk": str(n + 1),
                "rr-web.total-chunks": str(len(slices)),
            },
        }
        for n, part in enumerate(slices)
    ]


def openpanel(index: int, events: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "chunk_index": index,
        "events_count": len(events),
        "is_full_snapshot": index == 0,
        "started_at": "2025-11-02T10:30:00Z",
        "ended_at": "2025-11-02T10:31:00Z",
        "payload": json.dumps(events),
    }


def capture(event: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "$snapshot_data": event,
        "$session_id": "s",
        "$window_id": "w",
        "$snapshot_bytes": 9,
    }
    return {"event": "$snapshot", "properties": {**properties, "distinct_id": "jane"}}


def lines(*values: Any) -> bytes:
    return b"".join(dumps(value) + b"\n" for value in values)


def newrelic(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "__newrelic": {"originalTimestamp": 1, "timestampDiff": -96}}
