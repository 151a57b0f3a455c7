"""How many successions of real sessions the grammar forbids, and how many of nonsense.

    python benchmarks/grammar_check.py FOLDER [--every N]

Reads all recordings below a folder that `data_prep prepare` would read. Prints the illegal
successions of sessions as written (there should be none), with their tokens; of the same ids
shuffled within each session; and of ids drawn one by one with the frequencies of all sessions.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from data_prep.limits import DEFAULT_LIMITS
from data_prep.readers import Session, read_sessions
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.grammar import (
    classes_of,
    first_field_matrix,
    illegal_successions,
    successor_matrix,
)
from rrweb_tokenizer.grammar_table import FIRST_FIELDS
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import NUM_STRUCTURAL, STRUCTURAL_TOKENS, VOCAB_SIZE

NAMES = (*STRUCTURAL_TOKENS, "text")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every N-th file")
    arguments = parser.parse_args()
    print_matrix()
    tokenizer = RRWebTokenizer()
    rng = np.random.default_rng(0)
    num_sessions = num_pairs = num_shuffled = num_illegal_files = 0
    num_structural = num_structural_shuffled = 0
    illegal: Counter[str] = Counter()
    totals = np.zeros(VOCAB_SIZE, dtype=np.int64)
    files = [path for path in sorted(arguments.folder.rglob("*")) if path.is_file()]
    for path in files[:: arguments.every]:
        for session in read_sessions(path, DEFAULT_LIMITS):
            if not isinstance(session, Session):
                continue
            events = decode_events(session.parts).events
            if not events:
                continue
            ids = tokenizer.encode_events(events).ids
            places = np.flatnonzero(illegal_successions(ids))
            illegal.update(words_around(ids, place) for place in places)
            num_illegal_files += len(places) > 0
            num_sessions += 1
            num_pairs += max(len(ids) - 1, 0)
            shuffled = rng.permutation(ids)
            is_illegal = illegal_successions(shuffled)
            is_structural = np.maximum(shuffled[:-1], shuffled[1:]) < NUM_STRUCTURAL
            num_shuffled += int(is_illegal.sum())
            num_structural += int(is_structural.sum())
            num_structural_shuffled += int(is_illegal[is_structural].sum())
            totals += np.bincount(ids, minlength=VOCAB_SIZE)
    num_illegal = sum(illegal.values())
    drawn = rng.choice(VOCAB_SIZE, size=1_000_000, p=totals / totals.sum())
    uniform = rng.integers(0, NUM_STRUCTURAL + 1, size=1_000_000)
    print(f"{num_sessions:,} sessions, {num_pairs:,} successions")
    print(f"illegal as written: {num_illegal:,}, in {num_illegal_files:,} sessions")
    print(f"illegal when shuffled: {num_shuffled / num_pairs:.1%}")
    share = num_structural_shuffled / num_structural
    print(f"  of the successions of two structural tokens: {share:.1%}")
    print(f"illegal in unigram draws: {illegal_successions(drawn).mean():.1%}")
    print(f"illegal in draws of all 521 alike: {illegal_successions(uniform).mean():.1%}")
    for words, count in illegal.most_common(40):
        print(f"  {count:6,} x {words}")


def print_matrix() -> None:
    """Prints how much the table allows."""
    names = classes_of()
    matrix = successor_matrix()
    _, firsts = np.unique(names, return_index=True)
    classes = matrix[np.ix_(firsts, firsts)]
    print(f"token pairs allowed: {matrix.mean():.1%} of {matrix.size:,}")
    print(f"class pairs allowed: {classes.mean():.1%} of {classes.size:,}")
    heads = [i for i, token in enumerate(NAMES) if token[1:-1] in FIRST_FIELDS]
    print(f"first fields allowed after a head: {first_field_matrix()[heads].mean():.1%} of tokens")


def words_around(ids: np.ndarray, place: int) -> str:
    """The illegal pair, marked, with the token before it."""
    words = [
        NAMES[min(token_id, NUM_STRUCTURAL)] for token_id in ids[max(place - 3, 0) : place + 3]
    ]
    words.insert(min(place, 3) + 1, "<>")
    return " ".join(words)


if __name__ == "__main__":
    main()
