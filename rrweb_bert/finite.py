"""Finds numbers that are none: in the loss, the gradient norm or the weights, at each step.

On a CPU a look costs nothing, so a bad number stops the run within its step. On a GPU a look would
make the program wait for the device at every step; so the device itself notes the first bad step,
and the note is copied back without waiting and read a few steps later. Before anything is logged,
evaluated or saved it is waited for. An optimizer step with bad gradients is not applied on either.

With fp16 an overflow of gradients is no fault: the scaler halves its scale and skips the optimizer.
It is one when that does not end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

__all__ = ["MAX_SKIPS", "MIN_SCALE", "SKIP_STEPS", "Finding", "NumberGuard"]

MAX_SKIPS: Final = 50
SKIP_STEPS: Final = 500
"""More than MAX_SKIPS skipped optimizer steps within so many steps stop the run."""

MIN_SCALE: Final = 2.0**-16
"""A loss scale below this (it starts at 2**16) leaves no gradient above zero in fp16."""

_MAX_LAG: Final = 4
_LOSS, _GRADIENT, _WEIGHTS = range(3)
_NAMES: Final = ("the loss", "the gradient norm", "the norm of the weights")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and the first step at which it was."""

    step: int
    what: str


class NumberGuard:
    """Watches a run; each method returns a finding once there is one.

    Args:
        parameters: the weights.
        device: where they are.
        max_lag: steps after which a note is waited for; 0 looks at once.
    """

    def __init__(
        self, parameters: Sequence[Tensor], device: torch.device, *, max_lag: int | None = None
    ) -> None:
        self._parameters = list(parameters)
        lag = _MAX_LAG if device.type == "cuda" else 0  # notes are copied with CUDA events
        self._max_lag = lag if max_lag is None else max_lag
        # A row each for loss, gradient and weights: the first bad step (0: none) and the number
        # then; a last one: skips within SKIP_STEPS, and the loss scale.
        self._notes = torch.zeros(4, 2, device=device)
        self._notes[3, 1] = torch.inf
        self._was_skipped = torch.zeros(SKIP_STEPS, device=device)
        self._looks: deque[tuple[int, Tensor, Any]] = deque()

    def loss(self, loss: Tensor, step: int) -> Finding | None:
        """Look at the loss of a batch of step `step`, counted from 1."""
        self._note(_LOSS, loss, step)
        return self._now(step)

    def gradient(self, norm: Tensor, step: int, scaler: GradScaler | None) -> Finding | None:
        """Look at the gradient norm, before the optimizer step.

        Args:
            norm: of the gradients of all parameters.
            step: counted from 1.
            scaler: with which a bad norm is an overflow, unless it is not enabled.
        """
        if scaler is None or not scaler.is_enabled():
            self._note(_GRADIENT, norm, step)
        else:
            self._was_skipped[step % SKIP_STEPS] = (~norm.isfinite()).float()
            self._notes[3, 0] = self._was_skipped.sum()
            scale: Any = scaler._get_scale_async()
            self._notes[3, 1] = scale
        return self._now(step)

    def weights(self, step: int) -> Finding | None:
        """Look at the weights after the optimizer step, and at what is known of earlier steps."""
        self._note(_WEIGHTS, torch.nn.utils.get_total_norm(self._parameters), step)
        if self._max_lag == 0:
            return self._now(step)
        self._start_look(step)
        while self._looks:
            noted_at, notes, done = self._looks[0]
            if len(self._looks) > self._max_lag:
                done.synchronize()
            elif not done.query():
                break
            self._looks.popleft()
            if (finding := _finding_in(notes.tolist(), noted_at)) is not None:
                return finding
        return None

    def settle(self, step: int) -> Finding | None:
        """Wait until all steps up to `step` are done, and say what they left."""
        self._looks.clear()
        return _finding_in(self._notes.tolist(), step)

    def _now(self, step: int) -> Finding | None:
        return self.settle(step) if self._max_lag == 0 else None

    def _note(self, row: int, number: Tensor, step: int) -> None:
        number = number.detach().float()
        is_first = (self._notes[row, 0] == 0) & ~number.isfinite()
        candidate = torch.stack([torch.full_like(number, step), number])
        self._notes[row] = torch.where(is_first, candidate, self._notes[row])

    def _start_look(self, step: int) -> None:
        notes = torch.empty(self._notes.shape, pin_memory=True)
        notes.copy_(self._notes, non_blocking=True)
        done: Any = torch.cuda.Event()  # type: ignore[no-untyped-call] # torch's is not annotated
        done.record()
        self._looks.append((step, notes, done))


def _finding_in(notes: list[list[float]], step: int) -> Finding | None:
    # The causes come before their effects: at one step a bad loss explains the rest.
    bad = [(int(first), row) for row, (first, _) in enumerate(notes[:3]) if first]
    if bad:
        first, row = min(bad)
        return Finding(first, f"{_NAMES[row]} is {notes[row][1]} at step {first}")
    num_skips, scale = notes[3]
    if num_skips > MAX_SKIPS:
        return Finding(
            step,
            f"gradients overflowed in {num_skips:.0f} of the {SKIP_STEPS} steps up to step {step}",
        )
    if scale < MIN_SCALE:
        return Finding(step, f"the loss scale has fallen to {scale:.2g} at step {step}")
    return None
