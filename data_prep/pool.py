"""Works through files in several processes; results come in the order of the manifest, or at once.

A process ends when the one that started it is gone, however that ended.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from data_prep.encoding import EncoderFactory, EncodingOptions, SessionEncoder, encode_source
from data_prep.errors import DataError
from data_prep.manifest import Source
from data_prep.parts import PartWriter, source_key

__all__ = ["DonePart", "Work", "encode_parts", "map_sources", "processes_for"]

_TASK_BYTES: Final = 4 << 20
_TASK_FILES: Final = 64
_TASKS_A_PROCESS: Final = 4
_BYTES_WORTH_A_PROCESS: Final = 64 << 20

T = TypeVar("T")
Work: TypeAlias = Callable[[Source], T]
"""What is done to one file."""

_work: Callable[..., Any] | None = None


def processes_for(num_proc: int | None, num_bytes: int) -> int:
    """Return how many processes to use: `num_proc`, or as many as pay for their start."""
    if num_proc is not None:
        return num_proc
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, num_bytes // _BYTES_WORTH_A_PROCESS))


@dataclass(frozen=True, slots=True, kw_only=True)
class DonePart:
    """A part that was sealed."""

    name: str
    num_files: int
    num_bytes: int
    num_retries: int
    """How often the transfer of its files was tried again."""


def encode_parts(
    sources: Iterable[Source],
    encoder: SessionEncoder,
    factory: EncoderFactory,
    options: EncodingOptions,
    folder: Path,
    num_proc: int,
) -> Iterator[DonePart]:
    """Encode files into sealed parts, and yield each when it is there, in no particular order.

    Args:
        sources: The files.
        encoder: Used where one process does it all.
        factory: Makes the encoder of each further process.
        options: Grouping, fractions and limits.
        folder: Where the parts go.
        num_proc: Number of processes; 1 starts none.

    Raises:
        DataError: A process died, or the disk is full.
    """
    tasks = _tasks(sources)
    if num_proc == 1:
        for task in tasks:
            yield _encode_part(task, encoder, options, folder)
        return
    make_work = partial(_part_work, factory, options, folder)
    with _pool(num_proc, make_work) as pool:
        under_way: dict[Future[DonePart], list[Source]] = {}
        while True:
            # A bounded number of tasks is on its way, so memory does not grow with the corpus.
            while len(under_way) < _TASKS_A_PROCESS * num_proc and (next_task := next(tasks, None)):
                under_way[pool.submit(_do_part, next_task)] = next_task
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                # The first task under way names the place: when one process dies, all are ended.
                part = _result(future, next(iter(under_way.values())))
                del under_way[future]
                yield part


def _part_work(
    factory: EncoderFactory, options: EncodingOptions, folder: Path
) -> Callable[[list[Source]], DonePart]:
    return partial(_encode_part, encoder=factory(), options=options, folder=folder)


def _encode_part(
    task: list[Source], encoder: SessionEncoder, options: EncodingOptions, folder: Path
) -> DonePart:
    keys = [source_key(source) for source in task]
    name = hashlib.blake2b("".join(keys).encode(), digest_size=16).hexdigest()
    num_retries = 0
    try:
        part = PartWriter(folder, name)
        is_sealed = False
        try:
            for source, key in zip(task, keys, strict=True):
                work = partial(encode_source, encoder=encoder, options=options, accept=part.add)
                encoded = _do_one(source, work)
                num_retries += encoded.num_retries
                part.end_file(key, encoded.sha256, encoded.reasons)
            part.seal()
            is_sealed = True
        finally:
            if not is_sealed:
                part.abort()
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror or error}); free some space and run the "
            "same command again, it goes on from here"
        ) from error
    return DonePart(
        name=name,
        num_files=len(task),
        num_bytes=sum(source.num_bytes for source in task),
        num_retries=num_retries,
    )


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
    tasks = _tasks(sources)
    pending: deque[tuple[list[Source], Future[list[T]]]] = deque()
    with _pool(num_proc, make_work) as pool:
        while True:
            # A bounded number of tasks is on its way, so memory does not grow with the corpus.
            while len(pending) < _TASKS_A_PROCESS * num_proc and (task := next(tasks, None)):
                pending.append((task, pool.submit(_do_task, task)))
            if not pending:
                return
            task, future = pending.popleft()
            yield from _result(future, task)


@contextmanager
def _pool(num_proc: int, make_work: Callable[[], Callable[..., Any]]) -> Iterator[Any]:
    # Spawned, not forked: a fork copies locks that the tokenizer's threads may hold.
    pool = ProcessPoolExecutor(
        num_proc,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(make_work,),
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(future: Future[T], task: list[Source]) -> T:
    try:
        return future.result()
    except BrokenProcessPool:
        raise DataError(
            f"a worker process died (out of memory?) at or after {task[0].path}; "
            "try fewer processes with --num_proc"
        ) from None


def _tasks(sources: Iterable[Source]) -> Iterator[list[Source]]:
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


def _start_worker(make_work: Callable[[], Callable[..., Any]]) -> None:
    global _work
    # An interrupt from the keyboard reaches every process; the first one tidies up for all.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work = make_work()


def _end_with_parent() -> None:
    """Leave when the starting process was killed: nothing else would tell a worker, it would stay.

    A pool's workers wait on a pipe of which each of them holds the other end as well.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do_part(task: list[Source]) -> DonePart:
    if _work is None:
        raise RuntimeError("the worker was not started by encode_parts")
    part: DonePart = _work(task)
    return part


def _do_task(task: list[Source]) -> list[Any]:
    if _work is None:
        raise RuntimeError("the worker was not started by map_sources")
    return [_do_one(source, _work) for source in task]


def _do_one(source: Source, work: Work[T]) -> T:
    try:
        return work(source)
    except Exception as error:
        # Nothing is swallowed: a fault of ours stops the work, and says on which file.
        error.add_note(f"while working on {source.path}")
        raise
