"""What is packed or in pieces: damage costs itself alone, and memory is bounded."""

import base64
import gzip
import json
import zlib

import pytest
from made_forms import CLICK, EVENTS, META, SNAPSHOT, cv, dumps, latin1, lines, pack

from rrweb_tokenizer.forms.joining import Joiner
from rrweb_tokenizer.forms.lines import find_in_lines
from rrweb_tokenizer.forms.packed import Expander, PackedError
from rrweb_tokenizer.recording import (
    FoundSession,
    NotARecording,
    find_events,
    find_sessions,
)
from rrweb_tokenizer.schema import decode_events


@pytest.mark.parametrize(
    "strings",
    [
        ["x\x9cgarbage", pack(CLICK)],
        [pack(META)[:-5], pack(CLICK)],
        ["x\u20ac", pack(CLICK)],
        ["hello", pack(CLICK)],
        ["eJyrVg==", pack(CLICK)],
        [json.dumps(META)[:-4], pack(CLICK)],
    ],
)
def test_a_damaged_packed_event_costs_itself_alone(strings: list[str]) -> None:
    decoded = decode_events(find_events(dumps(strings)).parts)
    assert (len(decoded.events), decoded.num_rejected) == (1, 1)


def test_a_damaged_cv_event_costs_itself_alone() -> None:
    damaged = {**cv(SNAPSHOT), "data": cv(SNAPSHOT)["data"][:-9]}
    decoded = decode_events(find_events(dumps([META, damaged, CLICK])).parts)
    assert (len(decoded.events), decoded.num_rejected) == (2, 1)


def test_packed_strings_may_expand_up_to_the_limit_and_no_further() -> None:
    packed = [latin1(zlib.compress(b" " * 1000 + dumps(event))) for event in EVENTS]
    size = sum(1000 + len(dumps(event)) for event in EVENTS)
    (found,) = find_sessions(dumps(packed), Expander(max_bytes=size))
    assert len(decode_events(found.parts).events) == 4
    with pytest.raises(NotARecording, match="expand to more"):
        list(find_sessions(dumps(packed), Expander(max_bytes=size - 1)))


def test_a_packed_bomb_is_given_up_by_its_ratio() -> None:
    bomb = latin1(zlib.compress(b"\0" * 50_000_000))
    with pytest.raises(NotARecording, match="expand to more"):
        list(find_sessions(dumps([bomb])))


def test_plain_json_and_base64_pass_the_expander() -> None:
    expander = Expander()
    assert expander.unpack('{"a": 1}') == b'{"a": 1}'
    for compress in (zlib.compress, gzip.compress):
        assert expander.unpack(base64.b64encode(compress(b"[]")).decode()) == b"[]"
    with pytest.raises(PackedError):
        expander.unpack("neither")


def piece(record: str, segment: int, number: int) -> FoundSession:
    part = b"[" + b" " * 98 + b"%d]" % number
    return FoundSession(parts=[part], form="x", record=record, segment=segment)


def test_pieces_are_ordered_by_their_segments_whatever_order_they_come_in() -> None:
    joiner = Joiner()
    for segment in (2, 0, 1):
        assert list(joiner.add(piece("a", segment, segment))) == []
    (session,) = joiner.finish()
    assert [part[-2:-1] for part in session.parts] == [b"0", b"1", b"2"]


def test_joining_holds_no_more_than_its_bound() -> None:
    joiner = Joiner(max_bytes=250)
    names = ["a", "b", "c", "a"]
    out = [s for n, name in enumerate(names) for s in joiner.add(piece(name, n, n))]
    out += joiner.finish()
    assert [(session.record, len(session.parts)) for session in out] == [
        ("a", 1),
        ("b", 1),
        ("a~2", 1),
        ("c", 1),
    ]


def test_a_session_on_both_sides_of_the_bound() -> None:
    text = lines(*EVENTS)
    size = sum(len(line) + 1 for line in text.splitlines())
    (found,) = find_in_lines(text.splitlines(), Expander(), max_bytes=size)
    assert len(decode_events(found.parts).events) == 4
    with pytest.raises(NotARecording, match="a session of more than"):
        list(find_in_lines(text.splitlines(), Expander(), max_bytes=size - 1))


def test_a_damaged_line_costs_itself_alone() -> None:
    for damaged in (b'{"type":3,"da', b"garbage", b'["w",{"type":', b'{"event":{"a":1'):
        text = dumps(META) + b"\n" + damaged + b"\n" + dumps(CLICK) + b"\n"
        decoded = decode_events(find_events(text).parts)
        assert (len(decoded.events), decoded.num_rejected) == (2, 1)
