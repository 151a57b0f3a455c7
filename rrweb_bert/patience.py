"""Ends a wait that lasts too long, whatever it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

__all__ = ["Patience"]


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
    def waiting(self) -> Iterator[None]:
        """Time counts in here; each time from the beginning."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        finally:
            self._deadline = None

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(min(1.0, self._seconds / 4)):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._act()
                return
