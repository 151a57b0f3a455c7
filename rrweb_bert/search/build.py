"""A file of embeddings -> an index folder, made beside its place and put there when complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from data_prep.errors import DataError
from data_prep.files import finish_replacing, put_in_place, sha256_of, sync_file
from data_prep.output_lock import lock_of_output
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.text_model import TextModel

from ..embeddings.hashes import tokenizer_hash
from ..embeddings.layout import OWN_COLUMNS, Header, read_header
from .centring import mean_of, unit_vectors
from .layout import INDEX_FILE, ITEM, WINDOW, IndexFile, IndexHeader, open_header, seal
from .neighbours import EXACT_LIMIT, Tuned, build_lists
from .texts import text_of
from .words import write_words

__all__ = ["build_index", "check_tokenizer"]

_ROWS_AT_ONCE: Final = 1024
_HEAVY: Final = (
    "window_starts",
    "window_stops",
    "window_start_ms",
    "window_end_ms",
    "window_embeddings",
    "ids",
    "embedding",
)


def build_index(
    embeddings: Path,
    output: Path,
    tokenizer: RRWebTokenizer,
    *,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> IndexHeader:
    """Build an index, or use the one that is there where it is of the same embeddings.

    Memory is that of some thousand rows, and for more than 50,000 vectors of their approximate
    index: a quarter of the vectors' size.

    Args:
        embeddings: what `embed` wrote.
        output: the folder.
        tokenizer: that the embeddings were made with.
        overwrite: replace an index of other embeddings.
        report: takes each message for the user.

    Raises:
        DataError: there are no such embeddings, the tokenizer is another, or the output is
            something else.
    """
    header, output = read_header(embeddings), output.absolute()
    check_tokenizer(tokenizer, header.tokenizer, embeddings, header.model_name)
    partial = output.with_name(f".{output.name}.partial")
    with lock_of_output(output):
        finish_replacing(partial, output, is_complete=lambda path: (path / INDEX_FILE).is_file())
        digest = sha256_of(embeddings)
        if (existing := _existing(output, digest, overwrite=overwrite)) is not None:
            report(f"{output} is an index of these embeddings already; nothing to do")
            return existing
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            index = _Building(embeddings, header, partial, tokenizer.text_model).run(digest)
            put_in_place(partial, output)
        except OSError as error:
            raise DataError(
                f"{output} cannot be written ({error.strerror or error}); free some space and run "
                "the same command again"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return index


def check_tokenizer(tokenizer: RRWebTokenizer, expected: str, place: Path, model_name: str) -> None:
    """Check that a tokenizer is the one that ids were made with.

    Raises:
        DataError: it is another.
    """
    if tokenizer_hash(tokenizer) != expected:
        raise DataError(
            f"{place} was made with another tokenizer, that of the model "
            f"{model_name or '(not named)'}; name it with --model"
        )


def _existing(output: Path, digest: str, *, overwrite: bool) -> IndexHeader | None:
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    if not (output / INDEX_FILE).is_file():
        raise DataError(f"{output} exists and is no index; choose another --output")
    if overwrite:
        return None
    header = open_header(output)
    if header.embeddings != digest:
        raise DataError(
            f"{output} is an index of other embeddings; choose another --output, or replace it "
            "with --overwrite"
        )
    return header


class _Building:
    def __init__(
        self, embeddings: Path, header: Header, folder: Path, text_model: TextModel
    ) -> None:
        self._file, self._header, self._folder = pq.ParquetFile(embeddings), header, folder
        self._text_model = text_model
        self._num_items = self._file.metadata.num_rows
        sizes = self._file.read(columns=["num_windows", "num_ids"])
        firsts = np.zeros(self._num_items + 1, ITEM)
        for name, column in (("first_window", "num_windows"), ("first_id", "num_ids")):
            firsts[name][1:] = np.cumsum(sizes.column(column).to_numpy(), dtype=np.int64)
        self._firsts = firsts

    def run(self, digest: str) -> IndexHeader:
        folder, header = self._folder, self._header
        batches = self._file.iter_batches(_ROWS_AT_ONCE, columns=["embedding"])
        mean = mean_of(map(self._vectors, batches), header.vector_size)
        np.save(folder / "mean.npy", mean)
        np.save(folder / "items.npy", self._firsts)
        num_windows = int(self._firsts["first_window"][-1])
        vectors = self._array("vectors", np.float32, (self._num_items, header.vector_size))
        windows = self._array("windows", WINDOW, (num_windows,))
        near = self._array("window_vectors", np.float16, (num_windows, header.vector_size))
        ids = self._array("ids", np.uint16, (int(self._firsts["first_id"][-1]),))
        texts = self._write(mean, vectors, windows, near, ids)
        write_words(folder / "words.sqlite", texts)
        for array in (vectors, windows, near, ids):
            if hasattr(array, "flush"):
                array.flush()
        tuned = Tuned(0, 0, 1.0)
        if self._num_items > EXACT_LIMIT:
            tuned = build_lists(vectors, folder / "neighbours.faiss")
        return self._sealed(digest, num_windows, tuned)

    def _array(self, name: str, dtype: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        path = self._folder / f"{name}.npy"
        if 0 in shape:  # nothing can be mapped
            np.save(path, np.zeros(shape, dtype))
            return np.zeros(shape, dtype)
        array: npt.NDArray[Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)
        return array

    def _vectors(self, batch: Any) -> npt.NDArray[np.float32]:
        flat = batch.column("embedding").flatten().to_numpy(zero_copy_only=False)
        found: npt.NDArray[np.float32] = flat.reshape(-1, self._header.vector_size)
        return found

    def _write(
        self,
        mean: npt.NDArray[np.float32],
        vectors: npt.NDArray[np.float32],
        windows: npt.NDArray[Any],
        near: npt.NDArray[np.float16],
        ids: npt.NDArray[np.uint16],
    ) -> Iterator[str]:
        """Fill the arrays and the fields, and yield the text of each window."""
        own = [f for f in OWN_COLUMNS if f.name not in _HEAVY]
        labels = [self._file.schema_arrow.field(name) for name in self._header.label_columns]
        schema = pa.schema([*own, *labels])
        path, row = self._folder / "fields.arrow", 0
        with closing(pa.OSFile(str(path), "wb")) as sink, pa.ipc.new_file(sink, schema) as fields:
            for batch in self._file.iter_batches(_ROWS_AT_ONCE):
                fields.write_batch(batch.select(schema.names).cast(schema))
                part = self._firsts[row : row + len(batch) + 1]
                vectors[row : row + len(batch)] = unit_vectors(self._vectors(batch), mean)
                of_windows = slice(int(part["first_window"][0]), int(part["first_window"][-1]))
                for name in WINDOW.names or ():
                    column = batch.column(_named(name))
                    windows[name][of_windows] = column.flatten().to_numpy(zero_copy_only=False)
                flat = batch.column("window_embeddings").flatten().to_numpy(zero_copy_only=False)
                found = flat.reshape(-1, self._header.vector_size)
                near[of_windows] = unit_vectors(found, mean).astype(np.float16)
                of_ids = slice(int(part["first_id"][0]), int(part["first_id"][-1]))
                ids[of_ids] = batch.column("ids").flatten().to_numpy(zero_copy_only=False)
                yield from self._texts(part, windows, ids)
                row += len(batch)

    def _texts(
        self, part: npt.NDArray[Any], windows: npt.NDArray[Any], ids: npt.NDArray[np.uint16]
    ) -> Iterator[str]:
        for item, after in pairwise(part):
            own = ids[int(item["first_id"]) : int(after["first_id"])]
            for window in windows[int(item["first_window"]) : int(after["first_window"])]:
                yield text_of(own[int(window["start"]) : int(window["stop"])], self._text_model)

    def _sealed(self, digest: str, num_windows: int, tuned: Tuned) -> IndexHeader:
        files = {}
        for path in sorted(self._folder.iterdir()):
            sync_file(path)
            files[path.name] = IndexFile(num_bytes=path.stat().st_size, sha256=sha256_of(path))
        header = self._header
        index = IndexHeader(
            level=header.level,
            pooling=header.pooling,
            model=header.model,
            model_name=header.model_name,
            tokenizer=header.tokenizer,
            window_ids=header.window_ids,
            stride=header.stride,
            layers=header.layers,
            num_items=self._num_items,
            num_windows=num_windows,
            vector_size=header.vector_size,
            embeddings=digest,
            label_columns=header.label_columns,
            num_lists=tuned.num_lists,
            num_probes=tuned.num_probes,
            recall_at_10=round(tuned.recall_at_10, 4),
            files=files,
        )
        seal(self._folder, index)
        return index


def _named(name: str) -> str:
    """A member of WINDOW -> its column."""
    return {"start": "window_starts", "stop": "window_stops"}.get(name, f"window_{name}")
