"""Window stream -> batches on the device, in the same order for any number of workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, IterableDataset

from .arguments import RRWebTrainingArguments
from .signals import shield_worker

__all__ = ["make_loader"]


def make_loader(
    stream: Any, args: RRWebTrainingArguments, *, batch_size: int, collator: Any
) -> DataLoader[Any]:
    """The batches of this process out of a stream whose shards are batches of all processes."""
    # More workers than cores only slow down; the order of the batches is the same for any.
    num_workers = min(args.dataloader_num_workers, stream.num_shards, _num_cores())
    if args.world_size > 1:
        stream = _RankSlice(
            stream,
            batch_size=batch_size,
            rank=args.process_index,
            world_size=args.world_size,
        )
    loader: DataLoader[Any] = DataLoader(
        stream,
        batch_size=batch_size,
        collate_fn=collator,
        num_workers=num_workers,
        pin_memory=args.dataloader_pin_memory,
        persistent_workers=args.dataloader_persistent_workers and num_workers > 0,
        prefetch_factor=args.dataloader_prefetch_factor if num_workers else None,
        multiprocessing_context=args.dataloader_multiprocessing_context,
        worker_init_fn=shield_worker,
    )
    prepared: DataLoader[Any] = prepare_data_loader(
        loader,
        device=args.device,
        num_processes=1,
        process_index=0,
        put_on_device=True,
        dispatch_batches=False,
        non_blocking=args.device.type == "cuda",
    )
    return prepared


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _RankSlice(IterableDataset[dict[str, Any]]):
    """The samples of one process out of a stream whose shards are batches of all processes."""

    def __init__(self, stream: Any, *, batch_size: int, rank: int, world_size: int) -> None:
        self._stream = stream
        self._batch_size, self._rank, self._world_size = batch_size, rank, world_size
        self.num_shards: int = stream.num_shards

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for sample in self._stream:
            if sample["sample_index"] // self._batch_size % self._world_size == self._rank:
                yield sample
