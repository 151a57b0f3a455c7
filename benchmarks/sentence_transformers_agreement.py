"""How far what `SentenceTransformer(model)` gives is from what `SessionEncoder` gives.

    python benchmarks/sentence_transformers_agreement.py [--model FOLDER] [--data FOLDER]

`pooling_files` describe the mean over all ids of one text, [CLS] and [SEP] among them, cut at the
model's positions. That is computed here with the model itself, so that sentence-transformers need
not be installed (tests/rrweb_bert/test_published_model.py holds both to be the same).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from data_prep.manifest import list_sources
from rrweb_bert import SessionEncoder
from rrweb_bert.sample_plan import sample_directory
from rrweb_bert.search.centring import mean_of, unit_vectors
from rrweb_bert.surprise.reading import NamedSession, read_source
from rrweb_tokenizer.structural_vocab import CLS_ID, SEP_ID

NUM_NEAR = 5
Vectors = npt.NDArray[np.float32]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder (default: the package's own)")
    parser.add_argument("--data", type=Path, default=sample_directory(), help="recordings")
    arguments = parser.parse_args()
    encoder = SessionEncoder.from_pretrained(arguments.model, device="cpu")
    sessions = [
        named.session
        for source in list_sources([arguments.data]).sources
        for named in read_source(source, encoder.tokenizer)
        if isinstance(named, NamedSession)
    ]
    ids = [session.ids.tolist() for session in sessions]
    windows = encoder.encode_windows(sessions)
    of_windows = as_texts(
        encoder,
        [
            ids[session][start:stop]
            for session, start, stop in zip(
                windows.session_index, windows.starts, windows.stops, strict=True
            )
        ],
    )
    averaged = np.stack(
        [
            np.average(of_windows[is_own], axis=0, weights=windows.num_pooled[is_own])
            for is_own in (windows.session_index == number for number in range(len(sessions)))
        ]
    )
    most = encoder.model.config.max_position_embeddings
    tried = {
        f"text of the session, cut at {most:,}": as_texts(encoder, [i[: most - 2] for i in ids]),
        "the same, cut at 512": as_texts(encoder, [i[:510] for i in ids]),
        "texts of its windows, averaged by length": averaged,
    }
    poolings = ("mean", "interactions")
    ours = {pooling: encoder.encode(sessions, pooling) for pooling in poolings}
    print(
        f"{len(sessions):,} sessions, {np.median([len(i) for i in ids]):,.0f} ids in the median\n"
    )
    print("| SentenceTransformer | " + " | ".join(f"`{p}`: cosine, nearest" for p in poolings), "|")
    print("|---|" + "---|" * len(poolings))
    for name, vectors in tried.items():
        cells = [
            f"{cosine(ours[p], vectors):.2f}, {num_same(ours[p], vectors):.1f} of {NUM_NEAR}"
            for p in poolings
        ]
        print(f"| {name} | {' | '.join(cells)} |")


@torch.inference_mode()
def as_texts(encoder: SessionEncoder, texts: Sequence[Sequence[int]]) -> Vectors:
    """(n, H) what mean pooling gives for each text, of which the ids are given."""
    vectors = []
    for ids in texts:
        inputs = torch.tensor([[CLS_ID, *ids, SEP_ID]])
        hidden = encoder.model.bert(inputs).last_hidden_state[0]
        vectors.append(hidden.mean(dim=0).numpy())
    return np.stack(vectors)


def centred(vectors: Vectors) -> Vectors:
    """(n, H) as `search` compares them."""
    return unit_vectors(vectors, mean_of([vectors], vectors.shape[1]))


def cosine(first: Vectors, second: Vectors) -> float:
    """Of a session with itself, on average."""
    return float((centred(first) * centred(second)).sum(axis=1).mean())


def num_same(first: Vectors, second: Vectors) -> float:
    """How many of the nearest sessions are the same, on average."""
    return float(
        np.mean([len(a & b) for a, b in zip(nearest(first), nearest(second), strict=True)])
    )


def nearest(vectors: Vectors) -> list[set[int]]:
    """The nearest other sessions of each."""
    alike = centred(vectors) @ centred(vectors).T
    np.fill_diagonal(alike, -2.0)
    return [set(row) for row in np.argsort(-alike, axis=1)[:, :NUM_NEAR].tolist()]


if __name__ == "__main__":
    main()
