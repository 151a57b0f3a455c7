"""A small recording, and the containers that tests put it into."""

import io
import json
import sqlite3
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.limits import DEFAULT_LIMITS
from data_prep.readers import Session, read_sessions
from rrweb_tokenizer.schema import decode_events

META = {"type": 4, "data": {"href": "http://a.test/", "width": 9, "height": 8}, "timestamp": 1000}
NODE = {"type": 0, "id": 1, "childNodes": []}
SNAPSHOT = {"type": 2, "data": {"node": NODE}, "timestamp": 1001}
CLICK = {"type": 3, "timestamp": 1003, "data": {"source": 2, "type": 2, "id": 1, "x": 1, "y": 2}}
EVENTS = [META, SNAPSHOT, CLICK]


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


def parquet_of(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


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


def sqlite_of(path, *statements):
    with sqlite3.connect(path) as database:
        for statement, rows in statements:
            if rows is None:
                database.execute(statement)
            else:
                database.executemany(statement, rows)
    database.close()
