"""The text of a recording -> where its events stand.

Three forms are known here: a JSON list of events, an object with an `events` list, JSON Lines.
Nothing is decoded beyond the outermost level; `schema.decode_events` does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from rrweb_tokenizer.surrogates import without_lone_surrogates

__all__ = ["FoundEvents", "NotARecording", "find_events"]

_BOM = b"\xef\xbb\xbf"
_MAX_FIELD_BYTES = 4096
_SPACE = b" \t\r\n"

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class NotARecording(ValueError):
    """The text has none of the known forms; `reason` says why, without quoting the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEvents:
    """Where events stand in a recording's text.

    Attributes:
        parts: JSON texts, each a list of events or one event, in file order.
        fields: scalar members beside the events, one level of nesting as `"user.id"`.
        form: `"list"`, `"wrapper"` or `"lines"`.
    """

    parts: list[bytes]
    fields: dict[str, str] = field(default_factory=dict)
    form: str


def find_events(text: bytes) -> FoundEvents:
    """Finds the events in a recording's JSON text (UTF-8, a byte-order mark is allowed).

    Raises:
        NotARecording: the text is empty, no JSON, or JSON without events.
    """
    text = text.removeprefix(_BOM).strip(_SPACE)
    if not text:
        raise NotARecording("empty")
    if text[:1] not in (b"[", b"{"):
        raise NotARecording("not JSON: it starts with neither '[' nor '{'")
    try:
        if text[:1] == b"[":
            return _from_list(text)
        return _from_object(_decode_object(text), text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        repaired = without_lone_surrogates(text)
        if repaired != text:
            return find_events(repaired)
        return _from_lines(text, error)


def _from_list(text: bytes) -> FoundEvents:
    if not _decode_list(text):
        raise NotARecording("an empty list")
    return FoundEvents(parts=[text], form="list")


def _from_object(members: dict[str, msgspec.Raw], text: bytes) -> FoundEvents:
    events = members.pop("events", None)
    if events is None:
        if "type" in members:  # one bare event
            return FoundEvents(parts=[text], form="lines")
        raise NotARecording("a JSON object without an 'events' list")
    part = bytes(events)
    if part[:1] != b"[":
        raise NotARecording("the member 'events' is not a list")
    if not _decode_list(part):
        raise NotARecording("the list 'events' is empty")
    return FoundEvents(parts=[part], fields=_scalar_fields(members), form="wrapper")


def _from_lines(text: bytes, error: Exception) -> FoundEvents:
    """JSON Lines, told by a first line that is a whole JSON value by itself."""
    lines = [line for line in text.splitlines() if line.strip(_SPACE)]
    if len(lines) > 1:
        try:
            first = msgspec.json.decode(lines[0], type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            first = None
        if first is not None and bytes(first)[:1] in (b"[", b"{"):
            return FoundEvents(parts=lines, form="lines")
    reason = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
    raise NotARecording(reason)


def _scalar_fields(members: dict[str, msgspec.Raw]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, raw in members.items():
        text = bytes(raw)
        if len(text) > _MAX_FIELD_BYTES:
            continue
        value = msgspec.json.decode(text)
        if isinstance(value, dict):
            fields.update(
                {f"{name}.{key}": str(inner) for key, inner in value.items() if _is_scalar(inner)}
            )
        elif _is_scalar(value):
            fields[name] = str(value)
    return fields


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
