"""Where ids are spent: per session, by event, by token group with its entropy.

    python benchmarks/token_stats.py FOLDER [--every 1] [--plain_json]

An id belongs to an interaction when it stands in the span of an event whose head is a mouse or
touch action, a move, a scroll, an input, a drag, a selection or a media action. The entropy of a
group is that of its tokens' frequencies; its bound is log2 of how many there are. `--plain_json`
compares with plain JSON: it trains a byte-level BPE of 12,520 pieces on the recordings' own JSON,
the tokenizer that one would take without any design, and encodes the same files with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import GROUPS, NUM_STRUCTURAL, STRUCTURAL_TOKENS, VOCAB_SIZE

INTERACTIONS = (
    *("[MI_", "[ME_", "[IS_Mouse", "[IS_Scroll", "[IS_Input", "[IS_Touch", "[IS_Drag"),
    "[IS_Selection",
)
HEADS = ("[EV_", "[IS_", "[MI_", "[ME_", "[TAB]")
_CHUNK_CHARS = 100_000


def main() -> None:
    """Prints the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th file")
    parser.add_argument("--plain_json", action="store_true", help="compare with BPE over the JSON")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.json"))[:: arguments.every]
    tokenizer = RRWebTokenizer()
    is_action = np.array([token.startswith(INTERACTIONS) for token in STRUCTURAL_TOKENS] + [False])
    lengths, minutes, num_action_ids = [], [], 0
    totals = np.zeros(NUM_STRUCTURAL + 1, dtype=np.int64)
    by_head = np.zeros((NUM_STRUCTURAL + 1, 2), dtype=np.int64)
    for file in files:
        session = tokenizer.encode_session(file)
        heads = np.minimum(session.ids[session.event_starts], NUM_STRUCTURAL)
        spans = np.diff(np.append(session.event_starts, len(session.ids)))
        lengths.append(len(session.ids))
        minutes.append(np.ptp(session.event_times_ms) / 60_000)
        num_action_ids += int(spans[is_action[heads]].sum())
        totals += np.bincount(np.minimum(session.ids, NUM_STRUCTURAL), minlength=len(totals))
        np.add.at(by_head, heads, np.stack([np.ones_like(spans), spans], axis=1))
    total = int(totals.sum())
    print(f"{len(lengths):,} sessions, {total:,} ids, {total / sum(minutes):,.0f} ids a minute")
    print(f"ids a session, 10 / 25 / 50 / 75 / 90%: {quantiles(lengths)}")
    print(f"ids within interactions: {num_action_ids / total:.1%}\n")
    print_events(by_head, total)
    print_groups(totals)
    if arguments.plain_json:
        print_plain_json(files, lengths)


def quantiles(lengths: list[int]) -> str:
    """The 10, 25, 50, 75 and 90% quantiles."""
    return " / ".join(f"{q:,}" for q in np.percentile(lengths, [10, 25, 50, 75, 90]).astype(int))


def print_events(by_head: npt.NDArray[np.int64], total: int) -> None:
    """Events and ids by head; the keyframes before the next head count with an event."""
    print("| event | events | share of ids | ids each |\n|---|---|---|---|")
    for head in np.argsort(-by_head[:, 1])[:16]:
        count, num_ids = by_head[head]
        if count:
            name = STRUCTURAL_TOKENS[head]
            print(f"| {name} | {count:,} | {num_ids / total:.1%} | {num_ids / count:.1f} |")
    print()


def print_groups(totals: npt.NDArray[np.int64]) -> None:
    """Share, entropy and unused tokens of each group."""
    total = int(totals.sum())
    print("| group | tokens | share of ids | entropy, bits | bound | never used here |")
    print("|---|---|---|---|---|---|")
    for group in sorted(GROUPS, key=lambda g: -int(totals[g.start : g.stop].sum())):
        counts = totals[group.start : group.stop]
        shares = counts[counts > 0] / max(counts.sum(), 1)
        entropy = abs(float((shares * np.log2(shares)).sum()))
        unused = [t for t, n in zip(group.tokens, counts, strict=True) if n == 0]
        names = " ".join(unused) if len(unused) < len(group.tokens) else "all"
        print(
            f"| {group.name} | {len(counts)} | {counts.sum() / total:.2%} | {entropy:.2f} | "
            f"{np.log2(len(counts)):.2f} | {names} |"
        )
    print(f"| text pieces | 12,000 | {totals[NUM_STRUCTURAL] / total:.2%} | | | |")
    num_unused = int((totals[:NUM_STRUCTURAL] == 0).sum())
    print(f"\nnever used here: {num_unused} of {NUM_STRUCTURAL}")


def print_plain_json(files: list[Path], lengths: list[int]) -> None:
    """How many ids the same files have as plain JSON text."""
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    sample = (chunk for file in files[::10] for chunk in chunks_of(file))
    bpe.train_from_iterator(sample, vocab_size=VOCAB_SIZE, show_progress=False)
    plain = [sum(len(e.ids) for e in bpe.encode_batch(list(chunks_of(file)))) for file in files]
    ratios = [p / n for p, n in zip(plain, lengths, strict=True)]
    print(f"\nas plain JSON through BPE, 10 / 25 / 50 / 75 / 90%: {quantiles(plain)}")
    print(f"plain JSON has {np.median(ratios):.0f} times the ids (median of the sessions' ratios)")


def chunks_of(file: Path) -> Iterator[str]:
    """The file's text in bits that a BPE encoder takes quickly."""
    text = file.read_text(encoding="utf-8")
    for start in range(0, len(text), _CHUNK_CHARS):
        yield text[start : start + _CHUNK_CHARS]


if __name__ == "__main__":
    main()
