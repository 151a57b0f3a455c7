"""What can go wrong on a Ray cluster, as messages that say what to do."""

from __future__ import annotations

import re
from typing import Final

from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RaySystemError,
    RayTaskError,
    RuntimeEnvSetupError,
    WorkerCrashedError,
)

from data_prep.errors import DataError
from data_prep.manifest import Source

__all__ = ["FAILURES", "LOSSES", "cause_of", "given_up"]

LOSSES: Final = (NodeDiedError, WorkerCrashedError, OutOfMemoryError, ObjectLostError)
"""A process or a node died, and with it a task or its result: another try may do."""

FAILURES: Final = (RayTaskError, RaySystemError, RuntimeEnvSetupError)
"""What would fail again."""

_MISSING_MODULE: Final = re.compile(r"No module named '([^']+)'")


def given_up(error: Exception, task: list[Source], num_tries: int) -> DataError:
    """Return what to say of a task that was lost each time."""
    is_too_large = isinstance(error, OutOfMemoryError)
    what = "was killed for want of memory" if is_too_large else "died or failed"
    where = f"{task[0].path}" + (f" (the first of {len(task)} files)" if task[1:] else "")
    return DataError(
        f"a process of the cluster {what}, {num_tries} times, last with {type(error).__name__}, at "
        f"or after {where}; try fewer tasks at a time with --num_proc, or nodes with more memory "
        "for each core"
    )


def cause_of(error: Exception) -> BaseException:
    """Return what was raised in a process of the cluster, as it would be raised here."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, RaySystemError | RuntimeEnvSetupError | ModuleNotFoundError):
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
