"""Embedded sessions on the disk before they become one file: what is done once stays done.

Beside the output, while the work is under way::

    .embeddings.parquet.parts/
        tokenised/KEY/...        sessions as ids (`data_prep.parts`)
        embedded/KEY/
            NAME.arrow           rows of some files, an Arrow IPC stream
            NAME.json            which files, in order, and a seal: the hash of both

A part without its seal does not count. Nothing is synced: what a power cut damages is told by the
hashes, and then made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Set
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from data_prep.errors import DataError
from data_prep.files import sha256_of

__all__ = ["EmbeddedFile", "EmbeddedParts"]

_MAX_OPEN_PARTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFile:
    """What a part has of a file: its rows stand in the order of the files."""

    key: str
    file: str
    num_rows: int
    num_sessions: int
    num_windows: int
    reasons: tuple[str, ...] = ()
    """Why the file, or sessions of it, were rejected."""


@dataclass(frozen=True, slots=True)
class _Place:
    part: str
    first_row: int
    number: int


class EmbeddedParts:
    """The sealed parts of one key."""

    def __init__(self, folder: Path, key: str) -> None:
        """Take up what an earlier run left, and remove what is of no use any more.

        Args:
            folder: the folder of all keys; made where it is not there.
            key: changes with everything that decides the rows.
        """
        self.folder = folder / key
        self.num_damaged = 0
        self._places: dict[str, list[_Place]] = {}
        self._names: set[str] = set()
        self.folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir():
            if other != self.folder:
                shutil.rmtree(other, ignore_errors=True)
        for unfinished in self.folder.glob(".*.tmp"):
            unfinished.unlink(missing_ok=True)
        for seal in sorted(self.folder.glob("*.json")):
            if not self._take_up(seal.stem):
                self.num_damaged += 1
                seal.unlink()
        self._open = lru_cache(maxsize=_MAX_OPEN_PARTS)(_table)
        self._files = lru_cache(maxsize=_MAX_OPEN_PARTS)(_files_in)

    def __contains__(self, name: str) -> bool:
        """Whether there is a part of a name."""
        return name in self._names

    def __len__(self) -> int:
        """The number of files in all parts."""
        return len(self._places)

    def holds(self, key: str) -> bool:
        """Whether there is a file of a key."""
        return key in self._places

    def keep(self, names: Set[str]) -> None:
        """Leave out all parts but these: of what was changed or removed since they were made."""
        self._names &= names
        kept = {k: [p for p in places if p.part in names] for k, places in self._places.items()}
        self._places = {key: places for key, places in kept.items() if places}

    def files(self, key: str) -> list[EmbeddedFile]:
        """What came out of the file of a key, part by part."""
        return [self._file(place) for place in self._in_order(key)]

    def rows(self, key: str) -> Iterator[Any]:
        """The rows of the file of a key as Arrow tables, views of the parts."""
        for place in self._in_order(key):
            if num_rows := self._file(place).num_rows:
                table = self._open(self.folder / f"{place.part}.arrow")
                yield table.slice(place.first_row, num_rows)

    def _in_order(self, key: str) -> list[_Place]:
        return sorted(self._places[key], key=lambda place: place.part)

    def _file(self, place: _Place) -> EmbeddedFile:
        return self._files(self.folder / f"{place.part}.json")[place.number]

    def write(self, name: str, batch: Any, files: list[EmbeddedFile]) -> None:
        """Write a part and seal it.

        Args:
            name: of the part.
            batch: its rows; None where it has none.
            files: that they are of, in their order.

        Raises:
            DataError: the disk is full or cannot be written.
        """
        arrow = self.folder / f".{name}.{os.getpid()}.arrow.tmp"
        try:
            with pa.OSFile(str(arrow), "wb") as sink:
                if batch is not None:
                    with pa.ipc.new_stream(sink, batch.schema) as stream:
                        stream.write_batch(batch)
            content = {"arrow": sha256_of(arrow), "files": [asdict(file) for file in files]}
            seal = arrow.with_suffix(".json.tmp")
            seal.write_text(_sealed(content), encoding="utf-8")
            arrow.replace(self.folder / f"{name}.arrow")
            seal.replace(self.folder / f"{name}.json")
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be written ({error.strerror or error}); free some space "
                "and run the same command again, it goes on from here"
            ) from error
        finally:
            arrow.unlink(missing_ok=True)
        self._add(name, files)

    def _take_up(self, name: str) -> bool:
        arrow, seal = self.folder / f"{name}.arrow", self.folder / f"{name}.json"
        try:
            content = json.loads(seal.read_bytes())
            is_whole = _sealed({k: content[k] for k in ("arrow", "files")}) == _sealed(content)
            is_whole = is_whole and arrow.is_file() and sha256_of(arrow) == content["arrow"]
            if is_whole:
                self._add(name, _files_in(seal))
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return is_whole

    def _add(self, name: str, files: list[EmbeddedFile]) -> None:
        self._names.add(name)
        first_row = 0
        for number, file in enumerate(files):
            self._places.setdefault(file.key, []).append(_Place(name, first_row, number))
            first_row += file.num_rows


def _sealed(content: dict[str, Any]) -> str:
    """The text of a seal; a `seal` that is there already is kept, to be compared."""
    rest = json.dumps({k: content[k] for k in ("arrow", "files")}, sort_keys=True)
    seal = content.get("seal", hashlib.sha256(rest.encode()).hexdigest())
    return json.dumps({**json.loads(rest), "seal": seal}, sort_keys=True)


def _files_in(seal: Path) -> list[EmbeddedFile]:
    return msgspec.convert(json.loads(seal.read_bytes())["files"], list[EmbeddedFile])


def _table(path: Path) -> Any:
    try:
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{path} was sealed and cannot be read any more ({error}); run the same command again"
        ) from error
