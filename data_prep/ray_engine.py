"""Works through the files on a Ray cluster, whose nodes may come and go.

Tasks are sent out as cores get free. What a task makes comes back through Ray's object store and is
read there in place, one result at a time: no folder need be shared between the nodes, and memory of
this process does not grow with the corpus. A task that was lost with its node, or whose process
died, is done again; a result counts once, when it has arrived.
"""

from __future__ import annotations

import os
import re
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import ray

from data_prep.errors import AccessError, DataError
from data_prep.manifest import Source
from data_prep.ray_failures import FAILURES, LOSSES, cause_of, given_up
from data_prep.tasks import TASK_BYTES
from rrweb_tokenizer.telling.wording import counted

__all__ = ["RayEngine", "connected"]

_MAX_TRIES: Final = 5
_TASKS_A_CORE: Final = 2
"""One that runs and one that is ready to: its arguments are there when the core is free."""

_MAX_TASK_SCALE: Final = 16
_TASKS_A_CORE_IN_ALL: Final = 16
"""So many tasks a core let all cores end at about the same time."""

_CONNECT_S: Final = 10.0
_HOST_AND_PORT: Final = re.compile(r"\[?([^/\[\]]+)\]?:(\d+)")
_SECONDS_BETWEEN_LOOKS: Final = 5.0

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
    _looked_at: float = float("-inf")
    _losses: Counter[str] = field(default_factory=Counter)

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
        # Ray itself would try for ever what needs more memory than there is.
        submit = ray.remote(num_cpus=1, max_retries=0)(_do_task).remote
        under_way: dict[Any, _Attempt] = {}
        self._look()
        self.report(
            f"Ray: {counted(self._num_nodes, 'node')} with {counted(self._num_cores, 'core')}"
        )
        while True:
            while len(under_way) < self._room() and (task := next(waiting, None)):
                under_way[submit(key, work, task)] = _Attempt(task)
            if not under_way:
                self._say_losses()
                return
            for reference in self._arrived(list(under_way)):
                attempt = under_way.pop(reference)
                result = self._result(reference, attempt)
                if isinstance(result, _Attempt):
                    again = submit(key, work, result.task, is_looked_for=result.is_looked_for)
                    under_way[again] = result
                else:
                    yield result
                del result, reference  # or the store would keep the last one

    def _result(self, reference: Any, attempt: _Attempt) -> Any:
        """Return a result, or the attempt to be made for one that did not come."""
        try:
            result = ray.get(reference)
        except LOSSES as error:
            return self._again(attempt, error)
        except FAILURES as error:
            cause = cause_of(error)
            if isinstance(cause, OSError):  # as of a process whose node dies before it does
                return self._again(attempt, cause)
            raise cause from error
        if isinstance(result, _NotThere):
            _check_gone(result)
            return replace(attempt, is_looked_for=False)
        return result

    def _again(self, attempt: _Attempt, error: Exception) -> _Attempt:
        if attempt.number == _MAX_TRIES:
            raise given_up(error, attempt.task, _MAX_TRIES) from error
        self._losses[type(error).__name__] += 1
        return replace(attempt, number=attempt.number + 1)

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
        self._say_losses()
        nodes = [node for node in ray.nodes() if node["Alive"]]
        if len(nodes) < self._num_nodes:
            self.report(f"Ray: {self._num_nodes - len(nodes)} of {self._num_nodes} nodes are gone")
        self._num_nodes = len(nodes)
        self._num_cores = int(sum(node["Resources"].get("CPU", 0) for node in nodes))

    def _say_losses(self) -> None:
        """Say what was lost since this was last said."""
        if self._losses:
            kinds = ", ".join(f"{number} x {kind}" for kind, number in self._losses.items())
            self.report(f"Ray: tasks were lost and are done again: {kinds}")
            self._losses.clear()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A task on its way."""

    task: list[Source]
    number: int = 1
    is_looked_for: bool = True
    """The node looks first whether it sees the files."""


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
