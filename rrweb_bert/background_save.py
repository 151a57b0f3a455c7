"""Work on checkpoints while training goes on.

A checkpoint of the base model is 1.2 GB, two thirds of it optimizer state. Copying that off the GPU
takes a tenth of a second; writing, syncing and hashing takes seconds. Only the copy is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

__all__ = ["BackgroundWorker", "copy_to_cpu"]


def copy_to_cpu(state: Any) -> Any:
    """`state` with every tensor in its dicts, lists and tuples copied to the CPU."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: copy_to_cpu(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(copy_to_cpu(value) for value in state)
    return state


class BackgroundWorker:
    """Runs jobs in a thread, one after another; a failure is raised where it is asked for."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: list[Future[None]] = []

    def start(self, job: Callable[[], None]) -> None:
        """Run `job` later."""
        self._pending.append(self._threads.submit(job))

    def check(self) -> None:
        """Raise the failure of a job that has ended; costs nothing while one is running."""
        while self._pending and self._pending[0].done():
            self._pending.pop(0).result()

    def wait(self) -> None:
        """Return when every job is done.

        Raises:
            Exception: the first failure of a job; the jobs after it are done too.
        """
        pending, self._pending = self._pending, []
        failures = [error for each in pending if (error := each.exception()) is not None]
        if failures:
            raise failures[0]
