"""All that stops a run that can no longer be right, and says which sessions it was at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from data_prep.shard_watch import ShardWatch

from .finite import Finding, NumberGuard
from .guards import TrainingStoppedError, name_sessions
from .loading import WindowLoader

__all__ = ["RunGuard"]

_RUN_AGAIN = "Run the same command again to continue from the last checkpoint"


class RunGuard:
    """Looks at numbers, shards and loader workers; each method raises `TrainingStoppedError`.

    Args:
        model: whose weights are looked at.
        device: where it is.
        watch: of the shards that are read; None where another process watches them.
        batches_per_step: micro-batches of this process in an optimizer step.
        hides_nan: let losses and weights be what they are (`--logging_nan_inf_filter`).

    Attributes:
        loader: of the training batches, once there is one.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        device: torch.device,
        *,
        watch: ShardWatch | None,
        batches_per_step: int,
        hides_nan: bool,
    ) -> None:
        self.loader: WindowLoader | None = None
        self._numbers = None if hides_nan else NumberGuard(list(model.parameters()), device)
        self._watch = watch
        self._step = 0
        self._batches_per_step = batches_per_step

    def look_at_loss(self, loss: Tensor, step: int) -> None:
        """Look at the loss of a micro-batch of step `step`, counted from 1."""
        if self._numbers is not None:
            self._stop_for(self._numbers.loss(loss, step))

    def look_at_gradient(self, norm: Tensor, step: int, scaler: GradScaler | None) -> None:
        """Look at the gradient norm, before the optimizer steps."""
        if self._numbers is not None:
            self._stop_for(self._numbers.gradient(norm, step, scaler))

    def look_at_weights(self, step: int, *, is_result: bool) -> None:
        """Look at the weights after the optimizer step.

        Args:
            step: counted from 1.
            is_result: they are about to be logged, evaluated or saved, so everything is waited for.
        """
        if self._numbers is not None:
            self._stop_for(self._numbers.weights(step))
            if is_result:
                self._stop_for(self._numbers.settle(step))

    def look_at_evaluation(self, loss: float, step: int) -> None:
        """Look at the loss of an evaluation after step `step`."""
        if self._numbers is not None and not math.isfinite(loss):
            raise TrainingStoppedError(
                f"the evaluation's loss is {loss} at step {step}, so training stops; nothing of "
                f"it was saved. {_RUN_AGAIN}"
            )

    def look_at_shards(self, step: int, *, now: bool = False) -> None:
        """See what the watch has found, or let it look `now`."""
        self._step = step
        if self._watch is not None:
            self._stop_for_problem(self._watch.look() if now else self._watch.problem)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the shards in here, and explain the death of a loader worker."""
        if self._watch is not None:
            self._watch.start()
        try:
            yield
        except RuntimeError as error:
            # To read behind the end of a shard that was cut kills whoever does it.
            self._stop_for_problem(None if self._watch is None else self._watch.look(), error)
            loader = self.loader
            if isinstance(error, TrainingStoppedError) or loader is None:
                raise
            if not loader.is_cause_of(error):
                raise
            raise loader.explained(error) from error
        finally:
            if self._watch is not None:
                self._watch.stop()

    def _stop_for_problem(self, problem: str | None, cause: Exception | None = None) -> None:
        if problem is not None:
            raise TrainingStoppedError(
                f"training stops at step {self._step}; nothing after the last checkpoint was "
                f"saved. {problem}"
            ) from cause

    def _stop_for(self, finding: Finding | None) -> None:
        if finding is None:
            return
        names = "sessions unknown"
        if self.loader is not None:
            plan = self.loader.source.batches
            # The stream of a resumed run begins behind the batches of the steps before.
            num_before = plan.start_sample // (plan.batch_size * plan.num_ranks)
            first = (finding.step - 1) * self._batches_per_step - num_before
            batches = range(max(0, first), min(first + self._batches_per_step, plan.num_batches))
            samples = [sample for batch in batches for sample in plan.samples(batch)]
            names = name_sessions(samples, self.loader.source.names_of)
        raise TrainingStoppedError(
            f"{finding.what}, so training stops; nothing of it was saved. The step had {names}. "
            f"{_RUN_AGAIN}; if it comes back, lower --learning_rate, or use --precision bf16 (or "
            "fp32) instead of fp16"
        )
