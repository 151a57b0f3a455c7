"""Takes sessions out of splits that are written but not yet in place; the ledger says so."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.corpus import WINDOW_IDS
from data_prep.files import sync_folder
from data_prep.ledger import NEARLY_SAME, FileOutcome, Ledger, session_outcome
from data_prep.near_duplicates import NearDuplicate, find_near_duplicates
from data_prep.shards import SPLITS, SessionRow, SplitTable
from data_prep.split_writer import SplitSummary, write_split

__all__ = ["count_windows", "drop_near_duplicates"]


def drop_near_duplicates(
    folder: Path, splits: dict[str, SplitSummary], ledger: Ledger, *, max_shard_bytes: int
) -> tuple[dict[str, SplitSummary], Ledger]:
    """Leave out the held-out sessions that nearly equal one of another split.

    Training loses none, so the validation and test splits alone are written again.

    Args:
        folder: The corpus folder, its splits and its ledger closed.
        splits: What was written.
        ledger: What became of each file.
        max_shard_bytes: As the splits were written.

    Returns:
        What the splits and the ledger now hold.
    """
    found = find_near_duplicates({split: SplitTable.open(folder, split) for split in SPLITS})
    if not found:
        return splits, ledger
    left = dict(splits)
    for split in sorted({pair.split for pair in found}):
        dropped = {pair.session for pair in found if pair.split == split}
        again = folder / f".{split}.again"
        rows = _rows_without(SplitTable.open(folder, split), dropped)
        left[split] = write_split(again, split, rows, max_shard_bytes=max_shard_bytes)
        shutil.rmtree(folder / split)
        (again / split).replace(folder / split)
        again.rmdir()
    sync_folder(folder)
    return left, _ledger_without(ledger, found)


def count_windows(folder: Path) -> Counter[str]:
    """Return how many windows of 2,048 ids cover each split without overlap."""
    tables = {split: SplitTable.open(folder, split) for split in SPLITS}
    return Counter(
        {
            split: sum(-(-len(table.ids(session)) // WINDOW_IDS) for session in range(len(table)))
            for split, table in tables.items()
        }
    )


def _rows_without(table: SplitTable, dropped: set[int]) -> Iterator[SessionRow]:
    return (table.row(session) for session in range(len(table)) if session not in dropped)


def _ledger_without(ledger: Ledger, found: Sequence[NearDuplicate]) -> Ledger:
    """Write the ledger again, with a reason in place of each session that was left out."""
    reasons = {
        pair.session_id: (
            f"{NEARLY_SAME} ({pair.other_session_id} of {pair.other_split}, "
            f"similarity {pair.similarity:.3f})"
        )
        for pair in found
    }
    path = ledger.path
    new = Ledger(path=path.with_name(f".{path.name}.again"), num_listed=ledger.num_listed)
    with path.open(encoding="utf-8") as file:
        for line in file:
            new.record(_outcome_without(json.loads(line), reasons))
    new.close()
    new.path.replace(path)
    new.path = path
    return new


def _outcome_without(row: dict[str, Any], reasons: Mapping[str, str]) -> FileOutcome:
    del row["status"]
    sessions = [session_outcome(session) for session in row.pop("sessions")]
    more = [reasons[session.session_id] for session in sessions if session.session_id in reasons]
    kept = tuple(session for session in sessions if session.session_id not in reasons)
    return FileOutcome(**{**row, "reasons": (*row["reasons"], *more)}, sessions=kept)
