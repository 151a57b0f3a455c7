"""Encoded files -> a corpus folder, in the order of the manifest, session by session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from data_prep.corpus import WINDOW_IDS
from data_prep.ledger import SAME_CONTENT, FileOutcome, Ledger
from data_prep.manifest import LEDGER_FILE, STAMPS_FILE, Source
from data_prep.parts import EncodedFile, EncodedStore, source_key
from data_prep.shards import SPLITS
from data_prep.split_writer import SplitSummary, SplitWriter

__all__ = ["Merge"]


class Merge:
    """Writes shards and ledger; the same bytes from whichever stores the files come.

    As a context it lets go of its files where it was not finished.
    """

    def __init__(self, folder: Path, num_listed: int, *, max_shard_bytes: int) -> None:
        """Start a corpus in an empty folder."""
        self.groups: set[str] = set()
        self.num_windows = Counter(dict.fromkeys(SPLITS, 0))
        self.file_hashes: list[str] = []
        self.ledger = Ledger(path=folder / LEDGER_FILE, num_listed=num_listed)
        self._stamps = (folder / STAMPS_FILE).open("w", encoding="ascii")
        self._writers = {
            split: SplitWriter(folder, split, max_shard_bytes=max_shard_bytes) for split in SPLITS
        }
        self._first_with: dict[bytes, str] = {}

    def __enter__(self) -> Merge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stamps.close()
        self.ledger.abort()
        for writer in self._writers.values():
            writer.abort()

    def add_all(self, sources: Sequence[Source], stores: Sequence[EncodedStore]) -> None:
        """Take each file from the first store that holds it."""
        for source in sources:
            key = source_key(source)
            store = next((store for store in stores if key in store), None)
            if store is None:
                raise RuntimeError(f"{source.path} was listed and never encoded")
            self._stamps.write(f"{key}\n")
            self.ledger.record(self._accept(source, store.read(key)))

    def finish(self) -> dict[str, SplitSummary]:
        """Complete shards and ledger, and return what was written."""
        self._stamps.close()
        self.ledger.close()
        return {split: writer.close() for split, writer in self._writers.items()}

    def _accept(self, source: Source, encoded: EncodedFile) -> FileOutcome:
        """Write a file's sessions, but those whose content came before: they would leak."""
        reasons, outcomes = list(encoded.reasons), []
        for row, outcome in encoded.sessions:
            first = self._first_with.setdefault(bytes.fromhex(row.sha256)[:16], row.session_id)
            if first != row.session_id:
                reasons.append(f"{SAME_CONTENT} ({first})")
                continue
            self._writers[row.split].append(row)
            outcomes.append(outcome)
            self.groups.add(row.group)
            self.num_windows[row.split] += -(-len(row.ids) // WINDOW_IDS)
        self.file_hashes.append(encoded.sha256)
        return FileOutcome(
            file=source.relative,
            num_bytes=source.num_bytes,
            sha256=encoded.sha256,
            sessions=tuple(outcomes),
            reasons=tuple(reasons),
        )
