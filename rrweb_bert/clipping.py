"""Gradient clipping inside the fused optimizer.

Stock training passes over all gradients to remove the loss scale, once more to clip them, and a
third time in AdamW. The first two multiply by one number, and fused AdamW divides by a number of
our choice while it reads; so here only the norm is computed beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler, OptState
from torch.optim import Optimizer

__all__ = ["ClippingOptimizer", "is_clippable"]


def is_clippable(optimizer: Optimizer) -> bool:
    """Whether `optimizer` divides gradients by `grad_scale` in its step: fused AdamW does."""
    return isinstance(optimizer, torch.optim.AdamW) and bool(optimizer.defaults.get("fused"))


class ClippingOptimizer:
    """Makes the next step of a fused AdamW clip, and un-scale, the gradients that it reads.

    Args:
        optimizer: for which `is_clippable` is true.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._divisor: Tensor | None = None
        self._found_inf: Tensor | None = None
        optimizer.register_step_pre_hook(self._before_step)
        optimizer.register_step_post_hook(self._after_step)

    def clip(
        self, parameters: Iterable[Tensor], max_norm: float, scaler: GradScaler | None = None
    ) -> Tensor:
        """The norm of all gradients, a scalar tensor; the next step clips it to `max_norm`.

        A step whose norm is no number changes nothing.

        Args:
            parameters: those with gradients count.
            max_norm: as in `torch.nn.utils.clip_grad_norm_`.
            scaler: the enabled scaler by whose scale the gradients are too large.
        """
        grads = [p.grad for p in parameters if p.grad is not None]
        scaled_norm = torch.nn.utils.get_total_norm(grads)
        scale: Any = 1.0 if scaler is None else scaler._get_scale_async()
        norm: Tensor = scaled_norm / scale
        self._divisor = scale / (max_norm / (norm + 1e-6)).clamp(max=1.0)
        found_inf = (~scaled_norm.isfinite()).float()
        if scaler is None:
            self._found_inf = found_inf
        else:
            # As after `unscale_`; the scaler then skips a step whose gradients are no numbers.
            state = scaler._per_optimizer_states[id(self.optimizer)]
            state["found_inf_per_device"] = {scaled_norm.device: found_inf}
            state["stage"] = OptState.UNSCALED
        return norm

    def _before_step(self, optimizer: Any, *_: Any) -> None:
        if self._divisor is not None:
            optimizer.grad_scale = self._divisor
        if self._found_inf is not None:
            optimizer.found_inf = self._found_inf

    def _after_step(self, optimizer: Any, *_: Any) -> None:
        if self._divisor is not None:
            optimizer.grad_scale = self._divisor = None
        if self._found_inf is not None:
            optimizer.found_inf = self._found_inf = None
