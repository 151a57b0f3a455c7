"""Cosine learning rate with warm restarts of growing length, and a linear warm-up.

transformers' `cosine_with_restarts` has equal cycles only; here cycle i lasts
`restart_epochs * restart_multiplier**i` epochs. With a multiplier of 1 the two are equal.
"""

from __future__ import annotations

import math
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

__all__ = ["cosine_with_warm_restarts", "learning_rate_factor", "restart_steps"]


def _place_in_cycle(cycles_done: float, multiplier: float) -> float:
    """How far into its cycle, in [0, 1), a moment is that lies `cycles_done` first cycles in."""
    if multiplier == 1:
        return cycles_done % 1.0
    # Cycle i starts after (m**i - 1) / (m - 1) first cycles.
    cycle = math.floor(math.log1p(cycles_done * (multiplier - 1)) / math.log(multiplier) + 1e-9)
    start = (multiplier**cycle - 1) / (multiplier - 1)
    return max(0.0, (cycles_done - start) / multiplier**cycle)


def learning_rate_factor(
    step: int,
    *,
    num_warmup_steps: int,
    num_training_steps: int,
    length_in_cycles: float,
    multiplier: float,
) -> float:
    """The factor on the peak learning rate after `step` optimizer steps, in [0, 1].

    Args:
        step: optimizer steps done.
        num_warmup_steps: steps of linear rise from 0.
        num_training_steps: steps of the whole run, warm-up included; from there on it is 0.
        length_in_cycles: the steps after the warm-up, measured in first cycles.
        multiplier: each cycle is this many times as long as the one before, at least 1.
    """
    if step < num_warmup_steps:
        return step / max(1, num_warmup_steps)
    progress = (step - num_warmup_steps) / max(1, num_training_steps - num_warmup_steps)
    if progress >= 1.0:
        return 0.0
    place = _place_in_cycle(progress * length_in_cycles, multiplier)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * place)))


def restart_steps(
    *,
    num_warmup_steps: int,
    num_training_steps: int,
    length_in_cycles: float,
    multiplier: float,
) -> list[int]:
    """The first step of each cycle but the first; see `learning_rate_factor`.

    >>> restart_steps(
    ...     num_warmup_steps=0, num_training_steps=70, length_in_cycles=7, multiplier=2
    ... )
    [10, 30]
    """
    steps: list[int] = []
    start, length = 0.0, 1.0
    scale = (num_training_steps - num_warmup_steps) / length_in_cycles
    while True:
        start, length = start + length, length * multiplier
        step = num_warmup_steps + math.ceil(start * scale - 1e-6)
        if start >= length_in_cycles - 1e-9 or step >= num_training_steps:
            return steps
        steps.append(step)


def cosine_with_warm_restarts(
    optimizer: Optimizer,
    *,
    num_warmup_steps: int,
    num_training_steps: int,
    length_in_cycles: float,
    multiplier: float,
) -> LambdaLR:
    """The scheduler of `learning_rate_factor`; see there.

    Raises:
        ValueError: a length that is not above 0, or a multiplier below 1.
    """
    if length_in_cycles <= 0 or multiplier < 1:
        raise ValueError(
            f"restarts need a length above 0 cycles (is {length_in_cycles}) and a multiplier "
            f"of at least 1 (is {multiplier})"
        )
    factor = partial(
        learning_rate_factor,
        num_warmup_steps=num_warmup_steps,
        num_training_steps=num_training_steps,
        length_in_cycles=length_in_cycles,
        multiplier=multiplier,
    )
    return LambdaLR(optimizer, factor)
