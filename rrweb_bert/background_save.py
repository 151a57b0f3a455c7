"""Saving tensors while training goes on.

A checkpoint of the base model is 1.2 GB, two thirds of it optimizer state. Copying that off the GPU
takes a tenth of a second, writing it more than one; so only the copy is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

__all__ = ["BackgroundWriter", "copy_to_cpu"]


def copy_to_cpu(state: Any) -> Any:
    """`state` with every tensor in its dicts, lists and tuples copied to the CPU."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: copy_to_cpu(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(copy_to_cpu(value) for value in state)
    return state


class BackgroundWriter:
    """Writes files in a thread, one after another, each under its name only when it is whole."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: list[Future[None]] = []

    def save(self, state: Any, path: Path) -> None:
        """Copy `state` to the CPU now, and write it with `torch.save` later."""
        copied = copy_to_cpu(state)

        def write(partial: Path) -> None:
            torch.save(copied, partial)

        self._pending.append(self._threads.submit(_write_whole, write, path))

    def wait(self) -> None:
        """Return when everything is written.

        Raises:
            OSError: a file could not be written.
        """
        pending, self._pending = self._pending, []
        for each in pending:
            each.result()


def _write_whole(write: Callable[[Path], None], path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    write(partial)
    partial.replace(path)
