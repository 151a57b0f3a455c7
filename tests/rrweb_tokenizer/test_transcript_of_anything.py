"""Whatever ids say is told: without a crash, without raw tokens, without control characters."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from odd_sessions import OddSession
from rrweb_events import (
    click,
    element,
    meta,
    snapshot,
    text,
)

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import (
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    VOCAB_SIZE,
)
from rrweb_tokenizer.telling.records import Event
from rrweb_tokenizer.transcript import entries, json_entry, render_ids, text_lines


@pytest.fixture(scope="module")
def tokenizer() -> RRWebTokenizer:
    return RRWebTokenizer()


def ids_of(words: str) -> list[int]:
    return [STRUCTURAL_IDS[f"[{word}]"] for word in words.split()]


def check_anything(ids: list[int], decode) -> None:
    """Ids, whatever they are, give printable lines and JSON, and records that cover them all."""
    for full in (False, True):
        found = entries(ids, decode, full=full)
        is_covered = np.zeros(len(ids), np.bool_)
        for entry in found:
            is_covered[entry.record.start : entry.record.stop] = True
            json.dumps(json_entry(entry, ids), allow_nan=False)
            assert math.isfinite(entry.elapsed_ms)
        assert is_covered.all()
        starts = [entry.record.start for entry in found]
        assert starts == sorted(starts)
        shown = [
            *text_lines(found),
            *text_lines(found, ids_of=lambda s: render_ids(ids[s.start : s.stop], decode)),
        ]
        assert all(is_safe(line) for line in shown)


def is_safe(line: str) -> bool:
    return line.replace("\u200c", "").replace("\u200d", "").isprintable()


@given(st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=60))
def test_random_ids_are_told_without_a_crash(tokenizer, ids) -> None:
    check_anything(ids, tokenizer.text_model.decode_plain)


@given(st.lists(st.integers(0, len(STRUCTURAL_TOKENS)), max_size=80))
def test_random_structural_ids_are_told_without_a_crash(tokenizer, ids) -> None:
    check_anything(ids, tokenizer.text_model.decode_plain)


@given(st.integers(0, 2**32))
def test_shuffled_and_cut_sessions_are_told_without_a_crash(tokenizer, seed) -> None:
    events = decode_events([json.dumps(OddSession(seed, num_nodes=15).events).encode()]).events
    ids = tokenizer.encode_events(events).ids
    rng = np.random.default_rng(seed)
    start = int(rng.integers(len(ids)))
    check_anything(ids[start : start + 300].tolist(), tokenizer.text_model.decode_plain)
    check_anything(rng.permutation(ids)[:300].tolist(), tokenizer.text_model.decode_plain)


@given(st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=40))
def test_random_ids_decode_to_a_string(tokenizer, ids) -> None:
    assert isinstance(tokenizer.decode(ids), str)
    assert isinstance(tokenizer.decode(ids, skip_special_tokens=True), str)


@given(st.integers(0, 2**32))
@example(257)  # a frame's document added to an editable element
def test_nothing_that_is_written_is_told_as_raw_tokens(tokenizer, seed) -> None:
    events = decode_events([json.dumps(OddSession(seed).events).encode()]).events
    session = tokenizer.encode_events(events)
    found = entries(
        session.ids.tolist(),
        tokenizer.text_model.decode_plain,
        event_starts=session.event_starts.tolist(),
        event_times_ms=session.event_times_ms.tolist(),
        full=True,
    )
    events_found = [e.record for e in found if isinstance(e.record, Event)]
    assert [r.start for r in events_found if r.head] == session.event_starts.tolist()
    assert not [e.told for e in found if any(d.startswith("?") for d in e.told.details)]


def test_no_page_text_reaches_a_terminal_raw(tokenizer) -> None:
    evil = "\x1b]0;owned\x07 \x1b[31mred \x9b31m \u202eabc\u2028 \x08\x7f\r\n"
    button = element(10, "button", text(11, evil), aria_label=evil, name=evil)
    recording = [
        meta(0, f"http://shop.test/{evil}"),
        snapshot(1, button),
        click(2, 10),
        {"type": 5, "timestamp": 3, "data": {"tag": evil, "payload": {evil: 1}}},
    ]
    session = tokenizer.encode_session(recording)
    check_anything(session.ids.tolist(), tokenizer.text_model.decode_plain)


def test_escapes_that_a_model_spells_in_bytes_are_replaced(tokenizer) -> None:
    pieces = {
        byte: tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>")
        for byte in (0x1B, 0x07, 0x9B, 0xC2)
    }
    ids = [*ids_of("EV_Custom DT_0"), *(pieces[b] for b in (0x1B, 0x07, 0xC2, 0x9B))]
    assert "\x1b" in tokenizer.text_model.decode_plain(ids[2:])
    check_anything(ids, tokenizer.text_model.decode_plain)
    assert entries(ids, tokenizer.text_model.decode_plain)[0].told.target == '"\ufffd\ufffd\ufffd"'
