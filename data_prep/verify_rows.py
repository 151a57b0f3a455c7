"""Checks the shards of a corpus: bytes, layout, and each row's promises.

Letters in shapes: n ids and k keyframes of all sessions of a record batch, R sessions in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_prep.files import sha256_of
from data_prep.problems import Problems
from data_prep.session_row import SCHEMA
from data_prep.shards import INFO_FILE, STATE_FILE, is_shard_name
from data_prep.split_writer import ShardFile, SplitSummary, dataset_state
from data_prep.splits import split_of
from rrweb_tokenizer.structural_vocab import MASK_ID

__all__ = ["RowCheck", "StoredRow", "check_files_of_split", "row_check", "rows_of_split"]

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class StoredRow(NamedTuple):
    """What is compared of a stored session with the ledger and with other sessions."""

    shard: Path
    number: int
    """Number of the session in its shard."""

    session_id: str
    group: str
    sha256: str
    num_ids: int
    num_keyframes: int
    num_events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCheck:
    """What rows are checked against."""

    num_token_ids: int
    """Ids are below this."""

    split_of_group: Callable[[str], str]


def row_check(num_token_ids: int, options: dict[str, Any]) -> RowCheck:
    """Return what a corpus prepared with these options promises of its rows."""
    fractions = {
        name: float(options.get(name, default))
        for name, default in (("test_fraction", 0.05), ("validation_fraction", 0.1))
    }
    salt = str(options.get("salt", ""))

    @lru_cache(maxsize=4096)
    def split_of_group(group: str) -> str:
        return split_of(group, **fractions, salt=salt)

    return RowCheck(num_token_ids=num_token_ids, split_of_group=split_of_group)


def check_files_of_split(
    corpus_dir: Path, split: str, summary: SplitSummary, problems: Problems
) -> list[Path]:
    """Check that a split's files are those that were written; return the shards that are there."""
    folder = corpus_dir / split
    listed = [shard.name for shard in summary.shards]
    state = _json_of(folder / STATE_FILE, problems)
    if state is not None and state != dataset_state(split, summary.shards):
        problems.add(folder / STATE_FILE, "", "does not fit the shards that corpus.json lists")
    info = _json_of(folder / INFO_FILE, problems)
    if info is not None and info.get("features") != _features():
        problems.add(folder / INFO_FILE, "features", "are not those of the shards")
    if folder.is_dir():
        for path in sorted(folder.glob("*.arrow")):
            if path.name not in listed:
                problems.add(path, "", "is not listed in corpus.json: left over, or put there")
    return [
        folder / shard.name for shard in summary.shards if _is_shard_there(folder, shard, problems)
    ]


def _json_of(file: Path, problems: Problems) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problems.add(file, "", f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        problems.add(file, "", f"is damaged ({type(error).__name__})")
    else:
        if isinstance(content, dict):
            return content
        problems.add(file, "", "is damaged (no object)")
    return None


def _features() -> dict[str, Any]:
    """Return SCHEMA as `datasets` writes it down."""
    features: dict[str, Any] = {}
    for column in SCHEMA:
        is_list = pa.types.is_large_list(column.type)
        dtype = str(column.type.value_type if is_list else column.type)
        value = {"dtype": dtype.replace("double", "float64"), "_type": "Value"}
        features[column.name] = {"feature": value, "_type": "LargeList"} if is_list else value
    return features


def _is_shard_there(folder: Path, shard: ShardFile, problems: Problems) -> bool:
    path = folder / shard.name
    if not is_shard_name(shard.name):
        problems.add(folder, "", f"corpus.json lists {shard.name!r}, which is no name of a shard")
        return False
    try:
        num_bytes = path.stat().st_size
        sha256 = sha256_of(path)
    except FileNotFoundError:
        problems.add(path, "", "is missing")
        return False
    except OSError as error:
        problems.add(path, "", f"cannot be read: {error.strerror}")
        return False
    if num_bytes != shard.num_bytes:
        what = "cut short" if num_bytes < shard.num_bytes else "longer than it was written"
        problems.add(path, "", f"is {what}: {num_bytes:,} bytes, not {shard.num_bytes:,}")
    elif sha256 != shard.sha256:
        problems.add(path, "", f"was changed: its sha256 is {sha256[:16]}..., not as written")
    return True


def rows_of_split(
    shards: list[Path], split: str, check: RowCheck, problems: Problems
) -> Iterator[StoredRow]:
    """Check the rows of a split, and yield them in order as far as they can be read."""
    for path in shards:
        first = 0
        try:
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
                if not reader.schema.equals(SCHEMA):
                    problems.add(path, "schema", "was written by another version")
                    continue
                for batch in reader:
                    # Offsets that lead out of a buffer would crash whoever follows them.
                    batch.validate(full=True)
                    columns = _Columns(batch)
                    _check_arrays(columns, first, path, check, problems)
                    yield from _checked_rows(columns, first, path, split, check, problems)
                    first += batch.num_rows
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            problems.add(path, f"at or after session {first}", f"cannot be read: {reason}")


class _Columns:
    """A record batch as arrays."""

    def __init__(self, batch: Any) -> None:
        ids, keyframes = batch.column("ids"), batch.column("keyframes")
        self.batch = batch
        self.id_offsets: npt.NDArray[np.int64] = ids.offsets.to_numpy(zero_copy_only=True)
        self.ids: npt.NDArray[np.uint16] = ids.values.to_numpy(zero_copy_only=True)
        self.keyframe_offsets: npt.NDArray[np.int64] = keyframes.offsets.to_numpy(
            zero_copy_only=True
        )
        self.keyframes: npt.NDArray[np.uint32] = keyframes.values.to_numpy(zero_copy_only=True)


def _check_arrays(
    columns: _Columns, first: int, path: Path, check: RowCheck, problems: Problems
) -> None:
    """Check ids and keyframes, a whole batch at a time."""
    id_offsets, keyframe_offsets = columns.id_offsets, columns.keyframe_offsets
    num_ids, num_keyframes = np.diff(id_offsets), np.diff(keyframe_offsets)

    def complain(rows: npt.NDArray[np.intp], message: str) -> None:
        for row in np.unique(rows):
            problems.add(path, f"session {first + int(row)}", message)

    complain(np.flatnonzero(num_ids == 0), "holds no ids")
    complain(np.flatnonzero(num_keyframes == 0), "has no keyframe")
    bad = np.flatnonzero((columns.ids <= MASK_ID) | (columns.ids >= check.num_token_ids))
    complain(_rows_of(bad, id_offsets), "holds ids that no session has (special or out of range)")
    has_some = num_keyframes > 0
    starts, stops = keyframe_offsets[:-1][has_some], keyframe_offsets[1:][has_some]
    numbers = np.flatnonzero(has_some)
    if not len(numbers):
        return
    keyframes = columns.keyframes.astype(np.int64)
    complain(numbers[keyframes[starts] != 0], "its first keyframe is not 0")
    complain(numbers[keyframes[stops - 1] >= num_ids[has_some]], "has a keyframe beyond its ids")
    falls = np.flatnonzero(np.diff(keyframes) <= 0) + 1
    complain(
        _rows_of(falls[~np.isin(falls, starts)], keyframe_offsets), "its keyframes do not ascend"
    )


def _rows_of(
    positions: npt.NDArray[np.intp], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.intp]:
    """Return the rows in which positions of the flat array lie; those outside all are left out."""
    rows = np.searchsorted(offsets, positions, side="right") - 1
    return rows[(rows >= 0) & (rows < len(offsets) - 1)]


def _checked_rows(
    columns: _Columns, first: int, path: Path, split: str, check: RowCheck, problems: Problems
) -> Iterator[StoredRow]:
    names = ("session_id", "group", "split", "start_ms", "end_ms", "num_events", "sha256")
    values = [columns.batch.column(name).to_pylist() for name in names]
    num_ids = np.diff(columns.id_offsets).tolist()
    num_keyframes = np.diff(columns.keyframe_offsets).tolist()
    for row, (session_id, group, own, start, end, num_events, sha256) in enumerate(
        zip(*values, strict=True)
    ):
        place = f"session {first + row}"
        if not session_id or not group:
            problems.add(path, place, "has no name or no group")
        elif own != split:
            problems.add(path, place, f"says that it is of {own!r}", kind="split")
        elif (rule := check.split_of_group(group)) != split:
            problems.add(path, place, f"its group belongs into {rule}, not {split}", kind="rule")
        if start is None or end is None or not start <= end:
            problems.add(path, place, "ends before it starts")
        if not num_events:
            problems.add(path, place, "has no events")
        if not _SHA256.fullmatch(sha256 or ""):
            problems.add(path, place, "has no sha256")
        yield StoredRow(
            shard=path,
            number=first + row,
            session_id=session_id or "",
            group=group or "",
            sha256=sha256 or "",
            num_ids=num_ids[row],
            num_keyframes=num_keyframes[row],
            num_events=num_events or 0,
        )
