"""Containers around recordings, written as their producers write them: archives, tables, blocks."""

import gzip
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.readers import READERS, Reader, Rejected, Session, read_sessions, reader_of
from data_prep.sessions import open_sessions
from rrweb_tokenizer.recording import FoundSession
from rrweb_tokenizer.schema import decode_events

META = {"type": 4, "data": {"href": "http://a.test/", "width": 9, "height": 8}, "timestamp": 1000}
NODE = {"type": 0, "id": 1, "childNodes": []}
SNAPSHOT = {"type": 2, "data": {"node": NODE}, "timestamp": 1001}
CLICK = {"type": 3, "timestamp": 1003, "data": {"source": 2, "type": 2, "id": 1, "x": 1, "y": 2}}
EVENTS = [META, SNAPSHOT, CLICK]
TYPED = decode_events([json.dumps(EVENTS).encode()]).events


def later(milliseconds):
    return [{**event, "timestamp": event["timestamp"] + milliseconds} for event in EVENTS]


def dumps(value):
    return json.dumps(value, separators=(",", ":")).encode()


def read(folder, content, limits=DEFAULT_LIMITS, name="file", reader=None):
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    return list(read_sessions(path, limits, reader=reader))


def names_of(found):
    assert all(isinstance(session, Session) for session in found), found
    return [session.session_id for session in found]


def check_events(session, events=EVENTS):
    decoded = decode_events(session.parts)
    assert (decoded.num_rejected, decoded.first_error) == (0, None)
    assert decoded.events == decode_events([dumps(events)]).events


def zip_of(members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(members, mode="w"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


# --- archives


@pytest.mark.parametrize(
    "pack",
    [zip_of, tar_of, lambda m: tar_of(m, "w:gz"), lambda m: gzip.compress(zip_of(m))],
    ids=["zip", "tar", "tar.gz", "zip.gz"],
)
def test_each_member_of_an_archive_is_a_file_like_any_other(tmp_path, pack):
    found = read(
        tmp_path,
        pack(
            {
                "a.json": dumps(EVENTS),
                "day/b.json.gz": gzip.compress(dumps(later(1))),
                "day/c.jsonl": b"\n".join(map(dumps, later(2))),
                "day/readme.md": b"#",
                "__MACOSX/a.json": b"x",
                ".hidden": b"x",
                "windows.json": dumps(
                    {"snapshot_data_by_window_id": {"v": later(3), "w": later(4)}}
                ),
            }
        ),
    )
    assert names_of(found) == [
        "file#a",
        "file#day/b",
        "file#day/c",
        "file#windows#v",
        "file#windows#w",
    ]
    for number, session in enumerate(found):
        check_events(session, later(number))
    assert found[3].record == found[4].record == "windows"


def test_what_is_odd_about_a_member_is_noted_at_its_session(tmp_path):
    members = {"a.json.gz": gzip.compress(dumps(EVENTS)) + b"x", "b.json": dumps(later(1))}
    found = read(tmp_path, zip_of(members))
    assert [session.notes for session in found] == [("bytes after the compressed stream",), ()]


def test_segments_in_one_folder_of_an_archive_are_one_session(tmp_path):
    members = {
        f"project/{replay}/{number}": b'{"segment_id":%d}\n' % number
        + zlib.compress(dumps([event]))
        for replay in ("r1", "r2")
        for number, event in reversed(list(enumerate(EVENTS)))
    }
    found = read(tmp_path, tar_of(members))
    assert names_of(found) == ["file#project/r1", "file#project/r2"]
    for session in found:
        check_events(session)


def test_a_bad_member_costs_itself_alone(tmp_path):
    found = read(
        tmp_path, zip_of({"a": b"hello", "b.json": b"[", "c.json": dumps(EVENTS), "d": b""})
    )
    assert [type(session) for session in found] == [Rejected, Rejected, Session, Rejected]
    assert [f.where.split(",")[0] for f in found if isinstance(f, Rejected)] == ["a", "b.json", "d"]


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "x/../../a.json", "C:\\a.json"])
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_a_member_whose_path_leaves_the_archive_is_rejected(tmp_path, name, pack):
    (rejected,) = read(tmp_path, pack({name: dumps(EVENTS)}))
    assert "leaves the archive" in rejected.reason
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_links_and_devices_in_a_tar_are_rejected(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("d", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    found = read(tmp_path, file.getvalue())
    assert [session.reason for session in found] == ["no regular file"] * 3


def test_an_encrypted_member_is_rejected_by_name(tmp_path):
    content = bytearray(zip_of({"a.json": dumps(EVENTS)}))
    content[6] |= 1  # the flag in the local header, and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (rejected,) = read(tmp_path, bytes(content))
    assert (rejected.reason, rejected.where) == ("encrypted; unpack it first", "a.json")


def test_archives_in_one_another_are_read_up_to_the_limit(tmp_path):
    content = zip_of({"a.json": dumps(EVENTS)})
    for _ in range(2):
        content = tar_of({"inner.zip": content})
    assert names_of(read(tmp_path, content)) == ["file#inner/inner/a"]
    (rejected,) = read(tmp_path, tar_of({"inner.tar": content}))
    assert "more than 3 deep" in rejected.reason


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path):
    found = read(tmp_path, zip_of({f"{n}.json": b" " * 5_000_000 for n in range(10)}))
    assert "times its size" in found[-1].reason
    assert len(found) < 6


def test_members_count_on_both_sides_of_their_limit(tmp_path):
    content = zip_of({f"{n}.json": dumps(later(n)) for n in range(3)})
    assert len(names_of(read(tmp_path, content, Limits(max_members=3)))) == 3
    found = read(tmp_path, content, Limits(max_members=2))
    assert [type(session) for session in found] == [Session, Session, Rejected]


@pytest.mark.parametrize(
    ("pack", "cut"), [(zip_of, 30), (zip_of, 200), (tar_of, 600), (tar_of, 1300), (tar_of, 1600)]
)
def test_a_truncated_archive_is_rejected_after_what_came_before(tmp_path, pack, cut):
    found = read(tmp_path, pack({"a.json": dumps(EVENTS), "b.json": dumps(later(1))})[:cut])
    assert isinstance(found[-1], Rejected)
    assert len([session for session in found if isinstance(session, Session)]) == (cut > 1000)


def test_sessions_count_on_both_sides_of_their_limit(tmp_path):
    content = dumps([later(n) for n in range(3)])
    assert len(names_of(read(tmp_path, content, Limits(max_sessions_per_file=3)))) == 3
    found = read(tmp_path, content, Limits(max_sessions_per_file=2))
    assert [type(session) for session in found] == [Session, Session, Rejected]


def test_equal_names_in_one_file_are_made_unique(tmp_path):
    found = read(
        tmp_path, zip_of({"a.json": dumps(EVENTS), "a.json.gz": gzip.compress(dumps(EVENTS))})
    )
    assert names_of(found) == ["file#a", "file#a~2"]


# --- Parquet


def parquet_of(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def test_a_session_a_row_as_json(tmp_path):
    table = pa.table(
        {
            "session_id": ["s1", "s2"],
            "user_id": ["jane", "joe"],
            "events": [json.dumps(EVENTS), json.dumps(later(9))],
        }
    )
    found = read(tmp_path, parquet_of(table))
    assert names_of(found) == ["file#s1", "file#s2"]
    assert [session.fields["user_id"] for session in found] == ["jane", "joe"]
    assert found[0].form == "parquet of list"
    check_events(found[1], later(9))


def test_chunks_of_sessions_are_joined_by_id_and_order(tmp_path):
    rows = [("b", 1, later(5)[1:]), ("a", 0, EVENTS), ("b", 0, later(5)[:1])]
    table = pa.table(
        {
            "session_id": [row[0] for row in rows],
            "chunk_index": [row[1] for row in rows],
            "payload": [gzip.compress(dumps(row[2])) for row in rows],
        }
    )
    found = read(tmp_path, parquet_of(table))
    assert names_of(found) == ["file#b", "file#a"]
    check_events(found[0], later(5))


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"userId": "jane", "events": EVENTS}),
        json.dumps([zlib.compress(dumps(event)).decode("latin-1") for event in EVENTS]),
        json.dumps([{"pageId": "p", "event": event} for event in EVENTS]),
        json.dumps([EVENTS]),
    ],
    ids=["wrapper", "packed", "steel", "list of lists"],
)
def test_a_column_may_hold_any_form_of_json_text(tmp_path, value):
    table = pa.table({"id": ["a"], "note": ["{}"], "count": [3], "blob": [value]})
    (session,) = read(tmp_path, parquet_of(table))
    assert session.session_id == "file#a"
    assert session.fields["count"] == "3"
    check_events(session)


def test_structs_of_events_in_lists_of_rows_without_a_session_are_one_session(tmp_path):
    table = pa.table({"event": [json.dumps(event) for event in EVENTS]})
    (session,) = read(tmp_path, parquet_of(table))
    assert session.session_id == "file"
    check_events(session)


def tec_table():
    """Two tasks as the TEC corpus publishes them: web pages in trials in tasks."""

    def page(number, events):
        return {
            "id": number,
            "url": "http://a.test/",
            "dwell_time": 3,
            "mouse_moves": json.dumps([{"x": 1, "y": 2, "time": 3}]),
            "event_list": json.dumps([{"type": "click", "timestamp": 4, "data": {}}]),
            "rrweb_record": json.dumps(events),
        }

    tasks = [
        {
            "task_id": 510,
            "participant_id": "participant_000002",
            "question": "When?",
            "participant": {"participant_id": "participant_000002", "login_num": 3},
            "trials": [
                {"trial_num": 1, "webpages": [page(1, []), page(2, EVENTS)]},
                {"trial_num": 2, "webpages": [page(3, later(100))]},
            ],
        },
        {
            "task_id": 515,
            "participant_id": "participant_000003",
            "question": "Who?",
            "participant": {"participant_id": "participant_000003", "login_num": 1},
            "trials": [{"trial_num": 1, "webpages": [page(4, later(200))]}],
        },
    ]
    return pa.Table.from_pylist(tasks)


def test_the_tec_corpus_is_read_page_by_page(tmp_path):
    found = read(tmp_path, parquet_of(tec_table(), row_group_size=1))
    assert names_of(found) == ["file#510#0/1", "file#510#1/0", "file#515#0/0"]
    assert [session.record for session in found] == ["510", "510", "515"]
    assert found[2].fields["participant_id"] == "participant_000003"
    for session, milliseconds in zip(found, (0, 100, 200), strict=True):
        check_events(session, later(milliseconds))


def test_an_event_a_row_with_a_struct_of_data(tmp_path):
    kind = pa.struct([("source", pa.int64()), ("type", pa.int64()), ("id", pa.int64())])
    rows = [("a", 0), ("b", 5), ("a", 1), ("b", 6)]
    table = pa.table(
        {
            "session_id": [row[0] for row in rows],
            "type": [3, 3, 3, 3],
            "timestamp": pa.array([datetime.fromtimestamp(r[1], UTC) for r in rows]),
            "data": pa.array([{"source": 2, "type": 2, "id": 7}] * 4, type=kind),
        }
    )
    found = read(tmp_path, parquet_of(table))
    assert names_of(found) == ["file#a", "file#b"]
    events = decode_events(found[1].parts).events
    assert [event.timestamp for event in events] == [5000.0, 6000.0]
    assert events[0].data.id == 7


def test_a_native_list_of_events(tmp_path):
    table = pa.Table.from_pylist([{"id": "x", "events": EVENTS}, {"id": "y", "events": EVENTS[:1]}])
    found = read(tmp_path, parquet_of(table))
    assert names_of(found) == ["file#x", "file#y"]
    check_events(found[0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (parquet_of(pa.table({"a": [1], "b": ["x"]})), "no column of it holds rrweb events"),
        (parquet_of(pa.table({"events": pa.array([], pa.string())})), "no column of it"),
        (parquet_of(tec_table())[:-9], "damaged Parquet"),
        (b"PAR1" + b"\0" * 600, "damaged Parquet"),
    ],
)
def test_a_table_without_events_is_rejected(tmp_path, content, reason):
    (rejected,) = read(tmp_path, content)
    assert reason in rejected.reason


def test_a_bad_row_costs_itself_alone(tmp_path):
    table = pa.table({"id": ["a", "b", "c"], "events": [json.dumps(EVENTS), "{", None]})
    found = read(tmp_path, parquet_of(table))
    assert [type(session) for session in found] == [Session, Rejected]
    assert found[1].where == "row 1"


# --- SQLite


def sqlite_of(path, *statements):
    with sqlite3.connect(path) as database:
        for statement, rows in statements:
            if rows is None:
                database.execute(statement)
            else:
                database.executemany(statement, rows)
    database.close()


def test_sqlite_with_an_exploded_event_a_row(tmp_path):
    rows = [
        (session, event["type"], json.dumps(event["data"]), event["timestamp"])
        for event in EVENTS
        for session in ("s1", "s2")
    ]
    sqlite_of(
        tmp_path / "file",
        (
            "CREATE TABLE rrweb_events (id INTEGER PRIMARY KEY, session_id TEXT, event_type INT, "
            "event_data TEXT, event_timestamp INT)",
            None,
        ),
        ("CREATE TABLE settings (name TEXT, value TEXT)", None),
        ("INSERT INTO settings VALUES (?, ?)", [("theme", "{}")]),
        (
            "INSERT INTO rrweb_events (session_id, event_type, event_data, event_timestamp) "
            "VALUES (?, ?, ?, ?)",
            rows,
        ),
    )
    found = read(tmp_path, None)
    assert names_of(found) == ["file#s1", "file#s2"]
    check_events(found[1])


def test_sqlite_with_dates_and_numbers_as_text(tmp_path):
    rows = [
        ("3", "1970-01-01 00:00:01.003", '{"source": 2, "type": 2, "id": 1}'),
        ("3", "1004", '{"source": 2, "type": 2, "id": 1}'),
        ("3", "soon", '{"source": 2, "type": 2, "id": 1}'),
        ("3", None, "{"),
    ]
    sqlite_of(
        tmp_path / "file",
        ("CREATE TABLE e (type TEXT, timestamp TEXT, data TEXT)", None),
        ("INSERT INTO e VALUES (?, ?, ?)", rows),
    )
    (session,) = read(tmp_path, None)
    decoded = decode_events(session.parts)
    assert [event.timestamp for event in decoded.events] == [1003.0, 1004.0, None]
    assert decoded.num_rejected == 1


def test_two_tables_of_events_are_told_apart_and_a_log_beside_is_noted(tmp_path):
    (tmp_path / "file-wal").write_bytes(b"x")
    sqlite_of(
        tmp_path / "other",
        ("CREATE TABLE a (id TEXT, events TEXT)", None),
        ("CREATE TABLE b (id TEXT, events TEXT)", None),
        ("INSERT INTO a VALUES (?, ?)", [("x", json.dumps(EVENTS)), ("y", "[1")]),
        ("INSERT INTO b VALUES (?, ?)", [("x", json.dumps(later(1)))]),
    )
    found = read(tmp_path, (tmp_path / "other").read_bytes())
    assert [session.session_id for session in found if isinstance(session, Session)] == [
        "file#a/x",
        "file#b/x",
    ]
    assert found[1].where == "table a, row 1"
    assert "write-ahead log" in found[0].notes[0]


def test_sqlite_with_json_lists_single_events_and_nothing(tmp_path):
    sqlite_of(
        tmp_path / "file",
        ("CREATE TABLE recordings (id INTEGER, session_id TEXT, events TEXT)", None),
        (
            "INSERT INTO recordings VALUES (?, ?, ?)",
            [
                (1, "a", json.dumps(EVENTS[:2])),
                (2, "b", "[]"),
                (3, "a", json.dumps(EVENTS[2])),
            ],
        ),
    )
    (session,) = read(tmp_path, None)
    assert session.session_id == "file#a"
    check_events(session)


def test_a_database_inside_an_archive_is_read(tmp_path):
    sqlite_of(
        tmp_path / "db",
        ("CREATE TABLE r (id TEXT, events BLOB)", None),
        ("INSERT INTO r VALUES (?, ?)", [("x", zlib.compress(dumps(EVENTS)))]),
    )
    found = read(tmp_path, gzip.compress(zip_of({"r.db": (tmp_path / "db").read_bytes()})))
    assert names_of(found) == ["file#r/x"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"SQLite format 3\0" + b"\xff" * 600, "damaged SQLite"),
        (None, "no table of it"),
    ],
)
def test_a_database_without_events_is_rejected(tmp_path, content, reason):
    if content is None:
        sqlite_of(tmp_path / "file", ("CREATE TABLE a (b)", None))
    (rejected,) = read(tmp_path, content)
    assert reason in rejected.reason


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
    assert main(command) == 1
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
