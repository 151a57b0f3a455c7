"""Checks the ledger of a corpus: its lines, its totals, and that it names the stored sessions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_prep.corpus import PreparedCorpus, inputs_hash
from data_prep.files import sha256_of
from data_prep.manifest import CORPUS_FILE
from data_prep.problems import Problems
from data_prep.verify_rows import StoredRow
from rrweb_tokenizer.telling.wording import counted

__all__ = ["check_ledger"]


@dataclass(slots=True, kw_only=True)
class _Totals:
    num_listed: int = 0
    num_accepted: int = 0
    num_rejected: int = 0
    num_rejected_events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    num_sessions: Counter[str] = field(default_factory=Counter)
    num_ids: Counter[str] = field(default_factory=Counter)
    is_readable: bool = True


def check_ledger(
    file: Path,
    corpus: PreparedCorpus,
    rows: Mapping[str, Iterator[StoredRow]],
    problems: Problems,
) -> None:
    """Check the ledger against `corpus.json` and against the rows, which are consumed in order.

    The order of the sessions in a split is that of the ledger, so both are read once, side by side.
    """
    totals = _Totals()
    out_of_step: set[str] = set()

    def files() -> Iterator[tuple[str, int, str]]:
        for number, row in _lines(file, totals, problems):
            _count(row, number, file, totals, problems)
            for session in row["sessions"]:
                split = session["split"]
                if split not in rows:
                    problems.add(file, f"line {number}", f"names an unknown split {split!r}")
                elif split not in out_of_step and not _agrees(
                    session, next(rows[split], None), file, number, problems
                ):
                    out_of_step.add(split)
            yield row["file"], row["num_bytes"], row["sha256"]

    found_hash = inputs_hash(files())
    for split, left in rows.items():
        # What is left is read all the same: its own promises are checked on the way.
        num_left = sum(1 for _ in left)
        if num_left and split not in out_of_step:
            problems.add(
                file, "", f"does not name {counted(num_left, 'session')} stored in {split}"
            )
    if totals.is_readable:
        if corpus.ledger_sha256 not in ("", sha256_of(file)):
            problems.add(file, "", "was changed: its sha256 is not as written")
        if found_hash != corpus.identity.inputs:
            problems.add(file, "", "its files are not those that corpus.json was made of")
        _compare_totals(totals, corpus, problems)


def _lines(file: Path, totals: _Totals, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the lines that have the members of a ledger line, with their numbers from 1."""
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                row = _row(line)
                if row is None:
                    totals.is_readable = False
                    problems.add(file, f"line {number}", "is damaged or cut short")
                else:
                    yield number, row
    except OSError as error:
        totals.is_readable = False
        problems.add(file, "", f"cannot be read: {error.strerror}")


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        for name, kind in (("file", str), ("num_bytes", int), ("sha256", str), ("status", str)):
            if not isinstance(row[name], kind):
                return None
        if not isinstance(row["reasons"], list) or not isinstance(row["sessions"], list):
            return None
        for session in row["sessions"]:
            for name in ("num_events", "num_ids", "num_rejected_events"):
                if not isinstance(session[name], int):
                    return None
            for name in ("session_id", "split", "group"):
                if not isinstance(session[name], str):
                    return None
            if not isinstance(session["counts"], dict):
                return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return dict(row)


def _count(
    row: dict[str, Any], number: int, file: Path, totals: _Totals, problems: Problems
) -> None:
    is_accepted = bool(row["sessions"])
    if row["status"] != ("accepted" if is_accepted else "rejected"):
        problems.add(file, f"line {number}", "its status does not fit its sessions")
    if not is_accepted and not row["reasons"]:
        problems.add(file, f"line {number}", "a file is rejected without a reason")
    totals.num_listed += 1
    totals.num_accepted += is_accepted
    totals.num_rejected += not is_accepted
    for session in row["sessions"]:
        totals.counts.update(session["counts"])
        totals.num_rejected_events += session["num_rejected_events"]
        totals.num_sessions[session["split"]] += 1
        totals.num_ids[session["split"]] += session["num_ids"]


def _agrees(
    session: dict[str, Any], row: StoredRow | None, file: Path, number: int, problems: Problems
) -> bool:
    """Tell whether the next stored session is the one that the ledger names next."""
    split = session["split"]
    if row is None:
        problems.add(file, f"line {number}", f"names a session that is not stored in {split}")
        return False
    stored: dict[str, object] = {
        "session_id": row.session_id,
        "group": row.group,
        "num_ids": row.num_ids,
        "num_events": row.num_events,
    }
    if different := [name for name, value in stored.items() if session[name] != value]:
        problems.add(
            row.shard,
            f"session {row.number}",
            f"is not what {file.name} names at line {number} (different: {', '.join(different)}); "
            "sessions are missing, altered or in another order from here on",
            kind="order",
        )
        return False
    return True


def _compare_totals(totals: _Totals, corpus: PreparedCorpus, problems: Problems) -> None:
    file = corpus.path / CORPUS_FILE
    splits = corpus.splits.items()
    for name, said, found in (
        ("num_listed", corpus.num_listed, totals.num_listed),
        ("num_accepted", corpus.num_accepted, totals.num_accepted),
        ("num_rejected", corpus.num_rejected, totals.num_rejected),
        ("num_rejected_events", corpus.num_rejected_events, totals.num_rejected_events),
        ("counts", _positive(corpus.counts), _positive(totals.counts)),
        ("sessions", {s: v.num_sessions for s, v in splits}, dict(totals.num_sessions)),
        ("ids", {s: v.num_ids for s, v in splits}, dict(totals.num_ids)),
    ):
        said = _positive(said) if isinstance(said, dict) else said
        if said != found:
            problems.add(file, name, f"says {said}, the ledger adds up to {found}")


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in sorted(counts.items()) if number}
