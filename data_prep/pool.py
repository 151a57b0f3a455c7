"""Works through files in several processes; results come in the order of the manifest, or at once.

A process ends when the one that started it is gone, however that ended.
"""

from __future__ import annotations

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
from typing import Any, Final, TypeAlias, TypeVar

from data_prep.errors import DataError
from data_prep.manifest import Source
from data_prep.tasks import tasks_of

__all__ = ["LocalEngine", "Work", "do_one", "map_sources", "processes_for"]

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


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """The processes of this machine; satisfies `Engine`."""

    num_proc: int
    """Number of processes; 1 starts none."""

    @property
    def shares_disk(self) -> bool:
        """Whether its workers write files where this process reads them: they do."""
        return True

    def task_scale(self, num_bytes: int) -> int:
        """Return how much larger than usual the tasks are to be: not at all."""
        return 1

    def map_tasks(
        self,
        tasks: Iterable[list[Source]],
        here: Callable[[list[Source]], T],
        make_work: Callable[[], Callable[[list[Source]], T]],
    ) -> Iterator[T]:
        """Yield what some work makes of each task; see `Engine`."""
        if self.num_proc == 1:
            yield from map(here, tasks)
            return
        waiting = iter(tasks)
        with _pool(self.num_proc, make_work) as pool:
            under_way: dict[Future[T], list[Source]] = {}
            while True:
                # A bounded number of tasks is on its way: memory does not grow with the corpus.
                while len(under_way) < _TASKS_A_PROCESS * self.num_proc and (
                    task := next(waiting, None)
                ):
                    under_way[pool.submit(_do_task, task)] = task
                if not under_way:
                    return
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    # The first task under way names the place: when one process dies, all are
                    # ended.
                    result = _result(future, next(iter(under_way.values())))
                    del under_way[future]
                    yield result


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
            yield do_one(source, here)
        return
    tasks = tasks_of(sources)
    pending: deque[tuple[list[Source], Future[list[T]]]] = deque()
    with _pool(num_proc, make_work) as pool:
        while True:
            # A bounded number of tasks is on its way, so memory does not grow with the corpus.
            while len(pending) < _TASKS_A_PROCESS * num_proc and (task := next(tasks, None)):
                pending.append((task, pool.submit(_do_files, task)))
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


def _do_task(task: list[Source]) -> Any:
    if _work is None:
        raise RuntimeError("the worker was not started by map_tasks")
    return _work(task)


def _do_files(task: list[Source]) -> list[Any]:
    if _work is None:
        raise RuntimeError("the worker was not started by map_sources")
    return [do_one(source, _work) for source in task]


def do_one(source: Source, work: Work[T]) -> T:
    """Return what some work makes of a file; whatever it raises says on which file."""
    try:
        return work(source)
    except Exception as error:
        # Nothing is swallowed: a fault of ours stops the work, and says on which file.
        error.add_note(f"while working on {source.path}")
        raise
