import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer.enums import EventType, IncrementalSource
from rrweb_tokenizer.incremental import MouseInteractionData
from rrweb_tokenizer.recording import NotARecording, find_events
from rrweb_tokenizer.schema import (
    DomContentLoadedEvent,
    IncrementalEvent,
    UnknownEvent,
    decode_events,
)

CLICK = {"type": 3, "timestamp": 7, "data": {"source": 2, "type": 2, "id": 5, "x": 1, "y": 2.5}}
LOADED = {"type": 0, "timestamp": 5, "data": {}}


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (_bytes([LOADED, CLICK]), "list"),
        (b"\xef\xbb\xbf " + _bytes([LOADED, CLICK]), "list"),
        (_bytes({"events": [LOADED, CLICK], "userId": "u1"}), "wrapper"),
        (_bytes(LOADED) + b"\n" + _bytes(CLICK) + b"\r\n", "lines"),
        (_bytes([LOADED]) + b"\n" + _bytes(CLICK), "lines"),
    ],
)
def test_each_form_gives_the_same_two_events(text: bytes, form: str) -> None:
    found = find_events(text)
    decoded = decode_events(found.parts)
    assert found.form == form
    assert [type(event) for event in decoded.events] == [DomContentLoadedEvent, IncrementalEvent]
    assert decoded.events[1].data == MouseInteractionData(type=2, id=5, x=1.0, y=2.5)
    assert (decoded.num_rejected, decoded.first_error) == (0, None)


def test_scalar_members_beside_the_events_become_fields() -> None:
    wrapper = {"events": [LOADED], "userId": 7, "user": {"id": "u", "tags": []}, "flag": True}
    assert find_events(_bytes(wrapper)).fields == {"userId": "7", "user.id": "u"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"hello", "not JSON"),
        (b"[]", "empty list"),
        (b'{"a": 1}', "without an 'events' list"),
        (b'{"events": {}}', "not a list"),
        (b'{"events": []}', "is empty"),
        (b'[{"type": 0', "not JSON"),
        (b"[" * 100_000, "deep|not JSON"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(NotARecording, match=reason):
        decode_events(find_events(text).parts)


def test_a_stranger_among_events_costs_itself_alone() -> None:
    decoded = decode_events([_bytes([LOADED, {"event": "hi"}, 5, CLICK])])
    assert len(decoded.events) == 2
    assert decoded.num_rejected == 2
    assert decoded.first_error is not None
    assert decoded.first_error.startswith("event 1: ")


def test_future_types_and_sources_become_unknown_events() -> None:
    future = [{"type": 99, "timestamp": 1}, {"type": 3, "timestamp": 2, "data": {"source": 99}}]
    assert decode_events([_bytes(future)]).events == [
        UnknownEvent(timestamp=1.0, event_type=99),
        UnknownEvent(timestamp=2.0, event_type=3),
    ]


def test_unknown_members_and_missing_timestamps_are_tolerated() -> None:
    event = {"type": 0, "data": {"future": 1}, "sessionId": "x"}
    assert decode_events([_bytes([event])]).events == [DomContentLoadedEvent(timestamp=None)]


def test_deep_nesting_is_rejected_not_raised() -> None:
    deep = b'{"type":0,"id":1,"childNodes":[' * 5_000 + b"]}" * 5_000
    event = b'[{"type":2,"timestamp":1,"data":{"node":' + deep + b"}}]"
    with pytest.raises(NotARecording, match="deep"):
        find_events(event)
    decoded = decode_events([event])
    assert (len(decoded.events), decoded.num_rejected) == (0, 1)


def test_the_enums_have_rrwebs_numbers() -> None:
    assert [member.value for member in EventType] == list(range(9))
    assert [member.value for member in IncrementalSource] == list(range(17))
    assert IncrementalSource.Selection == 14


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.lists(json_values | st.fixed_dictionaries({"type": json_values, "data": json_values})))
def test_any_json_list_decodes_or_is_counted(values: list[object]) -> None:
    decoded = decode_events([_bytes(values)])
    assert len(decoded.events) + decoded.num_rejected == len(values)


@given(st.binary(max_size=64))
def test_any_bytes_are_events_or_a_named_reason(text: bytes) -> None:
    with contextlib.suppress(NotARecording):
        decode_events(find_events(text).parts)
