"""What is to be embedded, in pieces that one part each is made of, and in which order they stand.

Recordings are tokenised into sealed parts first, in processes of their own (`data_prep.pool`), and
so many sessions of such a part, or of a prepared corpus, are a piece. A piece is the same from run
to run, so that the model sees the same batches: the vectors do not change. Where a recording is
gone, its pieces alone are others, and their names too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

from data_prep.corpus import PreparedCorpus
from data_prep.encoding import load_tokenizer, tokenizer_code_hash
from data_prep.manifest import LEDGER_FILE, Manifest
from data_prep.part_encoding import encode_parts
from data_prep.parts import EncodedFile, PartFolder, source_key
from data_prep.pool import LocalEngine, processes_for
from data_prep.prepare_options import PrepareOptions
from data_prep.session_row import SPLITS, SessionRow
from data_prep.shards import SplitTable

__all__ = ["CorpusPieces", "Piece", "PieceFile", "Pieces", "Placed", "RecordingPieces", "Wanted"]

# A piece is closed when it holds so many ids, however few sessions these are.
_IDS_A_PIECE: Final = 1 << 20

Placed: TypeAlias = tuple[str, str | None, SessionRow]
"""The file of a session, its split where that is known, and the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceFile:
    """What a piece has of a file; of one with many sessions, several pieces have some."""

    key: str
    file: str
    sessions: tuple[Placed, ...]
    reasons: tuple[str, ...] = ()
    """Why the file, or sessions of it, were rejected; with its last sessions."""

    weight: int = 0
    """How much of the whole it is: its bytes, or ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What becomes one part."""

    name: str
    files: tuple[PieceFile, ...]


class Wanted(NamedTuple):
    """A file that the result is made of."""

    key: str
    weight: int


class Pieces(Protocol):
    """Recordings or a corpus."""

    unit: str
    """What weights count."""

    inputs: str
    """Changes with what is there."""

    def wanted(self) -> Iterator[Wanted]:
        """All files in the order of the result."""

    def pieces(self, is_done: Callable[[str], bool]) -> Iterator[Piece]:
        """The pieces that are left to do.

        Args:
            is_done: tells whether there is a part of a name; asked for every piece of the result.
        """


class RecordingPieces:
    """Files that are tokenised first."""

    unit = "bytes"

    def __init__(
        self,
        manifest: Manifest,
        work_folder: Path,
        *,
        tokenizer_path: str | None,
        tokenizer: str,
        recogniser: str | None,
        reader: str | None,
        num_proc: int | None,
        has_gpu: bool,
        sessions_a_piece: int,
        report: Callable[[str], None],
    ) -> None:
        """Take up what is tokenised already.

        Args:
            manifest: the files.
            work_folder: where tokenised parts go.
            tokenizer_path: folder of the model's tokenizer; None for the package's own.
            tokenizer: hash of it.
            recogniser: name of a recogniser.
            reader: name of the reader of every file; None tells it by content.
            num_proc: processes; None for as many as pay.
            has_gpu: the model does not need the cores.
            sessions_a_piece: the most sessions of a piece.
            report: takes each message for the user.
        """
        options = PrepareOptions(reader=reader)
        self.inputs = manifest.quick_hash()
        self._sources = {source_key(source): source for source in manifest.sources}
        self._part_of: dict[str, str] = {}
        key = json.dumps([tokenizer, tokenizer_code_hash(), recogniser, options.deciding()])
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        self._open_parts = partial(PartFolder, work_folder, digest, report)
        self._factory = partial(load_tokenizer, tokenizer_path, recogniser)
        self._encoding = options.encoding()
        self._num_proc, self._has_gpu = num_proc, has_gpu
        self._sessions_a_piece = sessions_a_piece

    @cached_property
    def _tokenised(self) -> PartFolder:
        """Not before there is something to do, for it makes the folder."""
        return self._open_parts()

    def wanted(self) -> Iterator[Wanted]:
        """All files, in the order of the manifest."""
        for key, source in self._sources.items():
            yield Wanted(key, source.num_bytes)

    def pieces(self, is_done: Callable[[str], bool]) -> Iterator[Piece]:
        """Those that an earlier run has tokenised, then the others as they are ready."""
        for name in self._tokenised.names:
            yield from self._left_of(name, is_done)
        missing = [s for key, s in self._sources.items() if key not in self._tokenised]
        if not missing:
            return
        for part in encode_parts(
            missing,
            self._factory(),
            self._factory,
            self._encoding,
            self._tokenised.folder,
            LocalEngine(self._processes(sum(source.num_bytes for source in missing))),
        ):
            self._tokenised.add(part.name)
            yield from self._left_of(part.name, is_done)

    def _processes(self, num_bytes: int) -> int:
        if self._num_proc is not None:
            return self._num_proc
        if not self._has_gpu:  # the model takes twenty times as long, and all cores
            return 1
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        return min(processes_for(None, num_bytes), max(1, cores - 1))

    def _left_of(self, part: str, is_done: Callable[[str], bool]) -> Iterator[Piece]:
        # Cut with the files that are gone: the other pieces stay what they are.
        for number, whole in enumerate(cut_files(self._files(part), self._sessions_a_piece)):
            files = tuple(file for file in whole if self._is_of(file.key, part))
            if files and not is_done(name := f"{part}-{number:08d}-{_composition(files)}"):
                yield Piece(name=name, files=files)

    def _is_of(self, key: str, part: str) -> bool:
        """Whether a file is still there, and of no earlier part: two may have been made of it."""
        return key in self._sources and self._part_of.setdefault(key, part) == part

    def _files(self, part: str) -> Iterator[tuple[PieceFile, Iterator[Placed]]]:
        for key in self._tokenised.keys_of(part):
            source = self._sources.get(key)  # None where it is changed or gone since
            encoded = self._tokenised.read(key)
            file = PieceFile(
                key=key,
                file=source.relative if source else "",
                sessions=(),
                reasons=encoded.reasons,
                weight=source.num_bytes if source else 0,
            )
            yield file, _placed(file.file, encoded)


def _composition(files: tuple[PieceFile, ...]) -> str:
    """Changes with the files and sessions of a piece."""
    rows = [[file.key, [row.session_id for _, _, row in file.sessions]] for file in files]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _placed(file: str, encoded: EncodedFile) -> Iterator[Placed]:
    for row, _ in encoded.sessions:
        yield file, None, row


def cut_files(
    files: Iterable[tuple[PieceFile, Iterator[Placed]]], max_sessions: int
) -> Iterator[tuple[PieceFile, ...]]:
    """Pieces of so many sessions; only the sessions of one are held."""
    done: list[PieceFile] = []
    num_sessions = num_ids = 0
    for file, sessions in files:
        own: list[Placed] = []
        for session in sessions:
            if num_sessions >= max_sessions or num_ids >= _IDS_A_PIECE:
                if own:
                    done.append(replace(file, sessions=tuple(own), reasons=(), weight=0))
                yield tuple(done)
                done, own, num_sessions, num_ids = [], [], 0, 0
            own.append(session)
            num_sessions, num_ids = num_sessions + 1, num_ids + len(session[2].ids)
        done.append(replace(file, sessions=tuple(own)))
    if done:
        yield tuple(done)


class CorpusPieces:
    """Sessions of a prepared corpus, its splits one after the other."""

    unit = "ids"

    def __init__(self, corpus: PreparedCorpus, *, sessions_a_piece: int) -> None:
        """Open the splits; no id is read."""
        self.inputs = corpus.fingerprint
        self._corpus, self._sessions_a_piece = corpus, sessions_a_piece
        self._tables = {split: SplitTable.open(corpus.path, split) for split in SPLITS}

    def wanted(self) -> Iterator[Wanted]:
        """All ranges of sessions, in the order of the splits."""
        for split, start, stop in self._ranges():
            stops = self._tables[split].id_stops
            before = int(stops[start - 1]) if start else 0
            yield Wanted(_range_name(split, start), int(stops[stop - 1]) - before)

    def pieces(self, is_done: Callable[[str], bool]) -> Iterator[Piece]:
        """Each range that is left."""
        files = {split: _files_of(self._corpus.path / LEDGER_FILE, split) for split in SPLITS}
        weights = dict(self.wanted())
        for split, start, stop in self._ranges():
            name = _range_name(split, start)
            # Read also where nothing is left to do: the lines of the ledger go with the sessions.
            sessions = tuple(self._sessions(split, start, stop, files[split]))
            if not is_done(name):
                one = PieceFile(key=name, file="", sessions=sessions, weight=weights[name])
                yield Piece(name=name, files=(one,))

    def _ranges(self) -> Iterator[tuple[str, int, int]]:
        step = self._sessions_a_piece
        for split, table in self._tables.items():
            for start in range(0, len(table), step):
                yield split, start, min(start + step, len(table))

    def _sessions(
        self, split: str, start: int, stop: int, files: Iterator[tuple[str, str]]
    ) -> Iterator[Placed]:
        for number in range(start, stop):
            row = self._tables[split].row(number)
            # Both are in the order of the files, but the ledger may hold sessions that are gone.
            file = next((file for session, file in files if session == row.session_id), "")
            yield file, split, row


def _range_name(split: str, start: int) -> str:
    return f"{split}-{start:010d}"


def _files_of(ledger: Path, split: str) -> Iterator[tuple[str, str]]:
    """(session, file) of each session of a split, read line by line."""
    if not ledger.is_file():
        return
    with ledger.open(encoding="utf-8") as lines:
        for line in lines:
            outcome = json.loads(line)
            for session in outcome["sessions"]:
                if session["split"] == split:
                    yield session["session_id"], outcome["file"]
