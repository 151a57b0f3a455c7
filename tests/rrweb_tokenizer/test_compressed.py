"""Recordings that are stored compressed are read as they are, whole or not at all."""

import contextlib
import gzip
import json

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from rrweb_events import click, element, meta, snapshot, text

from rrweb_tokenizer import RRWebTokenizer, compressed
from rrweb_tokenizer.__main__ import main
from rrweb_tokenizer.compressed import unpacked
from rrweb_tokenizer.forms.found import NotARecording

VISIT = json.dumps(
    [meta(0), snapshot(5, element(10, "button", text(11, "Buy"))), click(3_200, 10)]
).encode()
PACKERS = {"gzip": gzip.compress, "zstd": zstandard.compress}
packers = pytest.mark.parametrize("name", PACKERS)


@packers
@given(content=st.binary(max_size=9000), cut=st.integers(0, 9000))
def test_what_was_packed_in_one_stream_or_in_several_is_unpacked(name, content, cut):
    pack = PACKERS[name]
    assert unpacked(pack(content)) == content
    assert unpacked(pack(content[:cut]) + pack(content[cut:])) == content


@packers
@given(content=st.binary(max_size=9000), num_zeros=st.integers(1, 9000))
def test_zeros_behind_a_stream_are_padding(name, content, num_zeros):
    padded = PACKERS[name](content) + bytes(num_zeros)
    assert unpacked(padded) == content
    with pytest.raises(NotARecording, match=f"damaged {name}"):
        unpacked(padded + b"garbage")


@given(content=st.binary(max_size=99).filter(lambda c: c[:2] not in (b"\x1f\x8b", b"\x28\xb5")))
def test_what_is_not_packed_stays_as_it_is(content):
    assert unpacked(content) == content


@packers
def test_a_damaged_stream_is_named_wherever_it_is_cut(name):
    packed = PACKERS[name](VISIT)
    for size in range(4, len(packed)):
        with pytest.raises(NotARecording, match=f"(truncated|damaged) {name}"):
            unpacked(packed[:size])
    with pytest.raises(NotARecording, match=f"damaged {name}"):
        unpacked(packed + b"garbage")


@packers
def test_what_unpacks_to_too_much_is_refused_on_both_sides_of_the_limit(name, monkeypatch):
    packed = PACKERS[name](bytes(100_000))
    monkeypatch.setattr(compressed, "_MAX_BYTES", 100_000)
    assert len(unpacked(packed)) == 100_000
    monkeypatch.setattr(compressed, "_MAX_BYTES", 99_999)
    with pytest.raises(NotARecording, match="unpacks to more than 99,999 bytes"):
        unpacked(packed)


@packers
def test_a_bomb_is_refused_by_its_ratio(name):
    packed = PACKERS[name](bytes(17 << 20))
    with pytest.raises(NotARecording, match="unpacks to more than 16,777,216 bytes"):
        unpacked(packed)


@packers
@given(place=st.integers(2, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_gives_a_text_or_a_reason(name, place, byte):
    packed = bytearray(PACKERS[name](VISIT))
    packed[place % len(packed)] = byte
    with contextlib.suppress(NotARecording):
        assert isinstance(unpacked(bytes(packed)), bytes)


@packers
def test_the_tokenizer_and_its_commands_take_a_compressed_file(name, tmp_path, capsys):
    plain, packed = tmp_path / "visit.json", tmp_path / f"visit.{name}"
    plain.write_bytes(VISIT)
    packed.write_bytes(PACKERS[name](VISIT))
    tokenizer = RRWebTokenizer()
    expected = tokenizer.encode_session(plain).ids
    assert np.array_equal(tokenizer.encode_session(packed).ids, expected)
    assert np.array_equal(tokenizer.encode_session(packed.read_bytes()).ids, expected)
    for command in ("transcript", "validate"):
        said = []
        for file in (plain, packed):
            assert main([command, str(file)]) == 0
            said.append(capsys.readouterr().out.replace(str(file), "FILE"))
        assert said[0] == said[1] != ""
