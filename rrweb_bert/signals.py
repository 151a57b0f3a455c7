"""SIGTERM, SIGINT, SIGHUP: the step is done, a checkpoint sealed, and the run ends with status 0.

Slurm, Kubernetes, docker and spot instances send SIGTERM before they take a machine away; a person
sends SIGINT with Ctrl-C; a terminal that closes sends SIGHUP, which `nohup` turns off. A second
SIGINT ends the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

__all__ = ["StopRequest", "TrainingInterrupted", "shield_worker"]

# A terminal and a program that starts ours may both pass on one Ctrl-C.
_SAME_KEY_PRESS_S: Final = 0.5


class TrainingInterrupted(Exception):
    """A signal ended the run after a sealed checkpoint; the message tells how to go on."""


class StopRequest:
    """Whether a signal has asked this process to stop.

    Attributes:
        name: of the signal, None while there was none.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self._asked_at = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take note of SIGTERM, SIGINT and SIGHUP in here, instead of ending at once.

        Outside the main thread, where Python sets no handlers, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._take_note) for number in _signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take_note(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self.name is None:
            self.name, self._asked_at = signal.Signals(number).name, now
            # Not `print`: a signal may arrive inside one, and a buffered write is not reentrant.
            again = " Once more stops at once." if number == signal.SIGINT else ""
            text = f"{self.name}: finishing the step, then saving.{again}\n"
            with suppress(OSError):  # whoever read it is gone, which is no reason not to save
                os.write(sys.stderr.fileno() if _has_descriptor() else 2, text.encode())
        elif number == signal.SIGINT and now - self._asked_at > _SAME_KEY_PRESS_S:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)


def _signals() -> tuple[signal.Signals, ...]:
    asked = [signal.SIGTERM, signal.SIGINT]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asked.append(signal.SIGHUP)
    return tuple(asked)


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return False
    return True


def shield_worker(_: int) -> None:
    """Make a loader worker deaf to SIGINT, SIGHUP, and to SIGTERM unless its parent sends it.

    A terminal and Slurm signal every process of a job, but the parent still needs its workers to
    finish the step. torch ends workers that it no longer needs with a SIGTERM of its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # not on macOS, where a SIGTERM still ends it
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_for_parent, args=(os.getppid(),), daemon=True).start()


def _end_for_parent(parent: int) -> None:
    while True:
        if signal.sigwaitinfo({signal.SIGTERM}).si_pid in (parent, os.getpid()):
            os._exit(0)
