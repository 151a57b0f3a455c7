"""Readers: every file ends as sessions or as a reason, whatever is in it."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest
import zstandard

from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.readers import Rejected, Session, read_sessions

EVENTS = [
    {"type": 4, "data": {"href": "http://a.test/", "width": 1, "height": 1}, "timestamp": 1},
    {"type": 0, "timestamp": 2},
]
TEXT = json.dumps(EVENTS).encode()


def read(folder, content, limits=DEFAULT_LIMITS, name="recording"):
    path = folder / name
    path.write_bytes(content)
    found = list(read_sessions(path, limits))
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT,
        TEXT.decode().encode("utf-16"),
        TEXT.decode().encode("utf-32"),
        gzip.compress(TEXT, mtime=0),
        gzip.compress(TEXT[:20]) + gzip.compress(TEXT[20:]),
        gzip.compress(TEXT, mtime=0) + b"\0" * 512,
        zstandard.compress(TEXT),
        zstandard.compress(TEXT[:20]) + zstandard.compress(TEXT[20:]),
        b"\n \t" + TEXT + b"\n",
        json.dumps({"events": EVENTS}).encode(),
        b"\n".join(json.dumps(event).encode() for event in EVENTS),
    ],
)
def test_a_recording_is_read_in_every_wrapping(tmp_path, content):
    session = read(tmp_path, content)
    assert isinstance(session, Session)
    assert session.session_id == "recording"
    assert session.notes == ()
    joined = b"".join(session.parts)
    assert b"http://a.test/" in joined


def test_equal_texts_have_equal_hashes_in_every_wrapping(tmp_path):
    contents = [
        TEXT,
        b"\xef\xbb\xbf" + TEXT,
        TEXT.decode().encode("utf-16"),
        gzip.compress(TEXT, mtime=0),
    ]
    assert len({read(tmp_path, content).sha256 for content in contents}) == 1


def test_members_beside_the_events_become_fields(tmp_path):
    session = read(tmp_path, json.dumps({"userId": "u1", "events": EVENTS}).encode())
    assert session.fields["userId"] == "u1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n", "none of the known forms"),
        (b"hello", "none of the known forms"),
        (b"\x89PNG\r\n", "none of the known forms"),
        (b"[", "not JSON"),
        (b'{"a": 1}', "without an 'events'"),
        (b"[]", "empty"),
        (TEXT[:-5], "not JSON"),
        (b"[NaN]", "not JSON"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b"\xef\xbb\xbf\xff", "UTF-8"),
        (gzip.compress(b"", mtime=0), "empty"),
        (gzip.compress(TEXT, mtime=0)[:-4], "truncated gzip"),
        (gzip.compress(TEXT, mtime=0)[:25], "truncated gzip"),
        (b"\x1f\x8b", "truncated gzip"),
        (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, "damaged gzip"),
        (b"\x1f\x8b\xff" + b"x" * 50, "damaged gzip"),
        (gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0), "none of the known forms"),
        (zstandard.compress(TEXT)[:-3], "truncated zstd"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "damaged zstd"),
    ],
)
def test_what_is_no_recording_is_rejected_with_a_reason(tmp_path, content, reason):
    rejected = read(tmp_path, content)
    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason


def test_garbage_after_gzip_is_noted(tmp_path):
    session = read(tmp_path, gzip.compress(TEXT, mtime=0) + b"garbage")
    assert session.notes == ("bytes after the compressed stream",)


def test_reasons_do_not_quote_the_file(tmp_path):
    rejected = read(tmp_path, b'{"secret-name": "jane@example.org"')
    assert "jane" not in repr(rejected)
    assert "secret" not in repr(rejected)


@pytest.mark.parametrize("kind", ["folder", "missing", "dangling", "circle", "pipe", "unreadable"])
def test_what_is_no_readable_file_is_rejected(tmp_path, kind):
    path = tmp_path / "recording.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "circle":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "unreadable":
        path.write_bytes(TEXT)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
    assert [type(found) for found in read_sessions(path)] == [Rejected]


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "real.json").write_bytes(TEXT)
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert [type(found) for found in read_sessions(tmp_path / "link.json")] == [Session]


def test_file_size_counts_on_both_sides_of_its_limit(tmp_path):
    assert isinstance(read(tmp_path, TEXT, Limits(max_file_bytes=len(TEXT))), Session)
    rejected = read(tmp_path, TEXT, Limits(max_file_bytes=len(TEXT) - 1))
    assert "larger than" in rejected.reason


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_decompressed_size_counts_on_both_sides_of_its_limit(tmp_path, compress):
    content = compress(TEXT)
    assert isinstance(read(tmp_path, content, Limits(max_decompressed_bytes=len(TEXT))), Session)
    rejected = read(tmp_path, content, Limits(max_decompressed_bytes=len(TEXT) - 1))
    assert "decompresses to more" in rejected.reason


def test_compression_ratio_counts_on_both_sides_of_its_limit(tmp_path):
    text = b" " * 100_000 + TEXT
    content = gzip.compress(text)
    ratio = len(text) / len(content)
    loose = Limits(compression_ratio_floor_bytes=1000, max_compression_ratio=int(ratio) * 2)
    tight = Limits(compression_ratio_floor_bytes=1000, max_compression_ratio=int(ratio) // 2)
    assert isinstance(read(tmp_path, content, loose), Session)
    assert "times its size" in read(tmp_path, content, tight).reason


@pytest.mark.timeout(60)  # to expand it would take minutes
def test_a_forty_gigabyte_bomb_is_refused_unexpanded(tmp_path):
    one = gzip.compress(b"[" + b" " * (64 << 20))
    rejected = read(tmp_path, one * 640)
    assert "times its size" in rejected.reason


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux counts what is read")
def test_a_ten_gigabyte_file_is_refused_unread(tmp_path):
    path = tmp_path / "sparse.json"
    with path.open("wb") as file:
        file.truncate(10 << 30)
    before = _num_bytes_read()
    assert [type(found) for found in read_sessions(path)] == [Rejected]
    assert _num_bytes_read() - before < 100 << 20


def _num_bytes_read():
    """What this process has read from files so far."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.compress])
def test_mutants_never_raise(tmp_path, compress):
    rng = random.Random(1)  # noqa: S311 - mutations, not secrets
    content = compress(TEXT)
    for _ in range(300):
        mutant = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            mutant[rng.randrange(len(mutant))] = rng.randrange(256)
        if rng.random() < 0.3:
            del mutant[rng.randrange(len(mutant)) :]
        path = tmp_path / "mutant"
        path.write_bytes(mutant)
        found = list(read_sessions(path))
        assert len(found) == 1
        assert isinstance(found[0], Session | Rejected)


@pytest.mark.parametrize("field", list(Limits.__dataclass_fields__))
def test_limits_are_positive(field):
    with pytest.raises(ValueError, match=field):
        Limits(**{field: 0})
