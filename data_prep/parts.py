"""Encoded files on the disk before they become a corpus: what is done once stays done.

Beside the output, while a preparation is under way::

    .corpus.parts/
        KEY/                     hash of tokenizer, its code, and the options
            NAME.arrow           sessions of some files, an Arrow IPC stream of SCHEMA
            NAME.jsonl           a line a session, after them one for their file; last, a seal
            share-00000-of-00100/
                NAME.arrow ...   the same, of a job that does a share of the files

A part without its seal does not count. Nothing is synced: what a power cut damages is told by the
hashes of the seal when the part is taken up again, and then done anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_prep.errors import DataError
from data_prep.files import sha256_of
from data_prep.ledger import SessionOutcome, session_outcome
from data_prep.manifest import Source
from data_prep.shards import SCHEMA, SessionRow, SessionTable
from data_prep.split_writer import batch_of

__all__ = [
    "PART_SUFFIXES",
    "EncodedFile",
    "EncodedStore",
    "PartFolder",
    "PartWriter",
    "put_part",
    "source_key",
]

PART_SUFFIXES: Final = (".arrow", ".jsonl")
"""Of the files of a part; the one with the seal is the last to get its name."""

_SESSION: Final = b'{"session"'
_FILE: Final = b'{"file"'
_SEAL: Final = b'{"seal"'
# A record batch is held while it grows: small, for a worker has little else to hold.
_MAX_BATCH_IDS: Final = 1 << 20
_MAX_BATCH_ROWS: Final = 1024
_MAX_OPEN_PARTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFile:
    """What came out of one file."""

    sha256: str
    """Hash of the file as it lies on the disk; empty where it could not be read."""

    sessions: Iterator[tuple[SessionRow, SessionOutcome]]
    """Its sessions in order, read as they are asked for."""

    reasons: tuple[str, ...]
    """Why the file, or sessions of it, were rejected."""


class EncodedStore(Protocol):
    """Where encoded files lie: parts, or an earlier corpus."""

    def __contains__(self, key: str) -> bool:
        """Tell whether the file of a key is there."""

    def read(self, key: str) -> EncodedFile:
        """Return what came out of the file of a key."""


def source_key(source: Source) -> str:
    """Return what changes with a file's name, place, size and time of change (or remote version).

    Files are taken to be the same where it is equal, as everywhere in a cache.
    """
    row = [
        source.source_id,
        source.relative,
        source.path.parent.name.encode(errors="replace").decode(),
        source.num_bytes,
        source.mtime_ns,
        source.url,
        source.version,
    ]
    return hashlib.blake2b(json.dumps(row).encode(), digest_size=16).hexdigest()


class PartWriter:
    """Writes one part; nobody sees it before `seal`."""

    def __init__(self, folder: Path, name: str) -> None:
        """Start a part.

        Args:
            folder: Of the `PartFolder`.
            name: Of the part, without suffix.
        """
        self._folder, self._name = folder, name
        # Should a worker outlive its run for a moment, it must not write into another's file.
        self._temporary = folder / f".{name}.{os.getpid()}"
        self._rows: list[SessionRow] = []
        self._num_pending_ids = 0
        self._digest = hashlib.sha256()
        self._sink = pa.OSFile(str(self._arrow_temporary), "wb")
        self._stream = pa.ipc.new_stream(self._sink, SCHEMA)
        self._lines = self._lines_temporary.open("wb")

    def add(self, row: SessionRow, outcome: SessionOutcome) -> None:
        """Add a session of the file that `end_file` will name."""
        self._rows.append(row)
        self._num_pending_ids += len(row.ids)
        if self._num_pending_ids >= _MAX_BATCH_IDS or len(self._rows) >= _MAX_BATCH_ROWS:
            self._write_batch()
        self._write_line({"session": asdict(outcome)})

    def end_file(self, key: str, sha256: str, reasons: Sequence[str]) -> None:
        """Close a file, after its sessions."""
        self._write_line({"file": key, "sha256": sha256, "reasons": list(reasons)})

    def seal(self) -> None:
        """Complete the part and give it its name."""
        self._write_batch()
        self._stream.close()
        self._sink.close()
        seal = {"arrow": sha256_of(self._arrow_temporary), "lines": self._digest.hexdigest()}
        self._lines.write(json.dumps({"seal": seal}).encode() + b"\n")
        self._lines.close()
        self._arrow_temporary.replace(self._folder / f"{self._name}.arrow")
        self._lines_temporary.replace(self._folder / f"{self._name}.jsonl")

    def abort(self) -> None:
        """Remove what was written."""
        self._sink.close()
        self._lines.close()
        self._arrow_temporary.unlink(missing_ok=True)
        self._lines_temporary.unlink(missing_ok=True)

    @property
    def _arrow_temporary(self) -> Path:
        return self._temporary.with_name(f"{self._temporary.name}.arrow.tmp")

    @property
    def _lines_temporary(self) -> Path:
        return self._temporary.with_name(f"{self._temporary.name}.jsonl.tmp")

    def _write_batch(self) -> None:
        if self._rows:
            self._stream.write_batch(batch_of(self._rows))
            self._rows, self._num_pending_ids = [], 0

    def _write_line(self, content: dict[str, Any]) -> None:
        line = json.dumps(content).encode() + b"\n"
        self._digest.update(line)
        self._lines.write(line)


def put_part(
    folder: Path, name: str, arrow: npt.NDArray[np.uint8], lines: npt.NDArray[np.uint8]
) -> None:
    """Write the files of a part that was sealed elsewhere.

    Args:
        folder: Of the `PartFolder`.
        name: Of the part.
        arrow: (n,) uint8, the bytes of one file.
        lines: (m,) uint8, the bytes of the other.
    """
    for suffix, content in zip(PART_SUFFIXES, (arrow, lines), strict=True):
        temporary = folder / f".{name}.{os.getpid()}{suffix}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(content.data)
            temporary.replace(folder / (name + suffix))
        finally:
            temporary.unlink(missing_ok=True)


class _Place(NamedTuple):
    """Where a file's sessions are: about 100 bytes a file, all that is held of it."""

    part: int
    lines_at: int
    file_at: int
    first_row: int


class PartFolder:
    """The sealed parts of one key; satisfies `EncodedStore`."""

    def __init__(
        self,
        folder: Path,
        key: str,
        report: Callable[[str], None] = print,
        *,
        share: str | None = None,
    ) -> None:
        """Take up what an earlier run left, and remove what is of no use any more.

        Args:
            folder: The work folder, `.corpus.parts`; made where it is not there.
            key: Changes with everything that decides ids, groups and splits.
            report: Takes each message for the user.
            share: Look at the parts of this share alone, and leave all others alone.
        """
        self.folder = folder / key if share is None else folder / key / share
        self._work_folder = folder
        self._parts: list[Path] = []
        self._places: dict[str, _Place] = {}
        self._keys: dict[str, list[str]] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        for other in folder.iterdir() if share is None else ():
            if other != self.folder:  # of another tokenizer or other options
                shutil.rmtree(other, ignore_errors=True)
        for unfinished in self.folder.rglob(".*.tmp"):
            unfinished.unlink(missing_ok=True)
        num_damaged = 0
        for lines in sorted(self.folder.rglob("*.jsonl")):
            name = lines.relative_to(self.folder).with_suffix("").as_posix()
            num_damaged += not self.add(name, is_verified=False)
        if num_damaged:
            report(f"{num_damaged} parts of an interrupted run are damaged and are made again")
        self._open = lru_cache(maxsize=_MAX_OPEN_PARTS)(_part_table)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def add(self, name: str, *, is_verified: bool = True) -> bool:
        """Take in a sealed part, and tell whether it is whole.

        Args:
            name: Of the part, with its share where it is of one.
            is_verified: It was sealed by this run, so that its hash need not be looked at.
        """
        arrow, lines = self.folder / f"{name}.arrow", self.folder / f"{name}.jsonl"
        places = _places_in(lines, len(self._parts))
        if places is None or not arrow.is_file():
            return False
        if not is_verified and sha256_of(arrow) != places.arrow_sha256:
            return False
        self._parts.append(arrow)
        self._places.update(places.by_key)
        self._keys[name] = list(places.by_key)
        return True

    @property
    def names(self) -> list[str]:
        """The parts that are there, in the order in which they were taken in."""
        return list(self._keys)

    def keys_of(self, name: str) -> list[str]:
        """Return the keys of a part's files, in order."""
        return self._keys[name]

    def read(self, key: str) -> EncodedFile:
        """Return what came out of the file of a key."""
        place = self._places[key]
        arrow = self._parts[place.part]
        with arrow.with_suffix(".jsonl").open("rb") as lines:
            lines.seek(place.file_at)
            content = json.loads(lines.readline())
        return EncodedFile(
            sha256=content["sha256"],
            reasons=tuple(content["reasons"]),
            sessions=self._sessions(arrow, place),
        )

    def remove(self) -> None:
        """Remove the work folder with all in it: the corpus is in place."""
        self._open.cache_clear()
        shutil.rmtree(self._work_folder, ignore_errors=True)

    def _sessions(self, arrow: Path, place: _Place) -> Iterator[tuple[SessionRow, SessionOutcome]]:
        if place.lines_at == place.file_at:
            return
        table, row = self._open(arrow), place.first_row
        with arrow.with_suffix(".jsonl").open("rb") as lines:
            lines.seek(place.lines_at)
            while lines.tell() < place.file_at:
                yield table.row(row), session_outcome(json.loads(lines.readline())["session"])
                row += 1


class _Places(NamedTuple):
    by_key: dict[str, _Place]
    arrow_sha256: str


def _places_in(lines: Path, part: int) -> _Places | None:
    """Return where a part's files are; None where it is not whole."""
    digest = hashlib.sha256()
    by_key: dict[str, _Place] = {}
    lines_at = at = row = first_row = 0
    with lines.open("rb") as file:
        for line in file:
            if line.startswith(_SEAL):
                return _sealed(line, digest.hexdigest(), by_key)
            digest.update(line)
            if line.startswith(_SESSION):
                row += 1
            elif line.startswith(_FILE):
                try:
                    key = json.loads(line)["file"]
                except (ValueError, KeyError):
                    return None
                by_key[key] = _Place(part, lines_at, at, first_row)
                lines_at, first_row = at + len(line), row
            at += len(line)
    return None


def _sealed(line: bytes, lines_sha256: str, by_key: dict[str, _Place]) -> _Places | None:
    try:
        seal = json.loads(line)["seal"]
        is_whole = seal["lines"] == lines_sha256
        return _Places(by_key, str(seal["arrow"])) if is_whole else None
    except (ValueError, KeyError, TypeError):
        return None


def _part_table(path: Path) -> SessionTable:
    try:
        return SessionTable([path])
    except DataError as error:
        raise DataError(
            f"{path} was sealed and cannot be read any more ({error}); run the same command again"
        ) from error
