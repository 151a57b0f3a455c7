"""Works through files in several processes; results come in the order of the manifest."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from data_prep.encoding import (
    EncodedFile,
    EncoderFactory,
    EncodingOptions,
    SessionEncoder,
    encode_source,
)
from data_prep.errors import DataError
from data_prep.manifest import Source
from rrweb_tokenizer.collection import paused_collection

__all__ = ["Work", "encode_sources", "map_sources", "processes_for"]

_TASK_BYTES: Final = 4 << 20
_TASK_FILES: Final = 64
_TASKS_A_PROCESS: Final = 4
_BYTES_WORTH_A_PROCESS: Final = 64 << 20

T = TypeVar("T")
Work: TypeAlias = Callable[[Source], T]
"""What is done to one file."""

_work: Work[Any] | None = None


def processes_for(num_proc: int | None, num_bytes: int) -> int:
    """Return how many processes to use: `num_proc`, or as many as pay for their start."""
    if num_proc is not None:
        return num_proc
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, num_bytes // _BYTES_WORTH_A_PROCESS))


def encode_sources(
    sources: Sequence[Source],
    encoder: SessionEncoder,
    factory: EncoderFactory,
    options: EncodingOptions,
    num_proc: int,
) -> Iterator[EncodedFile]:
    """Yield what came out of each file, in the order given, whatever the number of processes.

    Args:
        sources: The files.
        encoder: Used where one process does it all.
        factory: Makes the encoder of each further process.
        options: Grouping, fractions and limits.
        num_proc: Number of processes; 1 starts none.

    Raises:
        DataError: A process died.
    """
    here = partial(encode_source, encoder=encoder, options=options)
    return map_sources(sources, here, partial(_encoding_work, factory, options), num_proc)


def _encoding_work(factory: EncoderFactory, options: EncodingOptions) -> Work[EncodedFile]:
    return partial(encode_source, encoder=factory(), options=options)


def map_sources(
    sources: Sequence[Source], here: Work[T], make_work: Callable[[], Work[T]], num_proc: int
) -> Iterator[T]:
    """Yield what some work makes of each file, in the order given.

    Args:
        sources: The files.
        here: The work, where one process does it all.
        make_work: Makes the work, in each further process; must pickle, as must the results.
        num_proc: Number of processes; 1 starts none.

    Raises:
        DataError: A process died.
    """
    if num_proc == 1:
        for source in sources:
            yield _do_one(source, here)
        return
    # Spawned, not forked: a fork copies locks that the tokenizer's threads may hold.
    pool = ProcessPoolExecutor(
        num_proc,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(make_work,),
    )
    tasks = _tasks(sources)
    pending: deque[tuple[list[Source], Future[list[T]]]] = deque()
    try:
        while True:
            # A bounded number of tasks is on its way, so memory does not grow with the corpus.
            while len(pending) < _TASKS_A_PROCESS * num_proc and (task := next(tasks, None)):
                pending.append((task, pool.submit(_do_task, task)))
            if not pending:
                return
            task, future = pending.popleft()
            try:
                results = future.result()
            except BrokenProcessPool:
                raise DataError(
                    f"a worker process died (out of memory?) at or after {task[0].path}; "
                    "try fewer processes with --num_proc"
                ) from None
            yield from results
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _tasks(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Group consecutive files, so that many small ones do not each cost a message."""
    task: list[Source] = []
    num_bytes = 0
    for source in sources:
        task.append(source)
        num_bytes += source.num_bytes
        if num_bytes >= _TASK_BYTES or len(task) >= _TASK_FILES:
            yield task
            task, num_bytes = [], 0
    if task:
        yield task


def _start_worker(make_work: Callable[[], Work[Any]]) -> None:
    global _work
    # An interrupt from the keyboard reaches every process; the first one tidies up for all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work = make_work()


def _do_task(task: list[Source]) -> list[Any]:
    if _work is None:
        raise RuntimeError("the worker was not started by map_sources")
    return [_do_one(source, _work) for source in task]


def _do_one(source: Source, work: Work[T]) -> T:
    try:
        with paused_collection():  # garbage is looked for between files
            return work(source)
    except Exception as error:
        # Nothing is swallowed: a fault of ours stops the work, and says on which file.
        error.add_note(f"while working on {source.path}")
        raise
