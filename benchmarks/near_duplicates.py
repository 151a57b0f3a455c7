"""What near duplicates cost: the sketch of a session, and a whole corpus.

    python benchmarks/near_duplicates.py [CORPUS] [--num_ids 5900] [--sessions 50]

Times are CPU time of one process. Where the library datasketch is installed, its MinHash of 128
permutations over the same shingles is timed beside ours. For a corpus, the search is also compared
with comparing each held-out session with all others (`--all_pairs`, slow).
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.near_duplicates import (
    MIN_SIMILARITY,
    SHINGLE_IDS,
    band_keys,
    find_near_duplicates,
    shingles_of,
    similarity,
)
from data_prep.shards import SPLITS, SplitTable


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--num_ids", type=int, default=5900, help="ids of a made-up session")
    parser.add_argument("--sessions", type=int, default=50, help="number of made-up sessions")
    parser.add_argument("--all_pairs", action="store_true", help="compare with all pairs")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    sessions = [
        rng.integers(5, 12_520, arguments.num_ids).astype(np.uint16)
        for _ in range(arguments.sessions)
    ]
    print(f"sketch of {arguments.num_ids:,} ids: {milliseconds(ours, sessions):.2f} ms")
    try:
        datasketch = importlib.import_module("datasketch")
    except ModuleNotFoundError:
        print("datasketch is not installed")
    else:

        def theirs(ids: npt.NDArray[np.uint16]) -> None:
            minhash = datasketch.MinHash(128)
            starts = range(len(ids) - SHINGLE_IDS + 1)
            minhash.update_batch([ids[k : k + SHINGLE_IDS].tobytes() for k in starts])

        print(f"the same through datasketch: {milliseconds(theirs, sessions):.2f} ms")
    if arguments.corpus is not None:
        search(arguments.corpus, all_pairs=arguments.all_pairs)


def ours(ids: npt.NDArray[np.uint16]) -> None:
    """Makes the keys of a session."""
    band_keys(shingles_of(ids))


def milliseconds(work: object, sessions: list[npt.NDArray[np.uint16]]) -> float:
    """CPU time a session."""
    assert callable(work)
    began = time.process_time()
    for ids in sessions:
        work(ids)
    return (time.process_time() - began) / len(sessions) * 1000


def search(corpus: Path, *, all_pairs: bool) -> None:
    """Prints the share of near duplicates at several similarities."""
    tables = {split: SplitTable.open(corpus, split) for split in SPLITS}
    held_out = sum(len(table) for split, table in tables.items() if split != "train")
    exact = best_similarities(tables) if all_pairs else None
    for least in (MIN_SIMILARITY, 0.8, 0.7, 0.6, 0.5):
        began = time.process_time()
        found = len(find_near_duplicates(tables, min_similarity=least))
        line = f"similarity >= {least}: {found} of {held_out} held-out sessions"
        if exact is not None:
            line += f" (all pairs: {int((exact >= least).sum())})"
        print(f"{line}, {time.process_time() - began:.1f} s")


def best_similarities(tables: dict[str, SplitTable]) -> npt.NDArray[np.float64]:
    """The largest similarity of each held-out session to those that it must not be like."""
    shingles = {
        split: [shingles_of(table.ids(session)) for session in range(len(table))]
        for split, table in tables.items()
    }
    against = {"test": shingles["train"], "validation": shingles["train"] + shingles["test"]}
    return np.array(
        [
            max(similarity(mine, other) for other in others)
            for split, others in against.items()
            for mine in shingles[split]
        ]
    )


if __name__ == "__main__":
    main()
