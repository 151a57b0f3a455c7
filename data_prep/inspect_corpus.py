"""What a prepared corpus holds, in the same figures as recordings."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.corpus import PreparedCorpus, open_corpus
from data_prep.errors import DataError
from data_prep.findings import Findings, TokenCounts, count_tokens
from data_prep.inspection import Inspection
from data_prep.manifest import LEDGER_FILE
from data_prep.progress import Progress
from data_prep.session_facts import day_of
from data_prep.shards import SPLITS, SplitTable
from data_prep.size_sample import Estimate
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS, TEXT_ID_OFFSET

__all__ = ["inspect_corpus"]

# Heads of events, by which they are counted; one of them begins each event and none stands inside.
_HEADS = ("[EV_", "[IS_", "[MI_", "[ME_")


def inspect_corpus(path: Path, *, show_progress: bool = True) -> Inspection:
    """Return the figures of a prepared corpus; reads all ids once.

    Raises:
        DataError: No corpus, or damaged.
    """
    began = time.monotonic()
    corpus = open_corpus(path)
    findings = Findings()
    _add_ledger(path / LEDGER_FILE, findings)
    tokens = TokenCounts()
    kinds = np.zeros(TEXT_ID_OFFSET, np.int64)
    num_bytes = sum(s.num_bytes for split in corpus.splits.values() for s in split.shards)
    progress = Progress(
        sum(corpus.num_sessions.values()), num_bytes, verb="inspected", is_shown=show_progress
    )
    for split in SPLITS:
        table = SplitTable.open(path, split)
        for session in range(len(table)):
            row = table.row(session)
            tokens.merge(count_tokens(row.ids, len(row.keyframes)))
            structural = row.ids[row.ids < TEXT_ID_OFFSET]
            kinds += np.bincount(structural, minlength=TEXT_ID_OFFSET)
            findings.splits[split] += 1
            findings.num_sessions += 1
            findings.groups.add(row.group)
            findings.num_groups.add(row.group)
            findings.num_contents.add(row.sha256)
            findings.days.add(day_of(row.start_ms))
            findings.durations_s.add((row.end_ms - row.start_ms) / 1000)
            findings.lengths.add(row.num_events)
            progress.advance(2 * len(row.ids))
    progress.close()
    findings.kinds = Counter(
        {
            token.strip("[]").partition("_")[2]: int(number)
            for token, number in zip(STRUCTURAL_TOKENS, kinds, strict=True)
            if token.startswith(_HEADS) and number
        }
    )
    return Inspection(
        inputs=(str(path),),
        findings=findings,
        skipped={},
        num_tokenised=findings.num_sessions,
        num_ids=Estimate(tokens.num_ids, 0.0),
        disk_bytes=Estimate(float(_size_of(path)), 0.0),
        tokens=tokens,
        grouping=str(corpus.identity.options.get("group_by", "")),
        seconds=time.monotonic() - began,
        is_corpus=True,
        notes=(_about(corpus),),
    )


def _add_ledger(file: Path, findings: Findings) -> None:
    """Add what the ledger says of files."""
    number = 0
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, 1):  # noqa: B007 - named in the error
                row: dict[str, Any] = json.loads(line)
                findings.num_files += 1
                findings.num_bytes += row["num_bytes"]
                findings.num_accepted += bool(row["sessions"])
                findings.num_rejected += not row["sessions"]
                findings.suffixes["".join(Path(row["file"]).suffixes[-2:]).lower()] += 1
                for reason in row["reasons"]:
                    findings.reject(reason, row["file"])
                for session in row["sessions"]:
                    findings.notes.update(session["notes"])
                    findings.num_rejected_events += session["num_rejected_events"]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}; see verify") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{file} is damaged at line {number} ({type(error).__name__}); "
            "python -m data_prep verify says more"
        ) from None


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _about(corpus: PreparedCorpus) -> str:
    return f"a prepared corpus, fingerprint {corpus.fingerprint[:16]}; events by their first token"
