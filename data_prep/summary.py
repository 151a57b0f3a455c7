"""The table that closes a preparation: what was taken, what was not, and where it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from data_prep.corpus import PreparedCorpus
from data_prep.ledger import Ledger
from data_prep.shards import SPLITS
from rrweb_tokenizer.telling.wording import counted

__all__ = ["nothing_accepted", "summary_of"]

_MAX_LINES = 12
_MAX_REASONS = 5


def summary_of(corpus: PreparedCorpus, ledger: Ledger, num_bytes: int, seconds: float) -> str:
    """Return the summary of a finished preparation, several lines.

    Args:
        corpus: What was written.
        ledger: What became of each file.
        num_bytes: Size of all files listed.
        seconds: What it took.
    """
    lines = [
        f"{counted(ledger.num_listed, 'file')} listed = {ledger.num_accepted:,} accepted "
        f"+ {ledger.num_rejected:,} rejected"
    ]
    num_sessions = sum(corpus.num_sessions.values())
    if num_sessions != ledger.num_accepted:
        lines.append(f"  {counted(num_sessions, 'session')} in the accepted files")
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
            lines.append(
                f"  {title}: {counted(len(found) - _MAX_LINES, 'other kind')}, see ledger.jsonl"
            )
    if ledger.num_rejected_events:
        lines.append(f"  {counted(ledger.num_rejected_events, 'member')} of event lists: no events")
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


def nothing_accepted(num_listed: int, reasons: Counter[str], examples: Mapping[str, str]) -> str:
    """Return the error of files of which none can be used.

    Args:
        num_listed: How many files there are.
        reasons: How often each reason for which one was rejected.
        examples: The first file of each reason.
    """
    who = "the one file is no" if num_listed == 1 else f"none of {num_listed:,} files is a"
    told = "; ".join(
        f"{number:,} x {reason} (first: {examples[reason]})"
        for reason, number in reasons.most_common(_MAX_REASONS)
    )
    return (
        f"{who} recording that can be used: {told}. Recordings are JSON: a list of rrweb events, "
        "an object with an 'events' list, one event a line, or one of the forms in "
        "docs/containers.md"
    )
