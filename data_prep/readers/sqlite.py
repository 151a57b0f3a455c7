"""SQLite databases whose tables hold events as JSON or an event a row; see `rows`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from data_prep.readers.content import Content
from data_prep.readers.reader import Reader, expander_of
from data_prep.readers.rows import layout_of, sessions_of_rows
from data_prep.readers.session import Rejected, UnreadableError
from rrweb_tokenizer.recording import FoundSession

__all__ = ["READER"]

_MAGIC: Final = b"SQLite format 3\0"
_NUM_PROBED_ROWS: Final = 50


def _is_sqlite(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _read(content: Content) -> Iterator[FoundSession | Rejected]:
    """Yield the sessions of all tables that hold events.

    Raises:
        UnreadableError: Damaged, or no table holds events.
    """
    if Path(f"{content.path}-wal").is_file() and content.depth == 0:
        content.notes.append("a write-ahead log (-wal) beside the database is not read")
    with content.on_disk() as path:
        try:
            # Immutable: nothing is written or locked, not even for a log that was left behind.
            address = f"{Path(path).absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(address, uri=True)) as database:
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, content.limits.max_session_bytes)
                database.execute("PRAGMA trusted_schema = OFF")
                # Texts need not be valid UTF-8.
                database.text_factory = lambda text: text.decode(errors="replace")
                yield from _read_tables(database, content)
        except sqlite3.Error as error:
            raise UnreadableError(f"damaged SQLite database ({type(error).__name__})") from None


def _read_tables(
    database: sqlite3.Connection, content: Content
) -> Iterator[FoundSession | Rejected]:
    names = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    ).fetchall()
    tables = [name for (name,) in names if layout_of(list(_rows(database, name, _NUM_PROBED_ROWS)))]
    if not tables:
        raise UnreadableError("no table of it holds rrweb events")
    for name in tables:
        rows = _rows(database, name)
        for found in sessions_of_rows(rows, content, expander_of(content), form="sqlite"):
            if isinstance(found, Rejected):
                yield replace(found, where=f"table {name}, {found.where}")
            elif len(tables) == 1:
                yield found
            else:
                yield replace(found, record="/".join(filter(None, (name, found.record))))


def _rows(database: sqlite3.Connection, table: str, max_rows: int = -1) -> Iterator[dict[str, Any]]:
    quoted = '"' + table.replace('"', '""') + '"'
    cursor = database.execute(
        f"SELECT * FROM {quoted} LIMIT ?",  # noqa: S608 - a name cannot be a parameter; it is quoted
        (max_rows,),
    )
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


READER: Final = Reader(name="sqlite", detect=_is_sqlite, read=_read)
