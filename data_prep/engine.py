"""What works through the files: the processes of this machine, or a cluster.

An engine maps a function over tasks, with a bounded number of them under way, and yields results as
they come. All else (what a task does, where results lie, resumption, the order of the sessions) is
the same whichever engine does it, and so are the bytes of a corpus.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias, TypeVar

from data_prep.errors import AccessError
from data_prep.extras import how_to_install
from data_prep.manifest import Source
from data_prep.pool import LocalEngine, processes_for

__all__ = ["ENGINES", "Engine", "TaskWork", "check_engine", "opened_engine"]

ENGINES: Final = ("local", "ray")

R = TypeVar("R")
TaskWork: TypeAlias = Callable[[list[Source]], R]
"""What is done to one task; its result must pickle."""


class Engine(Protocol):
    """Maps a function over tasks."""

    @property
    def shares_disk(self) -> bool:
        """Whether its workers write files where this process reads them."""

    def task_scale(self, num_bytes: int) -> int:
        """Return how much larger than usual the tasks of so many bytes are to be."""

    def map_tasks(
        self, tasks: Iterable[list[Source]], here: TaskWork[R], make_work: Callable[[], TaskWork[R]]
    ) -> Iterator[R]:
        """Yield what some work makes of each task, in no particular order.

        Args:
            tasks: Asked for one by one, as there is room for them.
            here: The work, where this process does it.
            make_work: Makes the work, once in each other process; must pickle.

        Raises:
            DataError: A worker died and trying again did not help, or the work raised it.
        """


def check_engine(name: str) -> None:
    """Raise where an engine cannot be used, before any work.

    Raises:
        AccessError: Its library is missing; says what to install.
    """
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise AccessError(
            "--engine ray needs a library that is missing, here and on every node of the cluster: "
            + how_to_install("ray")
        )


@contextmanager
def opened_engine(
    name: str,
    *,
    num_proc: int | None,
    num_bytes: int,
    address: str | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[Engine]:
    """Give the engine of a name, for as long as it is needed.

    Args:
        name: One of ENGINES.
        num_proc: Processes, or tasks at a time on a cluster; as many as pay where None.
        num_bytes: How much there is to do.
        address: Of a Ray cluster; the one of this machine, or a new one, where None.
        report: Takes each message for the user.

    Raises:
        AccessError: The engine's library is missing, or the cluster cannot be reached.
    """
    if name == "local":
        yield LocalEngine(processes_for(num_proc, num_bytes))
        return
    check_engine(name)
    # Imported here: the library takes a second, and need not be installed.
    from data_prep.ray_engine import connected

    with connected(address, max_tasks=num_proc, report=report) as engine:
        yield engine
