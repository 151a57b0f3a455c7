"""PostHog: `cv` fields of its events, its API's answers, its exports, its stored rows.

Known shapes::

    {"result": [events]}                                                        API, 2020
    {"result": {"snapshots": [events], "person": {}}}                           API, early 2021
    {"next": url, "snapshot_data_by_window_id": {"<window>": [events]}}         API, 2021 to 2023
    {"version": "2022-12-02", "data": {"person": {}, "snapshotsByWindowId": {"<window>": [..]}}}
    {"version": "2023-04-28", "data": {"id", "person", "snapshots": [{windowId, ...event}]}}
    {"window_id": "..", "data": [events]}                                       a line of a blob
    ["<window>", {event}]                                                       a row of a block
    {"event": "$snapshot", "properties": {"$snapshot_data", "$window_id", ...}} what browsers send
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rrweb_tokenizer.forms.found import (
    DECODE_ERRORS,
    decode_elements,
    decode_members,
    decode_text,
    is_json,
    scalar_fields,
    starts_with,
)
from rrweb_tokenizer.forms.packed import Expander, PackedError

__all__ = ["capture_of", "expand_event", "window_lists", "window_row"]

_PACKED_MEMBERS: Final = ("adds", "removes", "texts", "attributes")
_WINDOW_MAPS: Final = ("snapshot_data_by_window_id", "snapshotsByWindowId")
_encode: Final = msgspec.json.Encoder().encode


def expand_event(event: bytes, expander: Expander) -> bytes:
    """An event whose packed members are unpacked; one that is damaged or not packed as it is.

    All of `data` is packed in a full snapshot; `adds`, `removes`, `texts` and `attributes` are in
    incremental events. The mark `cv` is often left on events that were unpacked since.
    """
    try:
        members = decode_members(event)
        data = members["data"]
        if starts_with(data, b'"'):
            expanded = _encode(members | {"data": _unpacked(data, expander)})
            return expanded if is_json(expanded) else event
        inner = decode_members(data)
        packed = [name for name in _PACKED_MEMBERS if name in inner]
        packed = [name for name in packed if starts_with(inner[name], b'"')]
        if not packed:
            return event
        inner |= {name: _unpacked(inner[name], expander) for name in packed}
        expanded = _encode(members | {"data": msgspec.Raw(_encode(inner))})
        return expanded if is_json(expanded) else event
    except (*DECODE_ERRORS, PackedError, KeyError):
        return event


def _unpacked(raw: msgspec.Raw, expander: Expander) -> msgspec.Raw:
    return msgspec.Raw(expander.unpack(decode_text(raw)))


def window_lists(
    members: dict[str, msgspec.Raw],
) -> tuple[dict[str, msgspec.Raw], dict[str, str]] | None:
    """The events' list of each window, and the fields beside; None where it is another shape.

    The window "" stands for a list whose events name their windows themselves.
    """
    fields = scalar_fields(members)
    for outer in ("result", "data"):
        if outer in members and starts_with(members[outer], b"{"):
            members = decode_members(members[outer])
            fields |= scalar_fields(members)
            break
    for name in _WINDOW_MAPS:
        if name in members and starts_with(members[name], b"{"):
            return decode_members(members[name]), fields
    if "snapshots" in members and starts_with(members["snapshots"], b"["):
        return {"": members["snapshots"]}, fields
    if "window_id" in members and "data" in members and starts_with(members["data"], b"["):
        return {str(msgspec.json.decode(members["window_id"])): members["data"]}, fields
    return None


def window_row(elements: list[msgspec.Raw]) -> tuple[str, bytes] | None:
    """The window and the event of a row `["<window>", {event}]`; None where it is none."""
    if len(elements) == 2 and starts_with(elements[0], b'"') and starts_with(elements[1], b"{"):
        return decode_text(elements[0]), bytes(elements[1])
    return None


def capture_of(members: dict[str, msgspec.Raw]) -> tuple[list[bytes], dict[str, str]] | None:
    """The events and the fields of what posthog-js sends; None where it is something else."""
    if "properties" not in members or not starts_with(members["properties"], b"{"):
        return None
    properties = decode_members(members["properties"])
    snapshot: Any = properties.pop("$snapshot_data", None) or properties.pop(
        "$snapshot_items", None
    )
    if snapshot is None:
        return None
    fields = scalar_fields(members) | scalar_fields(properties)
    if starts_with(snapshot, b"["):
        return [bytes(event) for event in decode_elements(snapshot)], fields
    return [bytes(snapshot)], fields
