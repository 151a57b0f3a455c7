"""Sessions -> the shards of a split: written once, complete or not to be opened.

The layout of what is written stands in `shards`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data_prep.files import sha256_of, sync_file, sync_folder, write_text_atomically
from data_prep.session_row import SCHEMA, SessionRow
from data_prep.shards import INFO_FILE, STATE_FILE

__all__ = [
    "ShardFile",
    "SplitSummary",
    "SplitWriter",
    "batch_of",
    "dataset_state",
    "write_split",
]

# A record batch becomes one view: big enough that a large corpus has few, small enough to hold.
_MAX_BATCH_IDS = 8 << 20
_MAX_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFile:
    """One file of a split, with what is needed to tell whether it is still the same."""

    name: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSummary:
    """What was written for one split."""

    num_sessions: int
    num_ids: int
    num_keyframes: int
    num_events: int
    shards: tuple[ShardFile, ...]


class SplitWriter:
    """Writes the sessions of one split, in the order given, in memory bounded by one record batch.

    Until `close` has returned there is no `state.json`, so an unfinished split cannot be opened.
    """

    def __init__(self, directory: Path, split: str, *, max_shard_bytes: int = 512 << 20) -> None:
        """Start a split.

        Args:
            directory: The corpus folder; the split is written below it.
            split: One of SPLITS.
            max_shard_bytes: A new file is begun once this many bytes of ids are in the last.
        """
        self._folder = directory / split
        self._folder.mkdir(parents=True, exist_ok=True)
        self._split = split
        self._max_shard_bytes = max_shard_bytes
        self._rows: list[SessionRow] = []
        self._num_pending_ids = 0
        self._shards: list[ShardFile] = []
        self._sink: Any = None
        self._stream: Any = None
        self._shard_bytes = 0
        self._totals = {"num_sessions": 0, "num_ids": 0, "num_keyframes": 0, "num_events": 0}

    def append(self, row: SessionRow) -> None:
        """Add one session."""
        if row.split != self._split:
            raise ValueError(f"{row.session_id} is of {row.split}, not {self._split}")
        self._rows.append(row)
        self._num_pending_ids += len(row.ids)
        self._totals["num_sessions"] += 1
        self._totals["num_ids"] += len(row.ids)
        self._totals["num_keyframes"] += len(row.keyframes)
        self._totals["num_events"] += row.num_events
        if self._num_pending_ids >= _MAX_BATCH_IDS or len(self._rows) >= _MAX_BATCH_ROWS:
            self._write_batch()

    def close(self) -> SplitSummary:
        """Write what is pending and the two files that complete the split."""
        # An empty split gets one empty shard: every reader then needs one case only.
        if self._rows or not self._shards:
            self._write_batch()
        self._finish_shard()
        self._write_dataset_files()
        return SplitSummary(**self._totals, shards=tuple(self._shards))

    def abort(self) -> None:
        """Let go of the open file; what was written stays without `state.json`."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    @property
    def _temporary(self) -> Path:
        return self._folder / f".data-{len(self._shards):05d}.arrow.tmp"

    def _write_batch(self) -> None:
        if self._sink is None:
            self._sink = pa.OSFile(str(self._temporary), "wb")
            self._stream = pa.ipc.new_stream(self._sink, SCHEMA)
            self._shard_bytes = 0
        self._stream.write_batch(batch_of(self._rows))
        self._shard_bytes += 2 * self._num_pending_ids
        self._rows, self._num_pending_ids = [], 0
        if self._shard_bytes >= self._max_shard_bytes:
            self._finish_shard()

    def _finish_shard(self) -> None:
        if self._sink is None:
            return
        self._stream.close()
        self._sink.close()
        self._sink = None
        temporary = self._temporary
        sync_file(temporary)
        name = f"data-{len(self._shards):05d}.arrow"
        sha256 = sha256_of(temporary)
        num_bytes = temporary.stat().st_size
        temporary.replace(self._folder / name)
        sync_folder(self._folder)
        self._shards.append(ShardFile(name=name, num_bytes=num_bytes, sha256=sha256))

    def _write_dataset_files(self) -> None:
        # Imported here: loader workers and `--help` should not pay the second it takes.
        from datasets import DatasetInfo, Features

        info = DatasetInfo(features=Features.from_arrow_schema(SCHEMA))
        info.write_to_directory(str(self._folder))
        sync_file(self._folder / INFO_FILE)
        state = dataset_state(self._split, self._shards)
        write_text_atomically(self._folder / STATE_FILE, json.dumps(state, indent=2) + "\n")


def dataset_state(split: str, shards: Sequence[ShardFile]) -> dict[str, Any]:
    """Return what `state.json` holds, in the form of `datasets.load_from_disk`."""
    digest = hashlib.sha256("".join(shard.sha256 for shard in shards).encode())
    return {
        "_data_files": [{"filename": shard.name} for shard in shards],
        "_fingerprint": digest.hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }


def write_split(
    directory: Path, split: str, rows: Iterable[SessionRow], *, max_shard_bytes: int = 512 << 20
) -> SplitSummary:
    """Write one split of a corpus folder and return what was written.

    Args:
        directory: The corpus folder; the split is written below it.
        split: One of SPLITS.
        rows: The sessions, in the order in which they are to be numbered; consumed lazily.
        max_shard_bytes: A new file is begun once this many bytes of ids are in the last.
    """
    writer = SplitWriter(directory, split, max_shard_bytes=max_shard_bytes)
    try:
        for row in rows:
            writer.append(row)
    except BaseException:
        writer.abort()
        raise
    return writer.close()


def batch_of(rows: list[SessionRow]) -> Any:
    """Return the rows as one record batch; ids and keyframes are joined once, not row by row."""
    columns: list[Any] = []
    for field in SCHEMA:
        values = [getattr(row, field.name) for row in rows]
        if field.name in ("ids", "keyframes"):
            dtype = np.uint16 if field.name == "ids" else np.uint32
            offsets = np.zeros(len(rows) + 1, np.int64)
            np.cumsum([len(value) for value in values], out=offsets[1:])
            flat = np.concatenate([np.zeros(0, dtype), *values], dtype=dtype, casting="safe")
            columns.append(pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat)))
        else:
            columns.append(pa.array(values, type=field.type))
    return pa.record_batch(columns, schema=SCHEMA)
