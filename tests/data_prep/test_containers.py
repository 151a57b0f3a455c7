"""Containers as their producers write them: blocks, compressed files; and readers of one's own."""

import gzip
import json
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest
from made_containers import (
    EVENTS,
    META,
    check_events,
    dumps,
    later,
    names_of,
    parquet_of,
    read,
    sqlite_of,
    tar_of,
    tec_table,
    zip_of,
)

from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.limits import Limits
from data_prep.readers import READERS, Reader, Rejected, Session, read_sessions, reader_of
from data_prep.sessions import open_sessions
from rrweb_tokenizer.recording import FoundSession

# --- Sentry's messages, PostHog's blocks


def test_a_message_of_sentrys_topic(tmp_path):
    message = {
        "type": "replay_recording_not_chunked",
        "org_id": 1,
        "project_id": 2,
        "key_id": None,
        "replay_id": "r",
        "received": 1700000000,
        "retention_days": 30,
        "payload": b'{"segment_id":0}\n' + zlib.compress(dumps(EVENTS)),
    }
    (session,) = read(tmp_path, msgspec.msgpack.encode(message))
    assert (session.session_id, session.fields["project_id"]) == ("file", "2")
    check_events(session)


def block_of(rows):
    snappy = pytest.importorskip("cramjam").snappy
    text = b"\n".join(map(dumps, rows))
    return b"\0" * 7 + bytes(snappy.compress_raw(text)) + b"\0" * 40


def test_posthogs_blocks_in_a_zip_are_one_session_a_window(tmp_path):
    members = {
        "data/1": block_of([["v", EVENTS[0]], ["w", later(5)[0]], ["v", EVENTS[1]]]),
        "data/2": block_of([["w", later(5)[1]], ["v", EVENTS[2]], ["w", later(5)[2]]]),
        "events.json": dumps({"results": []}),
    }
    found = read(tmp_path, zip_of(members))
    sessions = [session for session in found if isinstance(session, Session)]
    assert names_of(sessions) == ["file#data#v", "file#data#w"]
    check_events(sessions[0])
    check_events(sessions[1], later(5))
    assert sessions[0].form == "zip of posthog block"
    assert len(found) == 3


def test_a_block_by_itself_is_a_session(tmp_path):
    (session,) = read(tmp_path, block_of([["v", event] for event in EVENTS]))
    assert session.session_id == "file"
    check_events(session)


def test_damaged_and_huge_blocks_are_rejected(tmp_path):
    block = block_of([["v", event] for event in EVENTS])
    (rejected,) = read(tmp_path, block[:60])
    assert "snappy" in rejected.reason
    (rejected,) = read(tmp_path, block, Limits(max_decompressed_bytes=100))
    assert "decompresses to more" in rejected.reason


def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch):
    block = b"\0\xf0\x01\xf0\x50" + b'["v",{"type":0}]'
    monkeypatch.setitem(sys.modules, "cramjam", None)
    (rejected,) = read(tmp_path, block)
    assert 'pip install "rrweb-bert[readers]"' in rejected.reason


# --- compression, paths, sizes


GZIP = gzip.compress(dumps(EVENTS), mtime=0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GZIP, None),
        (gzip.compress(dumps(EVENTS)[:9]) + gzip.compress(dumps(EVENTS)[9:]), None),
        (GZIP + b"\0" * 512, None),
        (GZIP + b"garbage", None),
        (GZIP[:3] + b"\x08" + GZIP[4:10] + b"name.json\0" + GZIP[10:], None),
        (GZIP[:-8], "truncated gzip"),
        (GZIP[:14], "truncated gzip"),
        (GZIP[:-8] + b"\0" * 4 + GZIP[-4:], "damaged gzip"),
        (GZIP[:-4] + b"\0" * 4, "damaged gzip"),
        (GZIP[:2] + b"\x07" + GZIP[3:], "damaged gzip"),
        (gzip.compress(b""), "empty"),
    ],
    ids=[
        *("plain", "two members", "zero padding", "garbage after", "with a name"),
        *("no trailer", "cut in the data", "wrong checksum", "wrong length", "other method"),
        "empty",
    ],
)
def test_each_kind_of_gzip_is_read_or_rejected(tmp_path, content, reason):
    (found,) = read(tmp_path, content)
    if reason is None:
        check_events(found)
    else:
        assert reason in found.reason


def test_zlib_streams_are_read_as_sentry_stores_them(tmp_path):
    stored = zlib.compress(b'{"segment_id":0}\n' + dumps(EVENTS))
    (session,) = read(tmp_path, stored)
    check_events(session)


@pytest.mark.parametrize(
    "name",
    [
        *("plain.json", "no suffix", "UPPER.JSON", "two..dots.json", "-dash.json", "a b.json"),
        *("new\nline.json", "ünïcode.json", "\u202eabc.json", "x" * 240, "#hash#.json", "%41.json"),
    ],
)
def test_each_kind_of_path_is_read(tmp_path, name):
    (found,) = read(tmp_path, dumps(EVENTS), name=name)
    check_events(found)


def test_a_path_that_is_no_unicode_is_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.json"))
    path.write_bytes(dumps(EVENTS))
    (found,) = read_sessions(path)
    check_events(found)


def test_json_lines_beyond_the_whole_file_limit_are_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.readers.json_text._STREAMED_FROM_BYTES", 1 << 16)
    path = tmp_path / "many.jsonl"
    padding = " " * 5000
    with path.open("w") as file:
        for number in range(1000):
            session = {"sessionId": str(number), "pad": padding, "events": later(number)}
            file.write(json.dumps(session) + "\n")
    limits = Limits(max_file_bytes=1 << 20, max_session_bytes=1 << 20)
    found = list(read_sessions(path, limits))
    assert names_of(found) == [f"many#{number}" for number in range(1000)]
    check_events(found[-1], later(999))


def test_a_long_list_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.readers.json_text._STREAMED_FROM_BYTES", 1 << 16)
    (rejected,) = read(tmp_path, b"[" + b" " * 200_000 + b"1]", Limits(max_file_bytes=150_000))
    assert "larger than 150,000 bytes" in rejected.reason


def test_a_line_longer_than_a_session_may_be_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.readers.json_text._STREAMED_FROM_BYTES", 1 << 10)
    content = dumps(META) + b"\n" + b"[" + b" " * (3 << 20) + b"1]\n"
    found = read(tmp_path, content, Limits(max_session_bytes=1 << 20))
    assert "a line of more than" in found[-1].reason


def test_ten_gigabytes_of_holes_in_a_json_file_are_refused_unread(tmp_path):
    for opening in (b"", b"[", b"{"):
        path = tmp_path / "sparse.json"
        with path.open("wb") as file:
            file.write(opening)
            file.truncate(10 << 30)
        (rejected,) = read_sessions(path)
        assert "larger than" in rejected.reason or "none of the known" in rejected.reason


MEMORY_SCRIPT = """
import resource, sys
from pathlib import Path
from data_prep.readers import read_sessions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
n = sum(1 for _ in read_sessions(Path(sys.argv[1])))
print(n, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_a_gigabyte_of_lines_is_streamed_in_300_mib(tmp_path):
    path = tmp_path / "many.jsonl"
    line = json.dumps({"pad": "x" * 1_000_000, "events": EVENTS}) + "\n"
    with path.open("w") as file:
        for _ in range(1200):
            file.write(line)
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    num_sessions, grown_mib = map(int, said.split())
    assert num_sessions == 1200
    assert grown_mib < 300


# --- readers by name


def diary(content):
    """A private form: events separated by lines of dashes."""
    for number, text in enumerate(content.read_all().split(b"---\n")):
        yield FoundSession(parts=[text], form="diary", record=str(number))


DIARY = Reader(name="diary", detect=lambda head: b"---" in head, read=diary)


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setitem(sys.modules, "private_forms", sys.modules[__name__])


@pytest.mark.parametrize("name", ["private_forms:diary", "private_forms:DIARY"])
def test_a_function_or_a_reader_reads_a_private_form(tmp_path, module, name):
    content = b"---\n".join(dumps(later(n)) for n in range(2))
    found = read(tmp_path, content, reader=name)
    assert names_of(found) == ["file#0", "file#1"]
    check_events(found[1], later(1))


def test_an_installed_entry_point_reads_a_private_form(tmp_path, module, monkeypatch):
    package = tmp_path / "site" / "private-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: private\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[rrweb_bert.readers]\ndiary = private_forms:diary\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert names_of(read(tmp_path, dumps(EVENTS), reader="diary")) == ["file#0"]
    with pytest.raises(DataError, match="installed plug-ins: diary"):
        reader_of("dairy")


@pytest.mark.parametrize("name", ["nosuch", "no.such:thing", "json:nosuch", "sys:version"])
def test_a_reader_that_is_not_there_is_an_error_before_any_work(tmp_path, capsys, name):
    (tmp_path / "a.json").write_bytes(dumps(EVENTS))
    command = ["prepare", str(tmp_path), "--output", str(tmp_path / "out"), "--reader", name]
    assert main(command) == 2
    assert f"--reader {name}" in capsys.readouterr().err


def test_every_reader_can_be_named_and_names_are_distinct(tmp_path):
    assert [reader_of(reader.name) for reader in READERS] == list(READERS)
    assert len({reader.name for reader in READERS}) == len(READERS)
    (rejected,) = read(tmp_path, b"hello", reader="zip")
    assert "damaged zip" in rejected.reason


def test_sessions_of_a_folder_are_streamed_with_its_rejects(tmp_path):
    (tmp_path / "a.json").write_bytes(dumps(EVENTS))
    (tmp_path / "b.zip").write_bytes(zip_of({"c.json": dumps(later(1)), "d.json": b"["}))
    found = list(open_sessions(tmp_path))
    assert [type(session) for session in found] == [Session, Session, Rejected]
    assert names_of(found[:2]) == ["a", "b#c"]


def test_no_reader_takes_what_is_another_ones(tmp_path):
    heads = {
        "parquet": parquet_of(tec_table()),
        "zip": zip_of({"a": b"x"}),
        "tar": tar_of({"a": b"x"}),
        "JSON text": dumps(EVENTS),
        "sentry segment": b'{"segment_id":0}\n[]',
    }
    for name, head in heads.items():
        takers = [reader.name for reader in READERS if reader.detect(head)]
        assert takers[0] == name
        assert set(takers) <= {name, "JSON text"}


def database_of(folder):
    path = folder / "database"
    sqlite_of(
        path,
        ("CREATE TABLE r (session_id TEXT, events TEXT)", None),
        ("INSERT INTO r VALUES (?, ?)", [(str(n), json.dumps(later(n))) for n in range(9)]),
    )
    return path.read_bytes()


CONTAINERS = {
    "zip": lambda folder: zip_of({f"{n}.json": dumps(later(n)) for n in range(3)}),
    "tar": lambda folder: tar_of({f"{n}.json": dumps(later(n)) for n in range(3)})[:5000],
    "tar.gz": lambda folder: tar_of({f"{n}.json": dumps(later(n)) for n in range(3)}, "w:gz"),
    "parquet": lambda folder: parquet_of(tec_table()),
    "sqlite": database_of,
    "segment": lambda folder: b'{"segment_id":0}\n' + zlib.compress(dumps(EVENTS)),
    "message": lambda folder: msgspec.msgpack.encode(
        {"replay_id": "r", "payload": b'{"segment_id":0}\n' + zlib.compress(dumps(EVENTS))}
    ),
}


def check_mutants(folder, kind, num_mutants, seed=1):
    rng = random.Random(seed)  # noqa: S311 - mutations, not secrets
    content = CONTAINERS[kind](folder)
    for _ in range(num_mutants):
        mutant = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            mutant[rng.randrange(len(mutant))] = rng.randrange(256)
        if rng.random() < 0.2:
            del mutant[rng.randrange(len(mutant)) :]
        found = read(folder, bytes(mutant), name="mutant")
        assert found
        assert all(isinstance(session, Session | Rejected) for session in found)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_mutants_of_containers_never_raise(tmp_path, kind):
    check_mutants(tmp_path, kind, 30)


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", CONTAINERS)
def test_many_mutants_of_containers_never_raise(tmp_path, kind):
    check_mutants(tmp_path, kind, 2000, seed=2)


def test_the_example_of_a_private_form_works_as_documented(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "containers.md").read_text()
    (tmp_path / "my_forms.py").write_text(text.split("```python\n")[1].split("```")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    content = b"".join(b"key\t" + dumps(event) + b"\n" for event in EVENTS)
    (session,) = read(tmp_path, content, reader="my_forms:tabbed")
    check_events(session)
