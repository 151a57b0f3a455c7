"""A file of labels -> columns beside the vectors.

JSON Lines, one object a session. It is found by its `session_id`, `id` or `file`: the session's
own id, the last part of it, or the file's path below the input, with or without suffixes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from data_prep.errors import DataError
from data_prep.files import sha256_of
from data_prep.names import without_suffixes

from .layout import OWN_COLUMNS

__all__ = ["Labels", "read_labels"]

_KEYS: Final = ("session_id", "id", "file")
_TAKEN: Final = frozenset([*(field.name for field in OWN_COLUMNS), "embedding"])


class Labels:
    """Columns of labels, and which line is a session's."""

    def __init__(
        self, path: Path | None, columns: dict[str, list[Any]], lines: dict[str, int], num: int
    ) -> None:
        self.sha256 = "" if path is None else sha256_of(path)
        self.num_lines = num
        self.left_out: list[str] = []
        """Members that no column holds: objects, and lists of lists or objects."""

        self.used: set[int] = set()
        self._path, self._lines = path, lines
        self._columns: dict[str, list[Any]] = {}
        self.fields: list[Any] = []
        for name, values in columns.items():
            kind = _kind_of(values)
            if kind is None:
                self.left_out.append(name)
                continue
            shown = f"label_{name}" if name in _TAKEN else name
            self.fields.append(pa.field(shown, kind))
            self._columns[shown] = values

    def columns_for(self, sessions: Iterable[tuple[str, str]]) -> list[Any]:
        """The columns' values for (session id, file) of some rows, in the order of `fields`.

        Raises:
            DataError: two lines are of the same session.
        """
        places = [self._line_of(session_id, file) for session_id, file in sessions]
        self.used.update(place for place in places if place is not None)
        return [
            pa.array(
                [
                    None if p is None else _as(self._columns[field.name][p], field.type)
                    for p in places
                ],
                field.type,
            )
            for field in self.fields
        ]

    def _line_of(self, session_id: str, file: str) -> int | None:
        name = session_id.partition("#")[0]
        for key in (session_id, file, without_suffixes(file), name, name.rpartition("/")[2]):
            if key and (line := self._lines.get(key)) is not None:
                if line < 0:
                    raise DataError(f"{self._path}: several lines name {key!r}; a session has one")
                return line
        return None


def read_labels(path: Path | None) -> Labels:
    """Read a file of labels; None gives none.

    Raises:
        DataError: it is missing or no such file; says which line.
    """
    columns: dict[str, list[Any]] = {}
    lines: dict[str, int] = {}
    texts: dict[str, str] = {}
    number = 0
    if path is not None and not path.is_file():
        raise DataError(f"{path}: there is no such file of labels")
    for place, row in _rows(path):
        keys = {row[key] for key in _KEYS if isinstance(row.get(key), str) and row[key]}
        if not keys:
            raise DataError(f"{path}, line {place}: names no session (session_id, id or file)")
        keys |= {without_suffixes(key) for key in keys}
        for key in keys:
            lines[key] = -1 if key in lines else number
        for name, value in row.items():
            if name in _KEYS:
                continue
            column = columns.setdefault(name, [])
            column += [None] * (number - len(column))
            # Labels repeat: each text is held once.
            column.append(texts.setdefault(value, value) if isinstance(value, str) else value)
        number += 1
    for column in columns.values():
        column += [None] * (number - len(column))
    return Labels(path, columns, lines, number)


def _rows(path: Path | None) -> Iterable[tuple[int, dict[str, Any]]]:
    if path is None:
        return
    with path.open("rb") as file:
        for place, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {place}: no JSON ({error}); labels are JSON Lines, one object "
                    "a session"
                ) from None
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {place}: no object; a label is one a session")
            yield place, row


def _kind_of(values: Sequence[Any]) -> Any:
    """The Arrow type of a column, None where it is no column that one can filter by."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool}:
        return pa.bool_() if kinds else pa.string()
    if kinds <= {int} and all(v is None or abs(v) < 1 << 63 for v in values):
        return pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    if kinds <= {list}:
        inner = {type(item) for value in values if value for item in value}
        return None if inner & {list, dict} else pa.list_(pa.string())
    return None if kinds & {list, dict} else pa.string()


def _as(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [_text(item) for item in value]
    if pa.types.is_string(kind):
        return _text(value)
    return float(value) if pa.types.is_floating(kind) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
