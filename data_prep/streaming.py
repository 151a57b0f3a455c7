"""The windows of a corpus as `datasets.IterableDataset`: any number of workers, resumed anywhere.

One dataset shard is one batch. A `DataLoader` with W workers deals shards out in turn, so batch b
is made by worker b mod W and arrives as batch b: the order is the same for every W, and starting at
sample j is starting at shard j / batch_size. Samples are plain dicts of numpy arrays without
features or a format, which was measured to be 5 to 1,000 times faster than the alternatives.

There is no shuffling here, and none should be added: the plan already draws sessions in a random
order; `.shuffle()` would fill a buffer for seconds, lose it on resume and reorder the batches.

Several processes: set `accelerator_config={"dispatch_batches": False}`. accelerate then calls
`dataset.shard(num_processes, process_index)` by itself, which gives each process one contiguous
range of the batches; `split_dataset_by_node` on top would shard twice. Each process must get
equally many batches: choose `stop_sample - start_sample` as a multiple of batch_size x
num_processes. As the ranges are contiguous, resuming in the middle at one `start_sample` is right
for a single process only; with more, give each process its own stream of every num_processes-th
batch and keep accelerate from sharding it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import IterableDataset

from data_prep.errors import DataError
from data_prep.shards import SplitTable
from data_prep.windows import WindowPlan, evaluation_plan, window

__all__ = ["evaluation_stream", "window_stream"]


def window_stream(
    corpus_dir: Path | str,
    split: str,
    plan: WindowPlan,
    *,
    batch_size: int,
    start_sample: int = 0,
    stop_sample: int,
) -> IterableDataset:
    """Return the samples [start_sample, stop_sample) of a plan, in order.

    Args:
        corpus_dir: A prepared corpus.
        split: "train", "validation" or "test".
        plan: What decides the windows.
        batch_size: Must be the `DataLoader`'s batch size, else the order depends on its workers.
        start_sample: First sample; to resume after s steps, s x batch_size. Costs nothing to skip.
        stop_sample: One past the last sample; the last batch may be short.

    Returns:
        A dataset yielding {"input_ids": (T,) uint16 numpy array, "sample_index": int}.

    Raises:
        DataError: The split is missing, damaged or empty.
        ValueError: batch_size < 1, or no sample lies between start and stop.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be positive, got {batch_size}")
    if not 0 <= start_sample < stop_sample:
        raise ValueError(f"no samples between start {start_sample} and stop {stop_sample}")
    table = SplitTable.open(corpus_dir, split)
    if len(table) == 0:
        raise DataError(f"{Path(corpus_dir) / split} holds no session; prepare from more files")
    batch_ids = list(range(-(-(stop_sample - start_sample) // batch_size)))
    return IterableDataset.from_generator(
        _samples_of_batches,
        gen_kwargs={
            "batch_ids": batch_ids,
            "table": table,
            "plan": plan,
            "batch_size": batch_size,
            "start_sample": start_sample,
            "stop_sample": stop_sample,
        },
    )


def evaluation_stream(
    corpus_dir: Path | str,
    split: str,
    *,
    window_tokens: int = 2048,
    seed: int,
    batch_size: int,
    max_windows: int = 3195,
) -> IterableDataset:
    """Return the same windows at every call: one a session, from at most `max_windows` sessions.

    Yields what `window_stream` yields; `sample_index` counts the windows from 0.
    """
    table = SplitTable.open(corpus_dir, split)
    plan = evaluation_plan(table, seed, window_tokens=window_tokens, max_windows=max_windows)
    return window_stream(
        corpus_dir, split, plan, batch_size=batch_size, stop_sample=plan.samples_per_epoch
    )


def _samples_of_batches(
    batch_ids: list[int],
    table: SplitTable,
    plan: WindowPlan,
    batch_size: int,
    start_sample: int,
    stop_sample: int,
) -> Iterator[dict[str, Any]]:
    for batch_id in batch_ids:
        start = start_sample + batch_id * batch_size
        for sample_index in range(start, min(start + batch_size, stop_sample)):
            yield {
                "input_ids": window(plan, table, sample_index),
                "sample_index": sample_index,
            }
