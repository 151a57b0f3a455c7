"""Sessions -> rows of a file of embeddings: vectors, windows, times.

Letters in shapes: s sessions, w windows of all of them, H length of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_prep.session_row import SessionRow

from ..session_ids import event_starts_of
from .layout import schema_of

if TYPE_CHECKING:
    from ..session_encoder import SessionEncoder, WindowSums

__all__ = ["batch_of_sessions", "vectors_of_sessions"]

# 1970 to 9999: what an Arrow timestamp and Python's dates both hold.
_LAST_MS: Final = 253_402_300_799_999


def vectors_of_sessions(
    encoder: SessionEncoder, rows: Sequence[SessionRow], pooling: str, batch_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], WindowSums]:
    """(s, H) vectors of the sessions and (w, H) of their windows, from one pass of the model."""
    found = encoder.window_sums(list(rows), pooling=pooling, batch_size=batch_size)
    return found.of_sessions(len(rows), pooling), found.of_windows(pooling), found


def batch_of_sessions(
    encoder: SessionEncoder,
    sessions: Sequence[tuple[str, str | None, SessionRow]],
    *,
    pooling: str,
    level: str,
    batch_size: int,
) -> Any:
    """The rows of some sessions as an Arrow record batch.

    Args:
        encoder: the model.
        sessions: (file, split where it is known, session).
        pooling: one of `POOLINGS`.
        level: one of `LEVELS`.
        batch_size: windows at once.
    """
    rows = [row for _, _, row in sessions]
    vectors, window_vectors, found = vectors_of_sessions(encoder, rows, pooling, batch_size)
    records: list[dict[str, Any]] = []
    chosen: list[npt.NDArray[np.float32]] = []
    firsts = np.searchsorted(found.session_index, np.arange(len(rows) + 1))
    for number, (file, split, row) in enumerate(sessions):
        first, stop = int(firsts[number]), int(firsts[number + 1])
        common = {
            "session_id": row.session_id,
            "file": file,
            "split": split,
            "group": row.group,
            "sha256": row.sha256,
        }
        if level == "session":
            windows = _windows(found, window_vectors, first, stop, 0)
            times = _times(row.start_ms, row.end_ms)
            records.append({**common, **windows, **times, **_ids(row.ids, row.num_events)})
            chosen.append(vectors[number])
            continue
        for place in range(first, stop):
            start_id, stop_id = int(found.starts[place]), int(found.stops[place])
            ids = row.ids[start_id:stop_id]
            records.append(
                {
                    **common,
                    "window": place - first,
                    **_windows(found, window_vectors, place, place + 1, start_id),
                    **_times(float(found.start_ms[place]), float(found.end_ms[place])),
                    **_ids(ids, len(event_starts_of(ids))),
                }
            )
            chosen.append(window_vectors[place])
    return _record_batch(records, np.stack(chosen))


def _windows(
    found: WindowSums, vectors: npt.NDArray[np.float32], first: int, stop: int, offset: int
) -> dict[str, Any]:
    return {
        "num_windows": stop - first,
        "window_starts": found.starts[first:stop] - offset,
        "window_stops": found.stops[first:stop] - offset,
        "window_start_ms": found.start_ms[first:stop],
        "window_end_ms": found.end_ms[first:stop],
        "window_embeddings": vectors[first:stop].astype(np.float16).ravel(),
    }


def _times(start_ms: float, end_ms: float) -> dict[str, Any]:
    """When it began, None where a recording's clock says what no calendar holds."""
    is_date = 0 <= start_ms <= _LAST_MS
    seconds = max(0.0, end_ms - start_ms) / 1000
    return {"start": int(start_ms) if is_date else None, "duration": seconds}


def _ids(ids: npt.NDArray[np.uint16], num_events: int) -> dict[str, Any]:
    return {"ids": ids, "num_ids": len(ids), "num_events": num_events}


def _record_batch(records: list[dict[str, Any]], vectors: npt.NDArray[np.float32]) -> Any:
    schema = schema_of(vectors.shape[1])
    columns: list[Any] = []
    for column in schema:
        if column.name == "embedding":
            flat = pa.array(vectors.ravel(), pa.float32())
            columns.append(pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]))
        else:
            values = [record.get(column.name) for record in records]
            columns.append(_column(values, column.type))
    return pa.record_batch(columns, schema=schema)


def _column(values: list[Any], kind: Any) -> Any:
    is_large = pa.types.is_large_list(kind)
    if not is_large and not pa.types.is_list(kind):
        return pa.array(values, kind)
    dtype = kind.value_type.to_pandas_dtype()
    offsets = np.zeros(len(values) + 1, np.int64 if is_large else np.int32)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    flat = np.concatenate([np.zeros(0, dtype), *values]).astype(dtype, copy=False)
    maker = pa.LargeListArray if is_large else pa.ListArray
    return maker.from_arrays(pa.array(offsets), pa.array(flat, kind.value_type))
