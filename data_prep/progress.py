"""How far a preparation is: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

from tqdm import tqdm

from rrweb_tokenizer.telling.wording import counted

__all__ = ["Progress"]

_SECONDS_BETWEEN_LINES: Final = 5.0


class Progress:
    """Shows files, megabytes, megabytes a second and the time left."""

    def __init__(
        self,
        num_files: int,
        num_bytes: int,
        *,
        verb: str = "prepared",
        is_shown: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        """Start the clock.

        Args:
            num_files: All files.
            num_bytes: Size of all files.
            verb: What is done to the files, in the past tense.
            is_shown: False for silence.
            stream: Where to; standard error where not given.
        """
        self._num_files, self._num_bytes = num_files, num_bytes
        self._verb = verb
        self._done_files, self._done_bytes = 0, 0
        self._stream = stream if stream is not None else sys.stderr
        self._began = self._last_line = time.monotonic()
        self._is_shown = is_shown
        self._bar = None
        if is_shown and self._stream.isatty():
            self._bar = tqdm(
                total=num_bytes,
                desc=verb,
                unit="B",
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
            )

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def advance(self, num_bytes: int, num_files: int = 1) -> None:
        """Count further files, by default one."""
        self._done_files += num_files
        self._done_bytes += num_bytes
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._done_files}/{self._num_files} files", refresh=False)
            self._bar.update(num_bytes)
        elif self._is_shown and time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            print(self._line(), file=self._stream, flush=True)

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()

    def _line(self) -> str:
        rate = self._done_bytes / max(self.seconds, 1e-9)
        left = (self._num_bytes - self._done_bytes) / rate if rate else 0.0
        return (
            f"{self._verb} {self._done_files:,} of {counted(self._num_files, 'file')}, "
            f"{self._done_bytes / 1e6:,.0f} of {self._num_bytes / 1e6:,.0f} MB, "
            f"{rate / 1e6:.1f} MB/s, about {left:,.0f} s left"
        )
