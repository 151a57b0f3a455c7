"""Parquet files whose columns hold events as JSON, as structs, or an event a row.

The public TEC corpus (a task a row, in it trials, in them web pages, in each of them the JSON text
`rrweb_record`) is one of them; see `rows` for the layouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.readers.content import Content
from data_prep.readers.reader import Reader, expander_of
from data_prep.readers.rows import sessions_of_rows
from data_prep.readers.session import Rejected, UnreadableError
from rrweb_tokenizer.recording import FoundSession

__all__ = ["READER"]

_MAGIC: Final = b"PAR1"
_BATCH_BYTES: Final = 8 << 20
_MAX_BATCH_ROWS: Final = 1024
_PARQUET_ERRORS: Final = (pa.ArrowException, OSError, ValueError)


def _is_parquet(head: bytes) -> bool:
    return head.startswith(_MAGIC)


def _read(content: Content) -> Iterator[FoundSession | Rejected]:
    with content.seekable() as file:
        rows = _rows(file)
        yield from sessions_of_rows(rows, content, expander_of(content), form="parquet")


def _rows(file: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows; a few at a time are in memory, by their mean size.

    Raises:
        UnreadableError: Damaged, cut short, encrypted or of an unknown encoding.
    """
    try:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            metadata = parquet.metadata.row_group(group)
            bytes_a_row = metadata.total_byte_size // max(1, metadata.num_rows)
            batch_rows = min(_MAX_BATCH_ROWS, max(1, _BATCH_BYTES // max(1, bytes_a_row)))
            for batch in parquet.iter_batches(batch_rows, row_groups=[group], use_threads=False):
                for start in range(batch.num_rows):
                    # One by one: as Python objects, rows are several times larger.
                    yield batch.slice(start, 1).to_pylist()[0]
    except _PARQUET_ERRORS as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"damaged Parquet ({type(error).__name__})") from None


READER: Final = Reader(name="parquet", detect=_is_parquet, read=_read)
