"""How well `search --text` finds sessions whose pages hold the words: by words, and by vector.

    python benchmarks/search_text.py INDEX [--model DIR] [--queries 100]

Queries are runs of two to four words that stand in the pages of sessions of the index, drawn by a
seed, and rendered texts of a click on an element with these words. A hit counts where the words
stand in the texts of the session, in this order, case and accents apart. Chance is the share of all
sessions in which they stand.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from rrweb_bert import SessionEncoder, SessionIndex
from rrweb_bert.search.texts import text_of, text_runs
from rrweb_bert.search.words import plain, words_of
from rrweb_tokenizer import RRWebTokenizer

K = 10
RENDERED = "[MI_Click] [DT_9] [REF_NEW] [TAG_button] [TXT] {}"


def folded(words: list[str]) -> str:
    """Words in a row, so that a run of others can be looked for in them."""
    return f" {' '.join(map(plain, words))} "


def main() -> None:
    """Draw queries, search, and print a line of JSON a method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--queries", type=int, default=100)
    arguments = parser.parse_args()
    encoder = SessionEncoder.from_pretrained(arguments.model)
    tokenizer: RRWebTokenizer = encoder.tokenizer
    index = SessionIndex.open(arguments.index, tokenizer=tokenizer)
    ids = [index._moments(item).ids for item in range(len(index))]
    texts = [folded(words_of(text_of(own, tokenizer.text_model))) for own in ids]
    rng = np.random.default_rng(0)
    queries = []
    while len(queries) < arguments.queries:
        item = int(rng.integers(len(ids)))
        runs = [words_of(text) for _, text in text_runs(ids[item], tokenizer.text_model)]
        runs = [run for run in runs if 2 <= len(run) <= 4 and not "".join(run).isdigit()]
        if runs:
            queries.append(runs[int(rng.integers(len(runs)))])
    holds = [[folded(query) in text for text in texts] for query in queries]
    chance = float(np.mean([np.mean(row) for row in holds]))
    print(json.dumps({"sessions": len(ids), "queries": len(queries), "chance": round(chance, 3)}))
    methods = {
        "words": lambda text: index.words(text, k=K),
        "vector of free words": lambda text: index.like_text(text, encoder=encoder, k=K),
        "vector of a rendered click": lambda text: index.like_text(
            RENDERED.format(text), encoder=encoder, k=K
        ),
    }
    for name, search in methods.items():
        first, top, best = [], [], []
        for query, row in zip(queries, holds, strict=True):
            found = [row[hit.item] for hit in search(" ".join(query))]
            first.append(bool(found) and found[0])
            top.append(np.mean(found) if found else 0.0)
            best.append(sum(found) / min(K, sum(row)))
        line = {"first hit": first, f"of {K} hits": top, f"of those there are, up to {K}": best}
        print(json.dumps({"by": name, **{k: round(float(np.mean(v)), 3) for k, v in line.items()}}))


if __name__ == "__main__":
    main()
