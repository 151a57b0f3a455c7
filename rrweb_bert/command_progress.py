"""How far a command is with many sessions: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

from tqdm import tqdm

from rrweb_tokenizer.telling.wording import counted

__all__ = ["Progress"]

_SECONDS_BETWEEN_LINES: Final = 5.0


class Progress:
    """Shows sessions, windows, sessions a second and the time left."""

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        verb: str,
        is_shown: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        """Start the clock.

        Args:
            total: what there is to do, in bytes or ids.
            unit: which of them.
            verb: what is done to a session, as "embedded".
            is_shown: False for silence.
            stream: where to; standard error where not given.
        """
        self.num_sessions = self.num_windows = 0
        self._done, self._total, self._unit, self._verb = 0, total, unit, verb
        self._stream = stream if stream is not None else sys.stderr
        self._is_shown = is_shown
        self._began = self._last_line = time.monotonic()
        self._bar = None
        if is_shown and self._stream.isatty():
            self._bar = tqdm(
                total=total,
                desc=verb,
                unit=unit,
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
            )

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def advance(self, weight: int, *, num_sessions: int, num_windows: int = 0) -> None:
        """Count what was done."""
        self._done += weight
        self.num_sessions += num_sessions
        self.num_windows += num_windows
        if self._bar is not None:
            rate = self.num_sessions / max(self.seconds, 1e-9)
            self._bar.set_postfix_str(
                f"{counted(self.num_sessions, 'session')}, {rate:,.1f}/s", refresh=False
            )
            self._bar.update(weight)
        elif self._is_shown and time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            print(self._line(), file=self._stream, flush=True)

    def extend(self, weight: int) -> None:
        """Take up more to do than was known at the start."""
        self._total += weight
        if self._bar is not None:
            self._bar.total = self._total

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()

    def _line(self) -> str:
        seconds = max(self.seconds, 1e-9)
        left = (self._total - self._done) * seconds / self._done if self._done else 0.0
        windows = f", {counted(self.num_windows, 'window')}" if self.num_windows else ""
        share = self._done / self._total if self._total else 1.0
        return (
            f"{self._verb} {counted(self.num_sessions, 'session')}{windows}, {share:.0%} of the "
            f"{self._unit}, {self.num_sessions / seconds:,.1f} sessions/s, about "
            f"{left:,.0f} s left"
        )
