"""The windows of a corpus as `datasets.IterableDataset`: any number of workers, resumed anywhere.

One dataset shard is one batch. A `DataLoader` with W workers deals shards out in turn, so batch b
is made by worker b mod W and arrives as batch b: the order is the same for every W, and starting at
sample j is starting at shard j / batch_size. Samples are plain dicts of numpy arrays without
features or a format, which was measured to be 5 to 1,000 times faster than the alternatives.

There is no shuffling here, and none should be added: the plan already draws sessions in a random
order; `.shuffle()` would fill a buffer for seconds, lose it on resume and reorder the batches.

Several processes: each makes a stream of its own batches, by `rank` and `num_ranks`, see module
`batch_plan`. Set `accelerator_config={"dispatch_batches": False}` and keep accelerate from sharding
the stream once more (`prepare_data_loader(..., num_processes=1)`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from datasets import IterableDataset

from data_prep.batch_plan import BatchPlan
from data_prep.errors import DataError
from data_prep.shards import SplitTable
from data_prep.windows import WindowPlan, evaluation_plan, window, window_sessions

__all__ = ["StreamSource", "attach_source", "evaluation_stream", "source_of", "window_stream"]

# A batch of a corpus takes milliseconds; slow network disks were seen to take seconds.
_MAX_SECONDS_A_BATCH: Final = 45.0
# Sorting the permutation of a pass takes 0.15 s a million sessions; a busy machine takes longer.
_SECONDS_A_SESSION: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSource:
    """What is known of a stream beside its samples."""

    batches: BatchPlan

    names_of: Callable[[int], tuple[str, ...]]
    """Sample -> the sessions in its window, by their stable names (raw files: the files)."""

    seconds_a_batch: float
    """A worker that takes longer for one batch hangs."""


def attach_source(
    stream: IterableDataset,
    *,
    batches: BatchPlan,
    names_of: Callable[[int], tuple[str, ...]],
    seconds_a_batch: float,
) -> IterableDataset:
    """Return the stream, from which `source_of` then gives these."""
    stream.window_source = StreamSource(
        batches=batches, names_of=names_of, seconds_a_batch=seconds_a_batch
    )
    return stream


def source_of(stream: IterableDataset) -> StreamSource:
    """Return where a stream's samples come from.

    Raises:
        ValueError: It is none of ours, or was changed (`shard`, `map`, `shuffle`) since.
    """
    source = getattr(stream, "window_source", None)
    if not isinstance(source, StreamSource):
        raise ValueError("not a stream of windows as window_stream returns it")
    return source


def window_stream(
    corpus_dir: Path | str,
    split: str,
    plan: WindowPlan,
    *,
    batch_size: int,
    start_sample: int = 0,
    stop_sample: int,
    rank: int = 0,
    num_ranks: int = 1,
) -> IterableDataset:
    """Return the samples of this process out of [start_sample, stop_sample) of a plan, in order.

    Args:
        corpus_dir: A prepared corpus.
        split: "train", "validation" or "test".
        plan: What decides the windows.
        batch_size: Must be the `DataLoader`'s batch size, else the order depends on its workers.
        start_sample: First sample; to resume after s steps, s times the samples of a step (of all
            processes). Costs nothing to skip.
        stop_sample: One past the last sample; the last batch may be short.
        rank: Number of this process.
        num_ranks: Processes that read the samples together.

    Returns:
        A dataset yielding {"input_ids": (T,) uint16 numpy array, "sample_index": int}.

    Raises:
        DataError: The split is missing, damaged or empty.
        ValueError: batch_size < 1, or no sample lies between start and stop.
    """
    batches = BatchPlan(
        batch_size=batch_size,
        start_sample=start_sample,
        stop_sample=stop_sample,
        rank=rank,
        num_ranks=num_ranks,
    )
    table = SplitTable.open(corpus_dir, split)
    if len(table) == 0:
        raise DataError(f"{Path(corpus_dir) / split} holds no session; prepare from more files")
    stream = IterableDataset.from_generator(
        _samples_of_batches,
        gen_kwargs={
            "batch_ids": list(range(batches.num_batches)),
            "table": table,
            "plan": plan,
            "batches": batches,
        },
    )
    return attach_source(
        stream,
        batches=batches,
        names_of=partial(_names_of_sample, plan, table),
        seconds_a_batch=_MAX_SECONDS_A_BATCH + _SECONDS_A_SESSION * len(table),
    )


def _names_of_sample(plan: WindowPlan, table: SplitTable, sample_index: int) -> tuple[str, ...]:
    if not table.is_whole():
        return ()
    return tuple(table.session_id(each) for each in window_sessions(plan, table, sample_index))


def evaluation_stream(
    corpus_dir: Path | str,
    split: str,
    *,
    window_tokens: int = 2048,
    seed: int,
    batch_size: int,
    max_windows: int = 3195,
    rank: int = 0,
    num_ranks: int = 1,
) -> IterableDataset:
    """Return the same windows at every call: one a session, from at most `max_windows` sessions.

    Yields what `window_stream` yields; `sample_index` counts the windows from 0.
    """
    table = SplitTable.open(corpus_dir, split)
    plan = evaluation_plan(table, seed, window_tokens=window_tokens, max_windows=max_windows)
    return window_stream(
        corpus_dir,
        split,
        plan,
        batch_size=batch_size,
        stop_sample=plan.samples_per_epoch,
        rank=rank,
        num_ranks=num_ranks,
    )


def _samples_of_batches(
    batch_ids: list[int], table: SplitTable, plan: WindowPlan, batches: BatchPlan
) -> Iterator[dict[str, Any]]:
    for batch_id in batch_ids:
        for sample_index in batches.samples(batch_id):
            yield {
                "input_ids": window(plan, table, sample_index),
                "sample_index": sample_index,
            }
