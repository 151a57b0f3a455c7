"""The sessions of a file of embeddings that are most like one session.

The file is Parquet with a row a session: `session_id`, `embedding` (H floats), and perhaps
`sha256`, `duration` (seconds), `num_events` and columns of labels, as
`python -m rrweb_bert embed` writes it. Its rows are read in pieces, so that memory does not grow
with the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError
from rrweb_bert.search.centring import mean_of, unit_vectors
from rrweb_bert.window_pooling import POOLINGS
from rrweb_tokenizer.telling.reader import printable
from rrweb_tokenizer.telling.wording import duration

__all__ = ["Neighbour", "check_model_of", "nearest", "pooling_of", "windows_of"]

_NEEDED: Final = ("session_id", "embedding")
_OWN: Final = ("sha256", "duration", "num_events")
_NOT_TOLD: Final = frozenset(
    "window file split group start num_ids num_windows window_starts window_stops window_start_ms "
    "window_end_ms window_embeddings ids".split()
)
_WINDOWS: Final = frozenset({"window_ids", "stride", "layers"})
_ROWS_AT_ONCE: Final = 4096
_NO_NUMBER: Final = -2.0  # below every cosine: of a row that is no neighbour
_MAX_LABELS: Final = 6
_MAX_CHARS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A session that is like another one.

    Attributes:
        session_id: its name.
        similarity: cosine of the centred vectors, -1 to 1, as `search` tells it.
        about: how long it is, and its labels; printable.
    """

    session_id: str
    similarity: float
    about: str


def pooling_of(path: Path) -> str:
    """The pooling that the vectors of a file were made with; "mean" where it does not say.

    Raises:
        DataError: it is no file of embeddings.
    """
    pooling = str(_said_of(path).get("pooling"))
    return pooling if pooling in POOLINGS else "mean"


def check_model_of(path: Path, model: str) -> None:
    """Check that the vectors of a file are of a model, where the file says of which they are.

    Args:
        path: the file.
        model: hash of the model (`embeddings.hashes.model_hash`).

    Raises:
        DataError: they are another's, or it is no file of embeddings.
    """
    said = _said_of(path)
    if said.get("model", model) != model:
        raise DataError(
            f"{path} was made with another model ({said.get('model_name') or 'not named'}); embed "
            "the sessions with this one, or name theirs (--model)"
        )


def windows_of(path: Path) -> dict[str, Any]:
    """How the sessions of a file were cut, for `SessionEncoder.cut_like`; empty where it is silent.

    Raises:
        DataError: it is no file of embeddings.
    """
    said = _said_of(path)
    return {name: said[name] for name in _WINDOWS} if said.keys() >= _WINDOWS else {}


def _said_of(path: Path) -> dict[str, Any]:
    metadata = _open(path).schema_arrow.metadata or {}
    try:
        said = json.loads(metadata.get(b"rrweb_bert", b"{}"))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def nearest(
    path: Path, vector: npt.NDArray[np.float32], *, sha256: str, number: int
) -> list[Neighbour]:
    """The sessions most like one, by `search.centring`, each once, most alike first.

    Of a session with many rows, as in a file of windows, the row that is most alike counts.

    Args:
        path: a file of embeddings; read twice, since the mean of its vectors is taken off.
        vector: (H,) of the session.
        sha256: of the session, which is no neighbour of its own.
        number: how many are wanted.

    Raises:
        DataError: it is no file of embeddings, or of another model's.
    """
    file = _open(path)
    names = file.schema_arrow.names
    labels = [name for name in names if name not in {*_NEEDED, *_OWN} and name not in _NOT_TOLD]
    columns = [name for name in (*_NEEDED, *_OWN, *labels[:_MAX_LABELS]) if name in names]
    batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["embedding"])
    mean = mean_of(
        (_finite(_vectors(batch.column("embedding"), len(vector), path)) for batch in batches),
        len(vector),
    )
    wanted = unit_vectors(vector[None], mean)[0]
    best: dict[str, _Found] = {}
    num_rows = 0
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
        vectors = _vectors(batch.column("embedding"), len(vector), path)
        cosines = unit_vectors(vectors, mean) @ wanted
        cosines[~np.isfinite(cosines)] = _NO_NUMBER
        if sha256 and "sha256" in columns:
            cosines[np.array(batch.column("sha256").to_pylist(), object) == sha256] = _NO_NUMBER
        for row in _best_rows(cosines, batch.column("session_id").to_pylist(), number):
            members = {name: batch.column(name)[row].as_py() for name in columns[:1] + columns[2:]}
            found = _Found(float(cosines[row]), num_rows + row, members)
            name = str(members["session_id"])
            best[name] = min(found, best.get(name, found), key=_Found.rank)
        best = dict(sorted(best.items(), key=lambda item: item[1].rank())[:number])
        num_rows += len(vectors)
    return [
        Neighbour(session_id=printable(name), similarity=found.cosine, about=_about(found.members))
        for name, found in best.items()
    ]


class _Found(NamedTuple):
    cosine: float
    row: int
    members: dict[str, Any]

    def rank(self) -> tuple[float, int]:
        return -self.cosine, self.row


def _best_rows(
    cosines: npt.NDArray[np.float32], session_ids: Sequence[object], number: int
) -> list[int]:
    """The rows most alike, one of each session: a session may have many, as one a window."""
    rows: dict[object, int] = {}
    for row in np.argsort(-cosines, kind="stable").tolist():
        if len(rows) == number or cosines[row] == _NO_NUMBER:
            break
        rows.setdefault(session_ids[row], row)
    return list(rows.values())


def _open(path: Path) -> Any:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({error}); make it with "
            "`python -m rrweb_bert embed DATA --output FILE`"
        ) from error
    missing = [name for name in _NEEDED if name not in file.schema_arrow.names]
    if missing:
        raise DataError(
            f"{path} has no column {' and no column '.join(missing)}; make it with "
            "`python -m rrweb_bert embed DATA --output FILE`"
        )
    return file


def _vectors(column: Any, size: int, path: Path) -> npt.NDArray[np.float32]:
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if len(flat) != size * len(column):
        raise DataError(
            f"{path}: its vectors are not of {size} numbers as this model's are; embed the "
            "sessions with this model, or name theirs (--model)"
        )
    vectors: npt.NDArray[np.float32] = flat.reshape(len(column), size).astype(np.float32)
    return vectors


def _finite(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The rows that are numbers; one that is none would make nothing of the mean."""
    return vectors[np.isfinite(vectors).all(axis=1)]


def _about(members: dict[str, Any]) -> str:
    parts = []
    if isinstance(members.get("duration"), int | float):
        parts.append(duration(max(0.0, members["duration"]) * 1000))
    if isinstance(members.get("num_events"), int):
        parts.append(f"{members['num_events']:,} events")
    for name, value in members.items():
        if name not in {*_NEEDED, *_OWN} and value not in (None, "", []):
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            parts.append(f"{name} {shown[:_MAX_CHARS]}")
    return printable("; ".join(parts))
