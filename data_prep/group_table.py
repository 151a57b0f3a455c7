"""A manifest file of the user's, one row a recording file -> the group of each path.

The file is CSV, JSON Lines or Parquet, told by its suffix, with a column `path` and the one asked
for. Kept are 24 bytes a row, a hash of the path and one of the value: it travels to every process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_prep.errors import DataError

__all__ = ["GroupTable", "read_group_table"]

_JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
_PARQUET: Final = (".parquet", ".pq")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupTable:
    """Which value a path has; R rows, sorted by key."""

    keys: npt.NDArray[np.uint64]
    """(R,) uint64: hashes of the paths, ascending."""

    values: npt.NDArray[np.uint64]
    """(R, 2) uint64: hashes of their values."""

    def __len__(self) -> int:
        return len(self.keys)

    def value_of(self, *paths: str) -> str | None:
        """Return the hash of the value of the first path that has a row, 32 hexadecimal digits."""
        for path in paths:
            key = np.uint64(_key(path))
            row = int(np.searchsorted(self.keys, key))
            if row < len(self.keys) and self.keys[row] == key:
                return str(self.values[row].tobytes().hex())
        return None

    def sha256(self) -> str:
        """Return a hash of it all."""
        return hashlib.sha256(self.keys.tobytes() + self.values.tobytes()).hexdigest()


def read_group_table(file: Path, column: str) -> GroupTable:
    """Read the columns `path` and `column`; rows that name no path or no value are left out.

    Paths are as in the ledger: below the input, with /; with or without suffixes.

    Raises:
        DataError: No such file or form, a column is missing, or one path has two values.
    """
    known: dict[int, bytes] = {}
    for path, value in _rows(file, column):
        key = _key(path.removeprefix("./").replace("\\", "/"))
        hashed = blake2b(value.encode(errors="replace"), digest_size=16).digest()
        if known.setdefault(key, hashed) != hashed:
            raise DataError(
                f"{file}: the path {path!r} has two different values of {column!r}; leave one"
            )
    keys = sorted(known)
    table = np.frombuffer(b"".join(known[key] for key in keys), np.uint64).reshape(-1, 2)
    return GroupTable(keys=np.array(keys, np.uint64), values=table)


def _key(path: str) -> int:
    return int.from_bytes(blake2b(path.encode(errors="replace"), digest_size=8).digest(), "little")


def _rows(file: Path, column: str) -> Iterator[tuple[str, str]]:
    """Yield (path, value), both not empty."""
    for batch in _batches(file, column):
        for path, value in zip(
            batch.column("path").to_pylist(), batch.column(column).to_pylist(), strict=True
        ):
            text = "" if value is None else str(value).strip()
            if path and text:
                yield str(path), text


def _batches(file: Path, column: str) -> Iterator[Any]:
    # Imported here: it brings pandas along, a quarter of what every worker's start takes.
    from pyarrow import csv
    from pyarrow import dataset as datasets

    suffix = file.suffix.lower()
    if suffix in _PARQUET:
        form: Any = "parquet"
    elif suffix == ".csv":
        # As text: a group "007" is not 7.
        text = {name: pa.string() for name in ("path", column)}
        convert = csv.ConvertOptions(column_types=text, strings_can_be_null=True)
        form = datasets.CsvFileFormat(convert_options=convert)
    elif suffix in _JSON_LINES:
        form = "json"
    else:
        raise DataError(f"{file} has none of the forms of a manifest: .csv, .jsonl, .parquet")
    try:
        dataset = datasets.dataset(str(file), format=form)
        missing = [name for name in ("path", column) if name not in dataset.schema.names]
        if missing:
            raise DataError(
                f"{file} has no column {' and no column '.join(map(repr, missing))}; it has "
                f"{', '.join(dataset.schema.names[:20])}"
            )
        yield from dataset.to_batches(columns=list(dict.fromkeys(["path", column])))
    except FileNotFoundError:
        raise DataError(f"{file} does not exist; --manifest names a table of the files") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read as a manifest: {error}") from None
