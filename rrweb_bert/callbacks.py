"""What is seen of a run: log lines and history."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from tqdm.auto import tqdm
from transformers import ProgressCallback, TrainerCallback, TrainerControl, TrainerState

from data_prep.plain_text import without_controls

from .history import TrainingHistory

if TYPE_CHECKING:
    from .arguments import RRWebTrainingArguments

__all__ = ["LogLines", "PaceMeter", "ProgressBar", "RunCallback", "describe", "say"]


def say(text: str) -> None:
    """Print a line at once, so that `tail -f` shows it; above the bar, where there is one.

    Of several processes the first says it. Where nobody can read it any more it is not said: Ctrl-C
    also ends the `tee` that a run writes to, and the run is to save and end well.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    try:
        tqdm.write(without_controls(text))
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)  # for what is still in the buffer
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class PaceMeter:
    """Tokens a second and the share of time spent waiting for data, since the last reading.

    Time inside `pause()` (evaluation, saving) does not count.
    """

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self._started = time.perf_counter()
        self._waited_s = self._paused_s = 0.0
        self._num_tokens = 0

    def count(self, num_tokens: int) -> None:
        """Note that tokens were trained on."""
        self._num_tokens += num_tokens

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Time spent in here is waiting for data."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._waited_s += time.perf_counter() - started

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time spent in here is not training."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._paused_s += time.perf_counter() - started

    def read(self) -> dict[str, float]:
        """`tokens_per_second` and `data_wait_share` (0 to 1) since the last reading."""
        seconds = max(1e-9, time.perf_counter() - self._started - self._paused_s)
        pace = {
            "tokens_per_second": self._num_tokens / seconds,
            "data_wait_share": min(1.0, self._waited_s / seconds),
        }
        self._restart()
        return pace


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}"


def describe(logs: dict[str, float], *, step: int, max_steps: int) -> str | None:
    """One line for a person, or None for logs that are neither training nor evaluation.

    >>> describe({"loss": 2.0, "perplexity": 7.389, "learning_rate": 5e-5}, step=50, max_steps=100)
    'step 50/100  loss 2.0000  perplexity 7.389  lr 5.000e-05'
    """
    parts = [f"step {step}/{max_steps}"]
    if "loss" in logs:
        forms = {
            "epoch": "epoch {:.2f}",
            "loss": "loss {:.4f}",
            "perplexity": "perplexity {:.4g}",
            "learning_rate": "lr {:.3e}",
            "grad_norm": "grad norm {:.3g}",
            "tokens_per_second": "{:,.0f} tokens/s",
            "mfu": "MFU {:.1%}",
            "data_wait_share": "data wait {:.1%}",
            "gpu_memory_peak_gib": "GPU peak {:.1f} GiB",
        }
        parts += [form.format(logs[name]) for name, form in forms.items() if name in logs]
    elif "eval_loss" in logs:
        parts.append(f"EVALUATION  eval_loss {logs['eval_loss']:.4f}")
        parts.append(f"perplexity {logs['eval_perplexity']:.4g}")
        if "eval_accuracy" in logs:
            parts.append(f"accuracy {logs['eval_accuracy']:.1%}")
        kinds = [name for name in logs if name.startswith("eval_loss_")]
        parts += [f"{name.removeprefix('eval_loss_')} {logs[name]:.3f}" for name in kinds]
    else:
        return None
    return "  ".join(parts)


class LogLines(TrainerCallback):  # type: ignore[misc]
    """One printed line for each logged step: no bars, no carriage returns."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first_step = 0

    def on_train_begin(
        self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock of "elapsed" and "left"."""
        self._started = time.perf_counter()
        self._first_step = state.global_step

    def on_log(
        self,
        args: RRWebTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print the line."""
        line = describe(logs or {}, step=state.global_step, max_steps=state.max_steps)
        if line is None or not state.is_world_process_zero:
            return
        self._write(line + self._time(state))

    def _write(self, line: str) -> None:
        say(line)

    def _time(self, state: TrainerState) -> str:
        num_done = state.global_step - self._first_step
        if num_done < 1:
            return ""
        elapsed = time.perf_counter() - self._started
        left = elapsed / num_done * (state.max_steps - state.global_step)
        return f"  elapsed {_clock(elapsed)}  left {_clock(left)}"


class ProgressBar(ProgressCallback):  # type: ignore[misc]
    """The bar of transformers for terminals, with the lines of `LogLines` above it."""

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the line above the bar."""
        line = describe(logs or {}, step=state.global_step, max_steps=state.max_steps)
        if line is not None and state.is_world_process_zero:
            say(line)


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Keeps the history and the epoch number right.

    Args:
        history: is written at every log.
        windows_per_step: over all processes and micro-batches.
        samples_per_epoch: transformers counts a stream as one epoch; this gives the true number.
    """

    def __init__(
        self, history: TrainingHistory, *, windows_per_step: int, samples_per_epoch: int
    ) -> None:
        self._history = history
        self._epochs_per_step = windows_per_step / samples_per_epoch

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """The true number of epochs."""
        state.epoch = state.global_step * self._epochs_per_step

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """The true number of epochs."""
        state.epoch = state.global_step * self._epochs_per_step

    def on_log(
        self,
        args: Any,
        state: TrainerState,
        control: Any,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append to `training_history.json`."""
        if state.is_world_process_zero and logs and ("loss" in logs or "eval_loss" in logs):
            self._history.append({"step": state.global_step, **logs})


def gpu_memory_peak_gib() -> dict[str, float]:
    """`gpu_memory_peak_gib` since the start, empty without CUDA."""
    if not torch.cuda.is_available():
        return {}
    return {"gpu_memory_peak_gib": torch.cuda.max_memory_allocated() / 2**30}
