"""A corpus prepared earlier, as a store of encoded files: what is unchanged is not done again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.corpus import PreparedCorpus
from data_prep.files import sha256_of
from data_prep.ledger import SessionOutcome, is_whole, session_outcome
from data_prep.manifest import LEDGER_FILE, STAMPS_FILE
from data_prep.parts import EncodedFile
from data_prep.shards import SPLITS, SessionRow, SplitTable

__all__ = ["EarlierCorpus"]


class _Place(NamedTuple):
    line_at: int
    first_rows: tuple[int, ...]
    """By SPLITS: where the file's sessions begin in each."""


class EarlierCorpus:
    """The files of a prepared corpus, by their stamps; satisfies `EncodedStore`."""

    def __init__(
        self,
        corpus: PreparedCorpus | None,
        report: Callable[[str], None] = print,
        *,
        is_checked: bool = True,
    ) -> None:
        """Index the ledger, after checking that shards and ledger are as they were written.

        Args:
            corpus: Of the same tokenizer and options; None for a store that holds nothing.
            report: Takes each message for the user.
            is_checked: False where nothing is read from it, so that many need not hash it all.
        """
        self._places: dict[str, _Place] = {}
        if corpus is None:
            return
        if is_checked and not _is_sound(corpus):
            report(f"{corpus.path} is damaged, so nothing is taken from it")
            return
        self._ledger = corpus.path / LEDGER_FILE
        self._tables = {split: SplitTable.open(corpus.path, split) for split in SPLITS}
        self._places.update(_places_in(self._ledger, corpus.path / STAMPS_FILE))

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def read(self, key: str) -> EncodedFile:
        """Return what came out of the file of a key."""
        place = self._places[key]
        next_rows = dict(zip(SPLITS, place.first_rows, strict=True))
        with self._ledger.open("rb") as lines:
            lines.seek(place.line_at)
            row = json.loads(lines.readline())
        return EncodedFile(
            sha256=row["sha256"],
            reasons=tuple(row["reasons"]),
            sessions=self._sessions(row["sessions"], next_rows),
        )

    def _sessions(
        self, outcomes: list[dict[str, Any]], next_rows: dict[str, int]
    ) -> Iterator[tuple[SessionRow, SessionOutcome]]:
        for outcome in outcomes:
            split = outcome["split"]
            yield self._tables[split].row(next_rows[split]), session_outcome(outcome)
            next_rows[split] += 1


def _is_sound(corpus: PreparedCorpus) -> bool:
    ledger = corpus.path / LEDGER_FILE
    return (
        ledger.is_file()
        and (corpus.path / STAMPS_FILE).is_file()
        and sha256_of(corpus.path / STAMPS_FILE) == corpus.stamps_sha256
        and sha256_of(ledger) == corpus.ledger_sha256
        and all(
            sha256_of(corpus.path / split / shard.name) == shard.sha256
            for split, summary in corpus.splits.items()
            for shard in summary.shards
        )
    )


def _places_in(ledger: Path, stamps: Path) -> Iterator[tuple[str, _Place]]:
    """Yield the stamp and place of each file that lost no session to another one."""
    rows = Counter(dict.fromkeys(SPLITS, 0))
    at = 0
    with ledger.open("rb") as lines, stamps.open(encoding="ascii") as keys:
        for line, key in zip(lines, keys, strict=False):
            row = json.loads(line)
            if is_whole(row):
                yield key.strip(), _Place(at, tuple(rows[split] for split in SPLITS))
            rows.update(session["split"] for session in row["sessions"])
            at += len(line)
