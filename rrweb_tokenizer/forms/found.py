"""What a form finds in a recording's text, and the small tools that all forms share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from rrweb_tokenizer.surrogates import without_lone_surrogates

__all__ = [
    "DECODE_ERRORS",
    "FoundSession",
    "NotARecording",
    "decode_elements",
    "decode_members",
    "decode_text",
    "is_json",
    "join_events",
    "scalar_fields",
    "session_id_of",
    "starts_with",
]

DECODE_ERRORS: Final = (msgspec.DecodeError, RecursionError, UnicodeError)
"""What decoding hostile JSON raises."""

_MAX_FIELD_BYTES: Final = 4096
_SESSION_ID_FIELDS: Final = (
    "session_id",
    "sessionId",
    "$session_id",
    "session.id",
    "session_guid",
    "session_secure_id",
    "replay_id",
    "replayId",
    "recording_id",
    "recordingId",
)

decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
"""A JSON list -> its elements, undecoded."""

decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""A JSON object -> its members by name, undecoded."""

decode_text = msgspec.json.Decoder(str).decode
"""A JSON string -> its text."""

_skip = msgspec.json.Decoder(msgspec.Raw).decode


class NotARecording(ValueError):
    """The text has none of the known forms; `reason` says why, without quoting the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSession:
    """A session in a recording's text, found but not decoded."""

    parts: list[bytes]
    """JSON texts, each a list of events or one event, in file order."""

    fields: dict[str, str] = field(default_factory=dict)
    """Scalar members beside the events, one level of nesting as `"user.id"`."""

    form: str
    """Name of the form, for example `"list"`, `"wrapper"`, `"lines"`, `"posthog"`."""

    record: str = ""
    """Which of the text's records it is; empty where the text holds a single one."""

    window: str = ""
    """Which of the record's browser windows it is; empty where there is a single one."""

    segment: int | None = None
    """Its place among the pieces of one session, where the form cuts sessions into pieces."""

    notes: tuple[str, ...] = ()
    """What was odd, but no reason to reject."""


def is_json(text: bytes) -> bool:
    """Whether a text is one JSON value; nothing is decoded."""
    try:
        _skip(text)
    except DECODE_ERRORS:
        return False
    return True


def starts_with(raw: msgspec.Raw | bytes, opening: bytes) -> bool:
    """Whether a JSON value is of the kind that opens with the byte given."""
    return memoryview(raw)[:1] == opening


def join_events(events: Iterable[bytes]) -> list[bytes]:
    """Parts for events that stand apart: one list of the valid ones, each damaged one alone.

    So a list is decoded in one call, and a damaged event costs itself alone.
    """
    valid: list[bytes] = []
    damaged: list[bytes] = []
    for event in events:
        if is_json(event):
            valid.append(event)
        else:
            repaired = without_lone_surrogates(event)
            (valid if is_json(repaired) else damaged).append(repaired)
    return ([b"[" + b",".join(valid) + b"]"] if valid else []) + damaged


def scalar_fields(members: dict[str, msgspec.Raw]) -> dict[str, str]:
    """The strings and numbers among an object's members, one level of nesting as `"user.id"`."""
    fields: dict[str, str] = {}
    for name, raw in members.items():
        if memoryview(raw).nbytes > _MAX_FIELD_BYTES:
            continue
        try:
            value = msgspec.json.decode(raw)
        except DECODE_ERRORS:
            continue
        if isinstance(value, dict):
            fields.update({f"{name}.{k}": str(v) for k, v in value.items() if _is_scalar(v)})
        elif _is_scalar(value):
            fields[name] = str(value)
    return fields


def session_id_of(fields: dict[str, str]) -> str:
    """The id of a session among the fields of its container, "" where none names one."""
    return next((fields[name] for name in _SESSION_ID_FIELDS if fields.get(name)), "")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
