"""Forms of JSON text, written as their producers write them, and what hostile ones cost."""

import base64
import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_forms import (
    CLICK,
    EVENTS,
    META,
    MUTATION,
    NODE,
    SNAPSHOT,
    capture,
    cv,
    dumps,
    laminar,
    later,
    latin1,
    lines,
    newrelic,
    openpanel,
    otel_rows,
    pack,
    page_spy,
)

from rrweb_tokenizer.forms.found import DECODE_ERRORS
from rrweb_tokenizer.forms.lines import find_in_lines
from rrweb_tokenizer.forms.packed import Expander
from rrweb_tokenizer.forms.vendors import date_to_ms
from rrweb_tokenizer.recording import (
    NotARecording,
    find_events,
    find_sessions,
)
from rrweb_tokenizer.schema import decode_events

SINGLE_SESSIONS = {
    "list": dumps(EVENTS),
    "pretty list": json.dumps(EVENTS, indent=2).encode(),
    "rrwebdebug": dumps([{**event, "sessionId": "one"} for event in EVENTS]),
    "web extension": dumps({"session": {"id": "i", "name": "n", "tags": []}, "events": EVENTS}),
    "saver": dumps({"sessionId": "s", "events": EVENTS, "eventCount": 4, "truncated": False}),
    "chalk": dumps({"session_guid": "g", "rrweb_data": EVENTS, "metadata": {"environment": {}}}),
    "hopp": dumps(
        {
            "session_recording": {"browser": {}, "console": [], "net": [], "rec": EVENTS},
            "report_info": {},
        }
    ),
    "events as text": dumps({"sessionId": "s", "seq": 0, "events": json.dumps(EVENTS)}),
    "posthog 2020": dumps({"result": EVENTS}),
    "posthog 2021": dumps({"result": {"snapshots": EVENTS, "person": {"id": 7}}}),
    "posthog 2023": dumps({"next": None, "snapshot_data_by_window_id": {"w": EVENTS, "x": []}}),
    "posthog export 2022": dumps(
        {"version": "2022-12-02", "data": {"person": {}, "snapshotsByWindowId": {"w": EVENTS}}}
    ),
    "posthog export 2023": dumps(
        {
            "version": "2023-04-28",
            "data": {"id": "i", "snapshots": [{"windowId": "w", **event} for event in EVENTS]},
        }
    ),
    "posthog player": dumps(
        [{**e, "windowId": "w", "seen": 7, "delay": -0.5, "cv": "2024-10"} for e in EVENTS]
    ),
    "posthog blob": lines(
        {"window_id": "w", "data": EVENTS[:2]}, {"window_id": "w", "data": EVENTS[2:]}
    ),
    "posthog rows": lines(*(["w", event] for event in EVENTS)),
    "posthog list of rows": dumps([["w", event] for event in EVENTS]),
    "posthog cv": dumps([cv(event) for event in EVENTS]),
    "posthog cv rows": lines(*(["w", cv(event)] for event in EVENTS)),
    "posthog capture": lines(*(capture(event) for event in EVENTS)),
    "packer": dumps([pack(event) for event in EVENTS]),
    "packer mixed": dumps([pack(META), json.dumps(SNAPSHOT), pack(MUTATION), json.dumps(CLICK)]),
    "packer lines": lines(*(pack(event) for event in EVENTS)),
    "page-spy": dumps(
        [
            {"type": "meta", "timestamp": 1, "data": "x"},
            *(page_spy(event) for event in EVENTS),
            {"type": "network", "timestamp": 9, "data": latin1(zlib.compress(b"{}"))},
        ]
    ),
    "append log": dumps(EVENTS[:2]) + b"\n" + dumps(MUTATION) + b"\n" + dumps([CLICK]) + b"\n",
    "steel": dumps([{"pageId": "p", "event": event} for event in EVENTS]),
    "steel lines": lines(*({"pageId": "p", "event": event} for event in EVENTS)),
    "new relic": dumps([newrelic(event) for event in EVENTS]),
    "mongo": dumps([{"_id": "a", "pageView": "b", "delay": 3, "hmType": "", **e} for e in EVENTS]),
    "highlight": dumps(
        {
            "session_secure_id": "s",
            "messages": '{"messages": []}',
            "resources": '{"resources": []}',
            "errors": [],
            "events": {"events": [{"_sid": n, **event} for n, event in enumerate(EVENTS)]},
        }
    ),
    "sentry text": b'{"segment_id":0}\n' + dumps(EVENTS),
    "sentry zlib": b'{"segment_id":3}\n' + zlib.compress(dumps(EVENTS)),
    "amplitude": dumps({"version": 2, "events": [json.dumps(event) for event in EVENTS]}),
    "amplitude packed": dumps({"version": 1, "events": [pack(event) for event in EVENTS]}),
    "laminar": dumps([[laminar(META), laminar(SNAPSHOT)], [laminar(MUTATION), laminar(CLICK)]]),
    "openpanel": dumps([openpanel(1, EVENTS[2:]), openpanel(0, EVENTS[:2])]),
    "open telemetry": dumps([row for n, e in enumerate(EVENTS) for row in otel_rows(e, n)]),
    "browserbase": dumps([{"sessionId": "s", **event} for event in EVENTS]),
    "one in a list of lists": dumps([EVENTS]),
    "byte order mark": b"\xef\xbb\xbf" + dumps(EVENTS),
}


def without_windows(events: list[Any]) -> list[Any]:
    """Forget which window events name themselves."""
    for event in events:
        event.window_id = None
    return events


@pytest.mark.parametrize("form", SINGLE_SESSIONS)
def test_every_form_gives_the_same_events(form: str) -> None:
    found = find_events(SINGLE_SESSIONS[form])
    decoded = decode_events(found.parts)
    assert (decoded.num_rejected, decoded.first_error) == (0, None)
    assert without_windows(decoded.events) == decode_events([dumps(EVENTS)]).events
    assert (found.record, found.window, found.segment) == ("", "", None)


@pytest.mark.parametrize(
    ("form", "name", "value"),
    [
        ("saver", "sessionId", "s"),
        ("posthog 2021", "person.id", "7"),
        ("hopp", "session_recording.sessionStart", None),
        ("highlight", "session_secure_id", "s"),
        ("posthog capture", "distinct_id", "jane"),
        ("sentry zlib", "segment_id", "3"),
    ],
)
def test_what_stands_beside_the_events_becomes_fields(
    form: str, name: str, value: str | None
) -> None:
    assert find_events(SINGLE_SESSIONS[form]).fields.get(name) == value


TWO = later(EVENTS, 50_000)
INTERLEAVED = [event for pair in zip(EVENTS, TWO, strict=True) for event in pair]
SEVERAL_SESSIONS = {
    "windows of the API": (
        dumps({"snapshot_data_by_window_id": {"v": EVENTS, "w": TWO}}),
        [("", "v"), ("", "w")],
    ),
    "windows named by events": (
        dumps([{"windowId": "vw"[n % 2], **e} for n, e in enumerate(INTERLEAVED)]),
        [("", "v"), ("", "w")],
    ),
    "sessions named by events": (
        dumps([{"sessionId": "a", **e} for e in EVENTS] + [{"sessionId": "b", **e} for e in TWO]),
        [("a", ""), ("b", "")],
    ),
    "rows of windows": (
        lines(*(["vw"[n % 2], event] for n, event in enumerate(INTERLEAVED))),
        [("", "v"), ("", "w")],
    ),
    "pages of steel": (
        dumps(
            [{"pageId": "v", "event": e} for e in EVENTS]
            + [{"pageId": "w", "event": e} for e in TWO]
        ),
        [("", "v"), ("", "w")],
    ),
    "many lists in one": (dumps([EVENTS, [], TWO]), [("0", ""), ("2", "")]),
    "list of wrappers": (
        dumps([{"events": EVENTS}, {"events": TWO}]),
        [("0", ""), ("1", "")],
    ),
    "a list a line": (lines(EVENTS, TWO), [("0", ""), ("1", "")]),
    "a wrapper a line": (lines({"events": EVENTS}, {"events": TWO}), [("0", ""), ("1", "")]),
    "a named wrapper a line": (
        lines({"sessionId": "a", "events": EVENTS}, {"sessionId": "b", "events": TWO}),
        [("a", ""), ("b", "")],
    ),
    "lines of pieces": (
        lines(
            {"sessionId": "a", "events": EVENTS[:2]},
            {"sessionId": "b", "events": TWO},
            {"sessionId": "a", "events": EVENTS[2:]},
        ),
        [("a", ""), ("b", "")],
    ),
    "lines of events of sessions": (
        lines(*({"sessionId": "ab"[n % 2], **event} for n, event in enumerate(INTERLEAVED))),
        [("a", ""), ("b", "")],
    ),
}


@pytest.mark.parametrize("form", SEVERAL_SESSIONS)
def test_several_sessions_in_one_text_are_told_apart(form: str) -> None:
    text, names = SEVERAL_SESSIONS[form]
    found = list(find_sessions(text))
    assert [(session.record, session.window) for session in found] == names
    for session, events in zip(found, (EVENTS, TWO), strict=True):
        decoded = decode_events(session.parts)
        assert decoded.num_rejected == 0
        assert without_windows(decoded.events) == decode_events([dumps(events)]).events
    if len({record for record, _ in names}) == 2:
        with pytest.raises(NotARecording, match="holds 2 sessions"):
            find_events(text)
        return
    stream = decode_events(find_events(text).parts)
    assert stream.num_rejected == 0
    assert {event.window_id for event in stream.events} == {"v", "w"}
    assert len(stream.events) == 2 * len(EVENTS)


def test_lists_a_line_that_open_no_page_are_batches_of_one_session() -> None:
    (found,) = find_sessions(lines(EVENTS[:3], EVENTS[3:]))
    assert len(decode_events(found.parts).events) == 4


def test_the_plain_list_is_passed_on_untouched() -> None:
    text = dumps([{**META, "sessionId": "only", "windowId": 3}, CLICK])
    assert find_events(dumps(EVENTS)).parts == [dumps(EVENTS)]
    (first, second) = find_sessions(text)  # an event that names no session is none of its events
    assert (first.record, second.record) == ("only", "")


@pytest.mark.parametrize(
    "wrapper",
    [
        {"events": [{"name": "page_view"}], "rrweb_events": EVENTS},
        {"events": [{"pageId": "p", "event": event} for event in EVENTS]},
        {"data": [page_spy(event) for event in EVENTS]},
        {"recording": [EVENTS[:2], EVENTS[2:]]},
        {"data": {"session": {"replay": EVENTS}}},
        {"payload": latin1(zlib.compress(dumps(EVENTS)))},
        {"payload": base64.b64encode(gzip.compress(dumps(EVENTS))).decode()},
    ],
)
def test_events_are_found_below_any_name(wrapper: dict[str, Any]) -> None:
    found = list(find_sessions(dumps(wrapper)))
    decoded = decode_events([part for session in found for part in session.parts])
    assert decoded.num_rejected == 0
    assert decoded.events == decode_events([dumps(EVENTS)]).events


@pytest.mark.parametrize(
    "text",
    [
        {"events": [{"name": "page_view"}]},
        {"deep": {"deeper": {"deepest": {"events": EVENTS}}}},
        {"payload": "[1, 2]"},
        {"payload": "xyz"},
        {"a": [[[EVENTS]]]},
    ],
)
def test_what_holds_no_events_near_is_no_recording(text: dict[str, Any]) -> None:
    try:
        decoded = decode_events(find_events(dumps(text)).parts)
    except NotARecording:
        return
    assert decoded.events == []


def test_strangers_among_the_elements_of_other_tools_are_counted() -> None:
    steel = [{"pageId": "p", "event": CLICK}, 5, {"pageId": "p"}]
    laminar_list = [[laminar(CLICK), {"text": "no json"}, {"text": 5}]]
    telemetry = [*otel_rows(CLICK, 1), {"Body": "{", "LogAttributes": {}}]
    chunks = [openpanel(0, [CLICK]), {"chunk_index": 1, "payload": "no json"}]
    for elements, num_rejected in ((steel, 2), (laminar_list, 2), (telemetry, 1), (chunks, 1)):
        decoded = decode_events(find_events(dumps(elements)).parts)
        assert (len(decoded.events), decoded.num_rejected) == (1, num_rejected)


def test_a_snapshot_alone_is_a_recording() -> None:
    found = find_events(dumps({"node": NODE, "initialOffset": {"left": 0, "top": 0}}))
    assert len(decode_events(found.parts).events) == 1


def test_dates_without_a_zone_are_utc() -> None:
    assert date_to_ms("2025-11-02 10:30:00.250") == 1762079400250.0
    assert date_to_ms("2025-11-02T11:30:00.250+01:00") == 1762079400250.0
    assert date_to_ms("yesterday") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"segment_id":0}\n', "neither text nor zlib"),
        (b'{"segment_id":0}\n' + zlib.compress(b"{}"), "holds no list"),
        (b'{"segment_id":0}\n[1,', "not JSON"),
        (b'{"segment_id":0}\n' + zlib.compress(dumps(EVENTS))[:-5], "neither text nor zlib"),
        (dumps({"snapshot_data_by_window_id": {"w": []}}), "no window"),
        (dumps([[]]), "no event"),
        (dumps([[[[EVENTS]]]]), "nested too deeply"),
        (dumps([{"type": "network", "timestamp": 1, "data": "x"}]), "no event"),
    ],
)
def test_a_known_form_without_events_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(NotARecording, match=reason):
        list(find_sessions(text))


def test_telemetry_of_other_tools_is_no_event() -> None:
    own = [{"type": "full-snapshot", "data": {}}, {"type": "mutation", "data": {}}]
    decoded = decode_events(find_events(dumps(own)).parts)
    assert (decoded.events, decoded.num_rejected) == ([], 2)


def test_half_a_surrogate_pair_costs_nothing_in_any_form() -> None:
    half = json.dumps({**CLICK, "data": {**CLICK["data"], "extra": "\ud83d"}}).encode()
    assert b"\\ud83d" in half
    for text in (
        b"[" + half + b"]",
        b'{"events":[' + half + b"]}",
        half + b"\n" + half + b"\n",
        b"[" + half + b"]\n" + half + b"\n",
        dumps([latin1(zlib.compress(half))]),
        b'{"segment_id":0}\n' + zlib.compress(b"[" + half + b"]"),
    ):
        decoded = decode_events(find_events(text).parts)
        assert decoded.num_rejected == 0
        assert decoded.events
    (streamed,) = find_in_lines([half, half], Expander())
    assert len(decode_events(streamed.parts).events) == 2


@given(st.data())
def test_any_damage_to_any_form_gives_events_or_a_reason(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(sorted(SINGLE_SESSIONS.values()))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del text[data.draw(st.integers(0, len(text) - 1)) :]
    try:
        for session in find_sessions(bytes(text)):
            decode_events(session.parts)
    except (NotARecording, *DECODE_ERRORS):
        pass
