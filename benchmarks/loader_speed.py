"""Windows a second, in process and through loader workers, masking included; the time to open.

Of a prepared corpus, and of raw files as `--streaming` reads them.

python benchmarks/loader_speed.py CORPUS [--raw FOLDER] [--num_windows 20000] [--repeats 3]

Windows of 2,048 ids in batches of 32, masked by `RRWebDataCollator`. The clock starts with the
second batch, when the workers are up. The best of the repeats is printed, for other work on the
machine only ever takes away.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from data_prep.corpus import open_corpus
from data_prep.encoding import load_tokenizer
from data_prep.manifest import list_sources
from data_prep.prepare import PrepareOptions
from data_prep.raw_sessions import RawSplit
from data_prep.raw_windows import raw_window_stream
from data_prep.shards import SPLITS, SplitTable
from data_prep.streaming import window_stream
from data_prep.windows import WindowPlan, window
from rrweb_bert.collator import RRWebDataCollator
from rrweb_tokenizer import RRWebTokenizer

BATCH = 32


def opened(folder: Path) -> float:
    """Seconds until the first window of a corpus is there, its files never opened by us before."""
    began = time.perf_counter()
    corpus = open_corpus(folder)
    tables = {split: SplitTable.open(corpus.path, split) for split in SPLITS}
    window(WindowPlan(seed=0), tables["train"], 0)
    return time.perf_counter() - began


def in_process(folder: Path, num_windows: int, collator: Any) -> tuple[float, float]:
    """Windows a second of one process: slicing alone, and masked batches."""
    table, plan = SplitTable.open(folder, "train"), WindowPlan(seed=0)
    window(plan, table, 0)
    began = time.perf_counter()
    for sample in range(num_windows):
        window(plan, table, sample)
    sliced = num_windows / (time.perf_counter() - began)
    began = time.perf_counter()
    for start in range(0, num_windows, BATCH):
        collator(
            [
                {"input_ids": window(plan, table, sample), "sample_index": sample}
                for sample in range(start, start + BATCH)
            ]
        )
    return sliced, num_windows / (time.perf_counter() - began)


def through_loader(stream: Any, num_workers: int, collator: Any) -> float:
    """Windows a second out of a `DataLoader`."""
    loader = DataLoader(
        stream, batch_size=BATCH, num_workers=num_workers, collate_fn=collator, drop_last=True
    )
    batches = iter(loader)
    next(batches)
    began, num_windows = time.perf_counter(), 0
    for batch in batches:
        num_windows += len(batch["input_ids"])
    return num_windows / (time.perf_counter() - began)


def best(measure: Callable[[], Any], repeats: int) -> Any:
    """The largest of several measurements, member by member."""
    return np.max([measure() for _ in range(repeats)], axis=0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--num_windows", type=int, default=20_000)
    parser.add_argument("--num_raw_windows", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache_sessions", type=int, default=2_000)
    parsed = parser.parse_args()
    torch.set_num_threads(1)
    collator = RRWebDataCollator(RRWebTokenizer(), mask_seed=0)
    print(f"open, and the first window: {opened(parsed.corpus):.3f} s")
    sliced, masked = best(
        lambda: in_process(parsed.corpus, parsed.num_windows, collator), parsed.repeats
    )
    print(f"in process: {sliced:,.0f} windows/s sliced, {masked:,.0f} masked in batches")
    for num_workers in (1, 2):
        stream = window_stream(
            parsed.corpus,
            "train",
            WindowPlan(seed=0),
            batch_size=BATCH,
            stop_sample=parsed.num_windows,
        )
        rate = best(lambda: through_loader(stream, num_workers, collator), parsed.repeats)  # noqa: B023
        print(f"prepared, {num_workers} loader worker(s): {rate:,.0f} windows/s")
    if parsed.raw is None:
        return
    split = RawSplit(
        sources=list_sources([parsed.raw]).sources,
        encoding=PrepareOptions().encoding(),
        factory=partial(load_tokenizer, None),
        cache_sessions=parsed.cache_sessions,
    )
    for num_workers in (1, 2):
        stream = raw_window_stream(
            split, WindowPlan(seed=0), batch_size=BATCH, stop_sample=parsed.num_raw_windows
        )
        rate = through_loader(stream, num_workers, collator)
        print(f"raw files, {num_workers} loader worker(s): {rate:,.1f} windows/s")


if __name__ == "__main__":
    main()
