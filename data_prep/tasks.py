"""Files -> tasks: consecutive files that one worker does at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from data_prep.manifest import Source

__all__ = ["TASK_BYTES", "tasks_of"]

TASK_BYTES: Final = 4 << 20
"""A task is full once it holds this much: large enough to pay for its message."""

_TASK_FILES: Final = 64


def tasks_of(sources: Iterable[Source], *, scale: int = 1) -> Iterator[list[Source]]:
    """Group consecutive files, so that many small ones do not each cost a message.

    Args:
        sources: The files.
        scale: So many times as much in one task, where a message costs more.
    """
    task: list[Source] = []
    num_bytes = 0
    for source in sources:
        task.append(source)
        num_bytes += source.num_bytes
        if num_bytes >= scale * TASK_BYTES or len(task) >= scale * _TASK_FILES:
            yield task
            task, num_bytes = [], 0
    if task:
        yield task
