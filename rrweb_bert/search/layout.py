"""What an index holds: a folder of plain arrays, sealed by their hashes; nothing is unpickled.

    INDEX/
        index.json           what it is, and size and sha256 of every other file; written last
        vectors.npy          (N, H) float32, mean taken off, of length 1
        mean.npy             (H,) float32, what was taken off
        items.npy            (N + 1,) ITEM: where each item's windows and ids begin
        windows.npy          (W,) WINDOW: bounds and times of the windows
        window_vectors.npy   (W, H) float16, as vectors.npy
        ids.npy              (n,) uint16, the ids of all items
        fields.arrow         the other columns, one row an item
        words.sqlite         full-text index of the windows (SQLite FTS5)
        neighbours.faiss     approximate index, where there are many vectors

An item is a row of the embeddings: a session, or a window. Letters in shapes: N items, W windows of
all of them, H length of a vector, n ids of all items.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from data_prep.errors import DataError
from data_prep.files import sha256_of, write_text_atomically

__all__ = [
    "FORMAT_VERSION",
    "INDEX_FILE",
    "ITEM",
    "WINDOW",
    "IndexFile",
    "IndexHeader",
    "array_of",
    "open_header",
    "seal",
]

FORMAT_VERSION: Final = 1
INDEX_FILE: Final = "index.json"
ITEM: Final = np.dtype([("first_window", "<i8"), ("first_id", "<i8")])
WINDOW: Final = np.dtype(
    [("start", "<u4"), ("stop", "<u4"), ("start_ms", "<f8"), ("end_ms", "<f8")]
)
# Larger ones are arrays of numbers alone, read in place; to hash gigabytes takes seconds.
_HASHED_BYTES: Final = 256 << 20
_AGAIN: Final = "make it again: python -m rrweb_bert index EMBEDDINGS --output INDEX --overwrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file of an index."""

    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexHeader:
    """What `index.json` says."""

    level: str
    pooling: str
    model: str
    model_name: str
    tokenizer: str
    window_ids: int
    stride: int
    layers: tuple[int, ...]
    num_items: int
    num_windows: int
    vector_size: int
    embeddings: str
    """sha256 of the file of embeddings."""

    label_columns: tuple[str, ...]
    num_lists: int = 0
    """Lists of the approximate index; 0 where search is exact."""

    num_probes: int = 0
    """How many of them a search looks into."""

    recall_at_10: float = 1.0
    """Measured when it was built, against exact search, on 200 vectors of its own."""

    files: dict[str, IndexFile]
    format_version: int = FORMAT_VERSION


def seal(folder: Path, header: IndexHeader) -> None:
    """Write `index.json`; the folder is an index only then."""
    text = json.dumps(asdict(header), indent=2, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_text_atomically(folder / INDEX_FILE, f"{text}\n{digest}\n")


def open_header(folder: Path, *, is_thorough: bool = False) -> IndexHeader:
    """What an index says of itself, after a check of its files.

    Args:
        folder: the index.
        is_thorough: hash all files, also those of more than 256 MB.

    Raises:
        DataError: it is none, of another version, or damaged; says where and what to do.
    """
    file = folder / INDEX_FILE
    if not file.is_file():
        raise DataError(
            f"{folder} is no index, it holds no {INDEX_FILE}; make one: python -m rrweb_bert index "
            "EMBEDDINGS --output INDEX"
        )
    try:
        text, _, digest = file.read_text(encoding="utf-8").rstrip("\n").rpartition("\n")
        fields = json.loads(text)
        if fields["format_version"] != FORMAT_VERSION:
            raise DataError(
                f"{file} has format {fields['format_version']}, this is {FORMAT_VERSION}; {_AGAIN}"
            )
        header = msgspec.convert(fields, IndexHeader)
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is damaged ({type(error).__name__}); {_AGAIN}") from None
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise DataError(f"{file} was changed after it was sealed; {_AGAIN}")
    for name, expected in header.files.items():
        _check(folder / name, expected, is_thorough=is_thorough)
    return header


def array_of(folder: Path, name: str, dtype: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An array of an index, mapped into memory.

    Raises:
        DataError: it is not what the index says.
    """
    path = folder / f"{name}.npy"
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); {_AGAIN}") from None
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DataError(f"{path} is not what {INDEX_FILE} says; {_AGAIN}")
    return array


def _check(path: Path, expected: IndexFile, *, is_thorough: bool) -> None:
    if "/" in path.name or not path.is_file() or path.stat().st_size != expected.num_bytes:
        raise DataError(f"{path} is missing or cut short; {_AGAIN}")
    if not is_thorough and expected.num_bytes > _HASHED_BYTES and path.suffix == ".npy":
        return
    if sha256_of(path) != expected.sha256:
        raise DataError(f"{path} was changed after it was sealed; {_AGAIN}")
