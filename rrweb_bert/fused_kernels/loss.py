"""Softmax cross-entropy in one pass over the logits, and its backward, which is written over them.

Letters: N rows (masked positions), V vocabulary size.
"""
# ruff: noqa: ANN001, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["cross_entropy", "cross_entropy_backward"]


@triton.jit
def _cross_entropy_kernel(
    logits_ptr, target_ptr, loss_ptr, log_sum_ptr, V: tl.constexpr, BLOCK_V: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK_V)
    logits = tl.load(logits_ptr + row * V + columns, mask=columns < V, other=-float("inf"))
    logits = logits.to(tl.float32)
    top = tl.max(logits, axis=0)
    log_sum = tl.log(tl.sum(tl.exp(logits - top), axis=0)) + top
    target = tl.load(target_ptr + row)
    chosen = tl.sum(tl.where(columns == target, logits, 0.0), axis=0)
    tl.store(loss_ptr + row, tl.where(target < 0, 0.0, log_sum - chosen))
    tl.store(log_sum_ptr + row, log_sum)


def cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of each row, 0 where its target is negative, and its log-sum-exp, both (N,) float32."""
    num_rows, vocabulary = logits.shape
    losses = torch.empty(num_rows, dtype=torch.float32, device=logits.device)
    log_sums = torch.empty_like(losses)
    _cross_entropy_kernel[(num_rows,)](
        logits, targets, losses, log_sums,
        V=vocabulary, BLOCK_V=triton.next_power_of_2(vocabulary), num_warps=8,
    )  # fmt: skip
    return losses, log_sums


@triton.jit
def _cross_entropy_backward_kernel(
    logits_ptr, target_ptr, log_sum_ptr, scale_ptr, V: tl.constexpr, BLOCK_V: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK_V)
    place = logits_ptr + row * V + columns
    logits = tl.load(place, mask=columns < V, other=-float("inf")).to(tl.float32)
    target = tl.load(target_ptr + row)
    scale = tl.where(target < 0, 0.0, tl.load(scale_ptr))
    grad = tl.exp(logits - tl.load(log_sum_ptr + row)) - tl.where(columns == target, 1.0, 0.0)
    tl.store(place, grad * scale, mask=columns < V)


def cross_entropy_backward(
    logits: Tensor, targets: Tensor, log_sums: Tensor, grad_sum: Tensor
) -> Tensor:
    """The gradient of the summed losses, times the scalar `grad_sum`, written over `logits`."""
    num_rows, vocabulary = logits.shape
    _cross_entropy_backward_kernel[(num_rows,)](
        logits, targets, log_sums, grad_sum,
        V=vocabulary, BLOCK_V=triton.next_power_of_2(vocabulary), num_warps=8,
    )  # fmt: skip
    return logits
