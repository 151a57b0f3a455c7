"""The table that closes a preparation: what was taken, what was not, and where it lies."""

from __future__ import annotations

from data_prep.corpus import PreparedCorpus
from data_prep.ledger import Ledger
from data_prep.shards import SPLITS

__all__ = ["summary_of"]

_MAX_LINES = 12


def summary_of(corpus: PreparedCorpus, ledger: Ledger, num_bytes: int, seconds: float) -> str:
    """Return the summary of a finished preparation, several lines.

    Args:
        corpus: What was written.
        ledger: What became of each file.
        num_bytes: Size of all files listed.
        seconds: What it took.
    """
    lines = [
        f"{ledger.num_listed:,} files listed = {ledger.num_accepted:,} accepted "
        f"+ {ledger.num_rejected:,} rejected"
    ]
    num_sessions = sum(corpus.num_sessions.values())
    if num_sessions != ledger.num_accepted:
        lines.append(f"  {num_sessions:,} sessions in the accepted files")
    for title, counter in (
        ("rejected", ledger.reasons),
        ("noted", ledger.notes),
        ("dropped or capped", ledger.counts),
    ):
        found = [(reason, number) for reason, number in counter.most_common() if number]
        for reason, number in found[:_MAX_LINES]:
            first = ledger.examples.get(reason) if counter is ledger.reasons else None
            where = f" (first: {first}; all are in ledger.jsonl)" if first else ""
            lines.append(f"  {title} {number:>8,} x {reason}{where}")
        if len(found) > _MAX_LINES:
            lines.append(f"  {title}: {len(found) - _MAX_LINES} more kinds, see ledger.jsonl")
    if ledger.num_rejected_events:
        lines.append(f"  {ledger.num_rejected_events:,} members of event lists were no events")
    lines.append(f"{'split':<12}{'sessions':>10}{'ids':>16}{'keyframes':>12}{'windows':>12}")
    lines += [
        f"{split:<12}{corpus.splits[split].num_sessions:>10,}{corpus.splits[split].num_ids:>16,}"
        f"{corpus.splits[split].num_keyframes:>12,}{corpus.num_windows[split]:>12,}"
        for split in SPLITS
    ]
    megabytes = num_bytes / 1e6
    lines.append(
        f"{megabytes:,.1f} MB in {seconds:,.1f} s ({megabytes / max(seconds, 1e-9):,.1f} MB/s), "
        f"written to {corpus.path}"
    )
    return "\n".join(lines)
