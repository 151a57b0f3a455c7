"""Ends a wait that lasts too long, whatever it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

__all__ = ["Patience"]

# A thread that slept so much longer than it asked for was stopped with its program.
_SUSPENDED_S: Final = 2.0


class Patience:
    """A thread that acts once when something done within `waiting` takes too long.

    Args:
        seconds: that it may take.
        act: what is done then, in the thread; it should make the wait end.
    """

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._deadline: float | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="patience", daemon=True)
        self._thread.start()

    @contextmanager
    def waiting(self, factor: float = 1.0) -> Iterator[None]:
        """Time counts in here, each time from the beginning; `factor` times as much is allowed."""
        self._deadline = time.monotonic() + self._seconds * factor
        try:
            yield
        finally:
            self._deadline = None

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def _run(self) -> None:
        tick = min(1.0, self._seconds / 4)
        looked = time.monotonic()
        while not self._stopping.wait(tick):
            now = time.monotonic()
            asleep, looked = now - looked - tick, now
            if asleep > _SUSPENDED_S and self._deadline is not None:
                self._deadline += asleep  # the whole program was stopped, not what it waits for
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._act()
                return
