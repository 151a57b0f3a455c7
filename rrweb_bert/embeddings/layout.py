"""What a file of embeddings holds: its columns, and what it says of itself.

A row is a session, or a window of one (`level`). Beside the vectors stand the ids that they were
made of, personal data out as in any corpus: an index shows with them why two sessions are alike.

Letters in shapes: H length of a vector, w windows of a row, n ids of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError

__all__ = ["FORMAT_VERSION", "LEVELS", "OWN_COLUMNS", "Header", "read_header", "schema_of"]

FORMAT_VERSION: Final = 1
LEVELS: Final = ("session", "window")
_KEY: Final = b"rrweb_bert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What decides the vectors, and what is counted; stands in the file's metadata."""

    level: str
    pooling: str
    model: str
    """Hash of the weights and of what the configuration does with them."""

    tokenizer: str
    """Hash of the files that decide the ids."""

    tokenizer_code: str
    """Hash of the code that does."""

    window_ids: int
    stride: int
    layers: tuple[int, ...]
    vector_size: int
    inputs: str
    """Hash of the recordings' names, sizes and times, or a corpus's fingerprint."""

    labels: str = ""
    """Hash of the file of labels; empty without one."""

    label_columns: tuple[str, ...] = ()
    model_name: str = ""
    """How the model was named; decides nothing."""

    num_files: int = 0
    num_rejected: int = 0
    """Files and sessions in them that were rejected."""

    format_version: int = field(default=FORMAT_VERSION)

    def differences(self, other: Header) -> list[str]:
        """What of the things that decide the file's rows is not as in `other`, one by one."""
        mine, others = asdict(self), asdict(other)
        free = {"model_name", "num_files", "num_rejected", "label_columns", "vector_size"}
        return [
            f"{name.replace('_', ' ')} {_short(others[name])} there, {_short(mine[name])} here"
            for name in mine
            if name not in free and mine[name] != others[name]
        ]

    def metadata(self) -> dict[bytes, bytes]:
        """For the schema of a Parquet file."""
        return {_KEY: json.dumps(asdict(self), sort_keys=True).encode()}


OWN_COLUMNS: Final = (
    pa.field("session_id", pa.string()),
    pa.field("window", pa.int32()),
    pa.field("file", pa.string()),
    pa.field("split", pa.string()),
    pa.field("group", pa.string()),
    pa.field("sha256", pa.string()),
    pa.field("start", pa.timestamp("ms", tz="UTC")),
    pa.field("duration", pa.float64()),
    pa.field("num_events", pa.int64()),
    pa.field("num_ids", pa.int64()),
    pa.field("num_windows", pa.int32()),
    pa.field("window_starts", pa.list_(pa.uint32())),
    pa.field("window_stops", pa.list_(pa.uint32())),
    pa.field("window_start_ms", pa.list_(pa.float64())),
    pa.field("window_end_ms", pa.list_(pa.float64())),
    pa.field("window_embeddings", pa.large_list(pa.float16())),
    pa.field("ids", pa.large_list(pa.uint16())),
)
"""All columns but `embedding` and the labels; docs/search.md says what each one is."""


def schema_of(vector_size: int, labels: Sequence[Any] = (), header: Header | None = None) -> Any:
    """The Arrow schema of a file, or of a part of one where there is no header."""
    vector = pa.field("embedding", pa.list_(pa.float32(), vector_size))
    metadata = None if header is None else header.metadata()
    return pa.schema([*OWN_COLUMNS, vector, *labels], metadata=metadata)


def read_header(path: Path) -> Header:
    """What a file of embeddings says of itself.

    Raises:
        DataError: there is no such file, or it is something else; says what to do.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: there is no such file; make it with python -m rrweb_bert embed DATA "
            "--output FILE"
        )
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no Parquet file, or a damaged one ({error})") from None
    if _KEY not in metadata:
        raise DataError(f"{path} is Parquet, but not made by python -m rrweb_bert embed")
    try:
        fields = json.loads(metadata[_KEY])
        if fields["format_version"] != FORMAT_VERSION:
            raise DataError(
                f"{path} has format {fields['format_version']}, this is {FORMAT_VERSION}: embed "
                "again with --overwrite"
            )
        return msgspec.convert(fields, Header)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: its metadata is damaged ({error}); embed again") from None


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) in (32, 64) and text.isalnum() else text or "none"
