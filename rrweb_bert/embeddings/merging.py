"""Embedded parts -> one Parquet file, in the order of the recordings, labels joined."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError
from data_prep.files import sync_file, sync_folder, write_text_atomically

from .labels import Labels
from .layout import Header, schema_of
from .parts import EmbeddedParts

__all__ = ["Counts", "merge", "rejected_file"]

# A row group is held while it grows.
_MAX_GROUP_ROWS: Final = 1024
_MAX_GROUP_IDS: Final = 8 << 20


@dataclass(slots=True, kw_only=True)
class Counts:
    """What went into a file; files add up: `num_files == num_embedded_files + num_empty_files`."""

    num_files: int = 0
    num_empty_files: int = 0
    """Files of which no session was embedded."""

    num_sessions: int = 0
    num_windows: int = 0
    num_rows: int = 0
    num_labelled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def num_rejected(self) -> int:
        """Files, and sessions in files, that were rejected."""
        return sum(self.reasons.values())


def rejected_file(output: Path) -> Path:
    """Where the list of what was rejected stands: beside the file."""
    return output.with_name(f"{output.name}.rejected.jsonl")


def merge(
    output: Path, header: Header, keys: Iterable[str], parts: EmbeddedParts, labels: Labels
) -> Counts:
    """Write the file under a temporary name, sync it, and give it its name.

    Args:
        output: the Parquet file.
        header: what it says of itself; counts are added.
        keys: of the files, in the order of the result.
        parts: where they are.
        labels: whose columns are joined.

    Raises:
        DataError: the disk is full, or the labels are ambiguous.
    """
    keys = list(keys)
    counts, rejected = _counted(keys, parts)
    header = replace(
        header,
        num_files=counts.num_files,
        num_rejected=counts.num_rejected,
        label_columns=tuple(column.name for column in labels.fields),
    )
    temporary = output.with_name(f".{output.name}.tmp")
    schema = schema_of(header.vector_size, labels.fields, header)
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for table in _groups(keys, parts):
                columns = _label_columns(table, labels)
                counts.num_labelled += _num_labelled(columns)
                writer.write_table(
                    pa.Table.from_arrays([*table.columns, *columns], schema=schema),
                    row_group_size=len(table),
                )
        sync_file(temporary)
        _write_rejected(output, rejected)
        temporary.replace(output)
        sync_folder(output.parent)
    except OSError as error:
        raise DataError(
            f"{output} cannot be written ({error.strerror or error}); free some space and run the "
            "same command again, nothing is embedded twice"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return counts


def _counted(keys: list[str], parts: EmbeddedParts) -> tuple[Counts, list[tuple[str, str]]]:
    counts, rejected = Counts(), []
    for key in keys:
        files = parts.files(key)
        counts.num_files += 1
        counts.num_empty_files += not any(file.num_sessions for file in files)
        for file in files:
            counts.num_sessions += file.num_sessions
            counts.num_windows += file.num_windows
            counts.num_rows += file.num_rows
            for reason in file.reasons:
                rejected.append((file.file, reason))
                kind = reason.split(" (")[0]
                counts.reasons[kind] += 1
                counts.examples.setdefault(kind, file.file)
    return counts, rejected


def _groups(keys: list[str], parts: EmbeddedParts) -> Iterable[Any]:
    """Tables of so many rows and ids, whichever parts they come from."""
    pending: list[Any] = []
    num_rows = num_ids = 0
    for table in (table for key in keys for table in parts.rows(key)):
        lengths = table.column("num_ids").to_pylist()
        first = 0
        for row, length in enumerate(lengths):
            num_rows, num_ids = num_rows + 1, num_ids + length
            if num_rows >= _MAX_GROUP_ROWS or num_ids >= _MAX_GROUP_IDS:
                pending.append(table.slice(first, row + 1 - first))
                yield pa.concat_tables(pending).combine_chunks()
                pending, num_rows, num_ids, first = [], 0, 0, row + 1
        if first < len(table):
            pending.append(table.slice(first))
    if pending:
        yield pa.concat_tables(pending).combine_chunks()


def _label_columns(table: Any, labels: Labels) -> list[Any]:
    if not labels.fields:
        return []
    sessions = table.column("session_id").to_pylist(), table.column("file").to_pylist()
    return labels.columns_for(zip(*sessions, strict=True))


def _num_labelled(columns: list[Any]) -> int:
    """How many rows have a value in any column."""
    if not columns:
        return 0
    valid = [column.is_valid().to_numpy(zero_copy_only=False) for column in columns]
    return int(sum(valid).astype(bool).sum())


def _write_rejected(output: Path, rejected: list[tuple[str, str]]) -> None:
    path = rejected_file(output)
    if not rejected:
        path.unlink(missing_ok=True)
        return
    lines = [json.dumps({"file": file, "reason": reason}) for file, reason in rejected]
    write_text_atomically(path, "\n".join(lines) + "\n")
