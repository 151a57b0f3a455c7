"""Parquet and SQLite, as their producers write them."""

import gzip
import json
import zlib
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from made_containers import (
    EVENTS,
    check_events,
    dumps,
    later,
    names_of,
    parquet_of,
    read,
    sqlite_of,
    tec_table,
    zip_of,
)

from data_prep.readers import Rejected, Session
from rrweb_tokenizer.schema import decode_events

# --- Parquet


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
