"""Tokenised sessions on disk: Arrow IPC stream shards, read memory-mapped.

Layout of a corpus folder::

    corpus/
        corpus.json                 what the corpus is; written last (module `corpus`)
        ledger.jsonl                what became of each input file
        stamps.txt                  names, sizes and times of these files, hashed; a line for each
        train/
            data-00000.arrow        Arrow IPC stream of SCHEMA; a new one after `max_shard_bytes`
            dataset_info.json       these two make `datasets.load_from_disk("corpus/train")` work;
            state.json              written last, so a split without it is not complete
        validation/  test/          the same

Letters in shapes: n ids of a session, k keyframes of a session, N sessions of a split.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_prep.errors import DataError
from data_prep.session_row import SCHEMA, SPLITS, SessionRow

__all__ = [
    "INFO_FILE",
    "SCHEMA",
    "SPLITS",
    "STATE_FILE",
    "SessionRow",
    "SessionTable",
    "SplitTable",
    "is_shard_name",
    "shard_names",
]

_SHARD_NAME = re.compile(r"data-\d{5}\.arrow")
STATE_FILE = "state.json"
INFO_FILE = "dataset_info.json"


class _Chunk(NamedTuple):
    """Zero-copy numpy views of one record batch."""

    batch: Any
    id_offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint16]
    keyframe_offsets: npt.NDArray[np.int64]
    keyframes: npt.NDArray[np.uint32]


class SessionTable:
    """Sessions in Arrow files, memory-mapped: opening reads no ids, and a slice copies none."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Map the files.

        Raises:
            DataError: A file is missing, damaged or of another version.
        """
        self._chunks: list[_Chunk] = []
        self._first_rows = [0]
        self._num_bytes: dict[Path, int] = {}
        for path in paths:
            for batch in _mapped_batches(path):
                self._chunks.append(_chunk_of(batch))
                self._first_rows.append(self._first_rows[-1] + batch.num_rows)
            self._num_bytes[path] = path.stat().st_size

    def is_whole(self) -> bool:
        """Tell whether the files are as long as when they were opened.

        To read behind the end of a mapped file that was cut kills the process (SIGBUS).
        """
        return all(
            path.is_file() and path.stat().st_size >= num_bytes
            for path, num_bytes in self._num_bytes.items()
        )

    def __len__(self) -> int:
        return self._first_rows[-1]

    def ids(self, session: int) -> npt.NDArray[np.uint16]:
        """Return (n,) uint16: all ids of a session, a read-only view of the file."""
        chunk, row = self._locate(session)
        return chunk.ids[chunk.id_offsets[row] : chunk.id_offsets[row + 1]]

    def keyframes(self, session: int) -> npt.NDArray[np.uint32]:
        """Return (k,) uint32: the offsets into `ids(session)` at which a window may start."""
        chunk, row = self._locate(session)
        return chunk.keyframes[chunk.keyframe_offsets[row] : chunk.keyframe_offsets[row + 1]]

    def session_id(self, session: int) -> str:
        """Return the stable name of a session."""
        return str(self._scalar(session, "session_id"))

    def group(self, session: int) -> str:
        """Return what the split keeps together with this session."""
        return str(self._scalar(session, "group"))

    def sha256(self, session: int) -> str:
        """Return the hash of the session's bytes as they were recorded."""
        return str(self._scalar(session, "sha256"))

    def times_ms(self, session: int) -> tuple[float, float]:
        """Return the times of the earliest and the latest event, milliseconds since 1970."""
        return float(self._scalar(session, "start_ms")), float(self._scalar(session, "end_ms"))

    def row(self, session: int) -> SessionRow:
        """Return all that is stored of a session."""
        start_ms, end_ms = self.times_ms(session)
        return SessionRow(
            session_id=self.session_id(session),
            group=self.group(session),
            split=str(self._scalar(session, "split")),
            ids=self.ids(session),
            keyframes=self.keyframes(session),
            start_ms=start_ms,
            end_ms=end_ms,
            num_events=int(self._scalar(session, "num_events")),
            sha256=self.sha256(session),
        )

    @cached_property
    def id_stops(self) -> npt.NDArray[np.int64]:
        """(N,) int64: the number of ids in the sessions up to and including each one."""
        lengths = [np.diff(chunk.id_offsets) for chunk in self._chunks]
        return np.cumsum(np.concatenate([np.zeros(0, np.int64), *lengths]), dtype=np.int64)

    @property
    def num_ids(self) -> int:
        """Number of ids in all sessions together."""
        return sum(int(chunk.id_offsets[-1] - chunk.id_offsets[0]) for chunk in self._chunks)

    def _locate(self, session: int) -> tuple[_Chunk, int]:
        if not 0 <= session < len(self):
            raise IndexError(f"session {session} of {len(self)}")
        number = bisect_right(self._first_rows, session) - 1
        return self._chunks[number], session - self._first_rows[number]

    def _scalar(self, session: int, column: str) -> Any:
        chunk, row = self._locate(session)
        return chunk.batch.column(column)[row].as_py()


class SplitTable(SessionTable):
    """The sessions of one split of a corpus folder.

    Pickles as its path, so that a loader worker opens the files itself.
    """

    def __init__(self, corpus_dir: Path, split: str) -> None:
        """Map the split's files; see `open`."""
        self.corpus_dir = corpus_dir
        self.split = split
        super().__init__(corpus_dir / split / name for name in shard_names(corpus_dir / split))

    @classmethod
    def open(cls, corpus_dir: Path | str, split: str) -> SplitTable:
        """Return the split of a corpus folder, ready to be read.

        Raises:
            DataError: The split is missing, incomplete or damaged; says where and what to do.
        """
        return cls(Path(corpus_dir), split)

    def __repr__(self) -> str:
        return f"SplitTable({str(self.corpus_dir)!r}, {self.split!r}, {len(self)} sessions)"

    def __reduce__(self) -> tuple[Any, ...]:
        return SplitTable, (self.corpus_dir, self.split)


def is_shard_name(name: str) -> bool:
    """Tell whether a name is one that shards have; no other can lead out of the split's folder."""
    return _SHARD_NAME.fullmatch(name) is not None


def shard_names(folder: Path) -> list[str]:
    """Return the names of a split's shards in their order, as its `state.json` lists them.

    Raises:
        DataError: The split is incomplete, or the list is damaged.
    """
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        names = [str(entry["filename"]) for entry in state["_data_files"]]
    except FileNotFoundError:
        raise DataError(
            f"{folder} holds no complete split ({STATE_FILE} is missing); "
            "prepare it with: python -m data_prep prepare INPUT... --output DIR"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{folder / STATE_FILE} is damaged ({type(error).__name__}); "
            "prepare the corpus again with --overwrite"
        ) from None
    for name in names:
        if not is_shard_name(name):
            raise DataError(f"{folder / STATE_FILE} lists {name!r}, which is no name of a shard")
    return names


def _mapped_batches(path: Path) -> list[Any]:
    try:
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
        batches = list(reader)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path} is missing or damaged ({error}); prepare the corpus again with --overwrite"
        ) from None
    if not reader.schema.equals(SCHEMA):
        raise DataError(f"{path} was written by another version; prepare the corpus again")
    return [batch for batch in batches if batch.num_rows > 0]


def _chunk_of(batch: Any) -> _Chunk:
    ids, keyframes = batch.column("ids"), batch.column("keyframes")
    return _Chunk(
        batch=batch,
        id_offsets=ids.offsets.to_numpy(zero_copy_only=True),
        ids=ids.values.to_numpy(zero_copy_only=True),
        keyframe_offsets=keyframes.offsets.to_numpy(zero_copy_only=True),
        keyframes=keyframes.values.to_numpy(zero_copy_only=True),
    )
