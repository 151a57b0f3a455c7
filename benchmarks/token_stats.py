"""Where ids are spent: per session, by token group, and the share of interactions.

    python benchmarks/token_stats.py FOLDER

An id belongs to an interaction when it stands in the span of an event whose head is a mouse or
touch action, a move, a scroll, an input, a drag, a selection or a media action.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import GROUPS, NUM_STRUCTURAL, STRUCTURAL_TOKENS

INTERACTIONS = ("[MI_", "[ME_", "[IS_Mouse", "[IS_Scroll", "[IS_Input", "[IS_Touch", "[IS_Drag")


def main() -> None:
    """Prints the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    is_action = np.array([token.startswith(INTERACTIONS) for token in STRUCTURAL_TOKENS] + [False])
    tokenizer = RRWebTokenizer()
    lengths, minutes, num_action_ids = [], [], 0
    totals = np.zeros(NUM_STRUCTURAL + 1, dtype=np.int64)
    for file in sorted(arguments.folder.rglob("*.json")):
        session = tokenizer.encode_session(file)
        heads = np.minimum(session.ids[session.event_starts], NUM_STRUCTURAL)
        spans = np.diff(np.append(session.event_starts, len(session.ids)))
        lengths.append(len(session.ids))
        minutes.append(np.ptp(session.event_times_ms) / 60_000)
        num_action_ids += int(spans[is_action[heads]].sum())
        totals += np.bincount(np.minimum(session.ids, NUM_STRUCTURAL), minlength=len(totals))
    total = int(totals.sum())
    quartiles = np.percentile(lengths, [10, 25, 50, 75, 90]).astype(int)
    print(f"{len(lengths):,} sessions, {total:,} ids, {total / sum(minutes):,.0f} ids a minute")
    print(f"ids a session, 10 / 25 / 50 / 75 / 90%: {' / '.join(f'{q:,}' for q in quartiles)}")
    print(f"ids within interactions: {num_action_ids / total:.1%}\n")
    print("| group | share of ids |\n|---|---|")
    rows = [(int(totals[group.start : group.stop].sum()), group.name) for group in GROUPS]
    rows.append((int(totals[NUM_STRUCTURAL]), "text pieces"))
    for count, name in sorted(rows, reverse=True):
        print(f"| {name} | {count / total:.2%} |")
    unused = [t for t, n in zip(STRUCTURAL_TOKENS, totals, strict=False) if n == 0]
    print(f"\nnever used here: {len(unused)} of {NUM_STRUCTURAL}: {' '.join(unused)}")


if __name__ == "__main__":
    main()
