"""`python -m data_prep verify DIR`: is a prepared corpus still what it says it is?"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import rrweb_tokenizer
from data_prep.corpus import PREPARE_AGAIN, WINDOW_IDS, PreparedCorpus, read_corpus_file
from data_prep.errors import DataError
from data_prep.files import sha256_of
from data_prep.manifest import CORPUS_FILE, LEDGER_FILE, STAMPS_FILE
from data_prep.problems import Problems
from data_prep.shards import SPLITS, SplitTable
from data_prep.verify_leakage import SeenKeys, check_near_duplicates, check_windows
from data_prep.verify_ledger import check_ledger
from data_prep.verify_rows import StoredRow, check_files_of_split, row_check, rows_of_split
from rrweb_tokenizer.structural_vocab import VOCAB_SIZE
from rrweb_tokenizer.telling.wording import counted

__all__ = ["NUM_WINDOW_DRAWS", "Verification", "verify"]

NUM_WINDOW_DRAWS: Final = 50_000
"""Windows that are drawn from each split and compared."""

_ALL_UINT16: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found."""

    path: Path
    problems: Problems
    num_sessions: int = 0
    num_ids: int = 0
    num_bytes: int = 0
    """Bytes of the shards."""

    notes: tuple[str, ...] = ()
    """What was looked at, and what could not be."""

    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems.found

    def lines(self) -> list[str]:
        """Return what to print."""
        if not self.is_sound:
            found = counted(self.problems.num_found, "problem")
            return [
                *self.problems.lines(),
                *self.notes,
                f"FAILED: {found} in {self.path}; do not train on it as it is. Where it is "
                f"damaged, {PREPARE_AGAIN}",
            ]
        return [
            *self.notes,
            f"OK: {self.path}: {counted(self.num_sessions, 'session')}, {self.num_ids:,} ids, "
            f"{self.num_bytes / 1e6:,.1f} MB, in {self.seconds:,.1f} s",
        ]


def verify(
    path: Path,
    *,
    num_window_draws: int = NUM_WINDOW_DRAWS,
    max_shared_windows: float = 0.0,
    near_duplicates: bool = False,
) -> Verification:
    """Check all that a prepared corpus promises, and return all that is wrong with it.

    Reads every byte once. Memory: 24 bytes a session, and 136 more for near duplicates.

    Args:
        path: The corpus folder.
        num_window_draws: Windows drawn from each split to look for common ones.
        max_shared_windows: Share of a split's windows that may stand in another one.
        near_duplicates: Look for sessions of different splits that are nearly the same, too.

    Raises:
        DataError: There is nothing of a corpus.
    """
    began = time.monotonic()
    problems = Problems()
    try:
        corpus = read_corpus_file(path)
    except DataError as error:
        if not any((path / name).exists() for name in (CORPUS_FILE, LEDGER_FILE, *SPLITS)):
            raise  # a mistyped folder is not damaged, and must not be prepared over
        problems.add(path / CORPUS_FILE, "", str(error))
        return Verification(path=path, problems=problems)
    if sorted(corpus.splits) != sorted(SPLITS):
        problems.add(path / CORPUS_FILE, "splits", f"must be {', '.join(SPLITS)}")
        return Verification(path=path, problems=problems)
    notes: list[str] = []
    num_bytes = _check_contents(corpus, problems, notes)
    if problems.found:
        notes.append("windows and near duplicates were not looked at: the shards are damaged")
    else:
        tables = {split: SplitTable.open(path, split) for split in SPLITS}
        notes.append(check_windows(tables, path, num_window_draws, max_shared_windows, problems))
        if near_duplicates:
            notes.append(check_near_duplicates(tables, path, problems))
    return Verification(
        path=path,
        problems=problems,
        num_sessions=sum(corpus.num_sessions.values()),
        num_ids=sum(corpus.num_ids.values()),
        num_bytes=num_bytes,
        notes=tuple(notes),
        seconds=time.monotonic() - began,
    )


def _check_contents(corpus: PreparedCorpus, problems: Problems, notes: list[str]) -> int:
    """Check files, rows, ledger and what splits share; return the bytes of the shards."""
    check = row_check(_num_token_ids(corpus, notes), corpus.identity.options)
    seen = SeenKeys()
    counted = {split: _Counted() for split in SPLITS}
    rows: dict[str, Iterator[StoredRow]] = {}
    for split in SPLITS:
        shards = check_files_of_split(corpus.path, split, corpus.splits[split], problems)
        stored = rows_of_split(shards, split, check, problems)
        rows[split] = counted[split].watch(seen.watch(split, stored))
    check_ledger(corpus.path / LEDGER_FILE, corpus, rows, problems)
    _check_stamps(corpus, problems)
    for split, count in counted.items():
        count.compare(corpus, split, problems)
    seen.check(corpus.path, problems)
    return sum(s.num_bytes for summary in corpus.splits.values() for s in summary.shards)


@dataclass(slots=True)
class _Counted:
    """What a split's rows add up to."""

    num_sessions: int = 0
    num_ids: int = 0
    num_keyframes: int = 0
    num_events: int = 0
    num_windows: int = 0

    def watch(self, rows: Iterator[StoredRow]) -> Iterator[StoredRow]:
        for row in rows:
            self.num_sessions += 1
            self.num_ids += row.num_ids
            self.num_keyframes += row.num_keyframes
            self.num_windows += -(-row.num_ids // WINDOW_IDS)
            self.num_events += row.num_events
            yield row

    def compare(self, corpus: PreparedCorpus, split: str, problems: Problems) -> None:
        said = asdict(corpus.splits[split]) | {"num_windows": corpus.num_windows.get(split)}
        for name, found in asdict(self).items():
            if said[name] != found:
                problems.add(
                    corpus.path / CORPUS_FILE,
                    f"{split} {name}",
                    f"says {said[name]}, the shards hold {found}",
                )


def _num_token_ids(corpus: PreparedCorpus, notes: list[str]) -> int:
    """Return below what ids must be: known where the text model is the shipped one."""
    shipped = Path(rrweb_tokenizer.__file__).with_name("text_bpe.model")
    sha256 = hashlib.sha256(shipped.read_bytes()).hexdigest()
    if corpus.identity.tokenizer.get(shipped.name) == sha256:
        return VOCAB_SIZE
    notes.append("ids were made with another text model; their upper bound was not checked")
    return _ALL_UINT16


def _check_stamps(corpus: PreparedCorpus, problems: Problems) -> None:
    file = corpus.path / STAMPS_FILE
    if not corpus.stamps_sha256:
        return
    try:
        if sha256_of(file) != corpus.stamps_sha256:
            problems.add(file, "", "was changed: its sha256 is not as written")
    except OSError as error:
        problems.add(file, "", f"cannot be read: {error.strerror}")
