"""Works through the files on a Ray cluster, whose nodes may come and go.

Tasks are sent out as cores get free. What a task makes comes back through Ray's object store and is
read there in place, one result at a time: no folder need be shared between the nodes, and memory of
this process does not grow with the corpus. Ray runs a task again that was lost with its node, or
whose process died; a result counts once, when it has arrived.
"""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import ray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RaySystemError,
    RayTaskError,
    RuntimeEnvSetupError,
    WorkerCrashedError,
)

from data_prep.errors import AccessError, DataError
from data_prep.manifest import Source
from data_prep.tasks import TASK_BYTES

__all__ = ["RayEngine", "connected"]

_MAX_RETRIES: Final = 4
_TASKS_A_CORE: Final = 2
"""One that runs and one that is ready to: its arguments are there when the core is free."""

_MAX_TASK_SCALE: Final = 16
_TASKS_A_CORE_IN_ALL: Final = 16
"""So many tasks a core let all cores end at about the same time."""

_CONNECT_S: Final = 10.0
_HOST_AND_PORT: Final = re.compile(r"\[?([^/\[\]]+)\]?:(\d+)")
_MISSING_MODULE: Final = re.compile(r"No module named '([^']+)'")
_SECONDS_BETWEEN_LOOKS: Final = 5.0
_LOST: Final = (WorkerCrashedError, OutOfMemoryError, ObjectLostError)

R = TypeVar("R")


@contextmanager
def connected(
    address: str | None,
    *,
    max_tasks: int | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[RayEngine]:
    """Give an engine on a cluster, and leave the cluster afterwards.

    Args:
        address: "auto" or "HOST:PORT"; where None, the cluster that runs on this machine, or a new
            one for as long as this takes. Where this process is in a cluster already, that one is
            used.
        max_tasks: So many tasks at a time at most; as many as the cluster has cores where None.
        report: Takes each message for the user.

    Raises:
        AccessError: There is no such cluster.
    """
    is_ours = not ray.is_initialized()
    if is_ours:
        try:
            _check_listens(address)
            ray.init(address=address, include_dashboard=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise AccessError(
                f"no Ray cluster can be reached at {address or 'this machine'} "
                f"({str(error).splitlines()[0]}); start one with `ray start --head`, or name "
                "another with --address HOST:PORT"
            ) from error
    try:
        yield RayEngine(max_tasks, report)
    finally:
        if is_ours:
            ray.shutdown()


def _check_listens(address: str | None) -> None:
    """Raise an OSError where nothing listens: Ray tries for minutes, and ends the process."""
    if address is not None and (place := _HOST_AND_PORT.fullmatch(address)):
        socket.create_connection((place[1], int(place[2])), timeout=_CONNECT_S).close()


@dataclass(slots=True)
class RayEngine:
    """The cluster that this process is in; satisfies `Engine`."""

    max_tasks: int | None
    report: Callable[[str], None]
    _num_cores: int = 0
    _num_nodes: int = 0
    _looked_at: float = field(default=float("-inf"))

    @property
    def shares_disk(self) -> bool:
        """Whether its workers write files where this process reads them: not on other nodes."""
        return False

    def task_scale(self, num_bytes: int) -> int:
        """Return how much larger than usual the tasks are to be: large ones cost fewer messages."""
        self._look()
        tasks_wanted = _TASKS_A_CORE_IN_ALL * max(1, self._num_cores)
        return max(1, min(_MAX_TASK_SCALE, num_bytes // (tasks_wanted * TASK_BYTES)))

    def map_tasks(
        self,
        tasks: Iterable[list[Source]],
        here: Callable[[list[Source]], R],
        make_work: Callable[[], Callable[[list[Source]], R]],
    ) -> Iterator[R]:
        """Yield what some work makes of each task; see `Engine`."""
        waiting = iter(tasks)
        # Sent once, and made once in each process; a reference in a list is not looked up at once.
        work = [ray.put(make_work)]
        key = uuid.uuid4().hex
        submit = ray.remote(num_cpus=1, max_retries=_MAX_RETRIES)(_do_task).remote
        under_way: dict[Any, list[Source]] = {}
        self._look()
        self.report(f"Ray: {self._num_nodes:,} nodes with {self._num_cores:,} cores")
        while True:
            while len(under_way) < self._room() and (task := next(waiting, None)):
                under_way[submit(key, work, task)] = task
            if not under_way:
                return
            for reference in self._arrived(list(under_way)):
                task = under_way.pop(reference)
                result = _result(reference, task)
                if isinstance(result, _NotThere):
                    _check_gone(result)
                    under_way[submit(key, work, task, is_looked_for=False)] = task
                else:
                    yield result
                del result, reference  # or the store would keep the last one

    def _arrived(self, references: list[Any]) -> list[Any]:
        """Wait for a result, and return what is there by then."""
        while True:
            self._look()
            done, _ = ray.wait(references, num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
            if done:
                done, _ = ray.wait(references, num_returns=len(references), timeout=0)
                return list(done)

    def _room(self) -> int:
        """How many tasks may be on their way: more than run, so that an autoscaler sees need."""
        if self.max_tasks is not None:
            return self.max_tasks
        return _TASKS_A_CORE * max(1, self._num_cores)

    def _look(self) -> None:
        """See now and then which nodes there are: they come and go."""
        now = time.monotonic()
        if now - self._looked_at < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at = now
        nodes = [node for node in ray.nodes() if node["Alive"]]
        if len(nodes) < self._num_nodes:
            self.report(
                f"Ray: {self._num_nodes - len(nodes)} of {self._num_nodes} nodes are gone; what "
                "they were working on is done again"
            )
        self._num_nodes = len(nodes)
        self._num_cores = int(sum(node["Resources"].get("CPU", 0) for node in nodes))


@dataclass(frozen=True, slots=True)
class _NotThere:
    """A task was not begun: a node does not see a file."""

    source: Source
    node: str


def _do_task(key: str, work: list[Any], task: list[Source], *, is_looked_for: bool = True) -> Any:
    """Do a task, in a process of the cluster."""
    node = socket.gethostname()
    if is_looked_for:
        for source in task:
            if source.url is None and source.mtime_ns and not _is_there(source.path):
                return _NotThere(source, node)
    try:
        return _work_of(key, work[0])(task)
    except DataError as error:
        raise type(error)(f"on {node}: {error}") from error


@lru_cache(maxsize=1)
def _work_of(key: str, reference: Any) -> Callable[[list[Source]], Any]:
    """Return the work of a run, made once in each process: a tokenizer takes a second to load."""
    make_work: Callable[[], Callable[[list[Source]], Any]] = ray.get(reference)
    return make_work()


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _check_gone(found: _NotThere) -> None:
    """Raise where a file is on this machine and not on the node: it would be called unreadable."""
    path = found.source.path
    if _is_there(path):
        raise DataError(
            f"{path} is on this machine and not on {found.node}: every node must see the "
            "recordings under the same path; put them into a folder that all share, or into a "
            "bucket (s3://, gs://)"
        )


def _result(reference: Any, task: list[Source]) -> Any:
    where = f"{task[0].path}" + (f" (the first of {len(task)} files)" if task[1:] else "")
    try:
        return ray.get(reference)
    except OutOfMemoryError as error:
        raise DataError(
            f"out of memory: Ray ended the process that worked on {where}; try fewer tasks at a "
            "time with --num_proc, or nodes with more memory for each core"
        ) from error
    except _LOST as error:
        raise DataError(
            f"{1 + _MAX_RETRIES} processes died, one after the other, at {where} (out of memory?, "
            f"{type(error).__name__}); try fewer tasks at a time with --num_proc, or nodes with "
            "more memory for each core"
        ) from error
    except RayTaskError as error:
        raise _cause_of(error) from error
    except (RaySystemError, RuntimeEnvSetupError) as error:
        raise _system_error(error) from error


def _cause_of(error: RayTaskError) -> BaseException:
    """Return what was raised in a process of the cluster, as it would be raised here."""
    cause = error.cause
    if isinstance(cause, RaySystemError | ModuleNotFoundError):
        return _system_error(cause)
    return cause if isinstance(cause, BaseException) else error


def _system_error(error: Exception) -> DataError:
    # A module that is missing on a node is found while arguments are unpacked: Ray has the text
    # of the error alone.
    if missing := _MISSING_MODULE.search(str(error)):
        return DataError(
            f"a node of the cluster lacks the module {missing[1]}; install the same release of "
            "rrweb-bert[ray], and what your recogniser or reader needs, on every node"
        )
    return DataError(
        f"the Ray cluster failed ({str(error).splitlines()[0]}); run the same command again, it "
        "goes on from here"
    )
