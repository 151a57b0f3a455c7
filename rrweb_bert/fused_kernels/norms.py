"""Bias, dropout, residual sum and LayerNorm in one pass, and its backward.

Letters: N rows (tokens), H hidden size.
"""
# ruff: noqa: ANN001, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from .dropout import draw_keep
from .rows import check_rows, column_sums, num_processors

__all__ = ["dropout_add_norm", "dropout_add_norm_backward"]

_ROWS: Final = 4


@triton.jit(do_not_specialize=["seed", "num_rows"])
def _dropout_add_norm_kernel(
    y_ptr, bias_ptr, residual_ptr, gamma_ptr, beta_ptr,
    sum_ptr, out_ptr, mean_ptr, rstd_ptr,
    seed, num_rows, p, eps,
    H: tl.constexpr, BLOCK_H: tl.constexpr, ROWS: tl.constexpr, HAS_DROPOUT: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK_H)
    in_row = columns < H
    mask = (rows < num_rows)[:, None] & in_row[None, :]
    offsets = rows[:, None] * H + columns[None, :]
    bias = tl.load(bias_ptr + columns, mask=in_row, other=0.0).to(tl.float32)
    y = tl.load(y_ptr + offsets, mask=mask, other=0.0).to(tl.float32) + bias[None, :]
    if HAS_DROPOUT:
        y = tl.where(draw_keep(seed, rows, p, ROWS, BLOCK_H), y * (1.0 / (1.0 - p)), 0.0)
    z = tl.load(residual_ptr + offsets, mask=mask, other=0.0).to(tl.float32) + y
    z = tl.where(mask, z, 0.0)
    mean = tl.sum(z, axis=1) / H
    centred = tl.where(mask, z - mean[:, None], 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=1) / H + eps)
    gamma = tl.load(gamma_ptr + columns, mask=in_row, other=0.0).to(tl.float32)
    beta = tl.load(beta_ptr + columns, mask=in_row, other=0.0).to(tl.float32)
    out = centred * rstd[:, None] * gamma[None, :] + beta[None, :]
    tl.store(sum_ptr + offsets, z, mask=mask)
    tl.store(out_ptr + offsets, out, mask=mask)
    tl.store(mean_ptr + rows, mean, mask=rows < num_rows)
    tl.store(rstd_ptr + rows, rstd, mask=rows < num_rows)


def dropout_add_norm(
    y: Tensor,
    bias: Tensor,
    residual: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    p: float,
    seed: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """LayerNorm(dropout(y + bias) + residual), with what its backward needs.

    Args:
        y: (N, H), the product before its bias.
        bias: (H,).
        residual: (N, H).
        gamma: (H,), scale of the norm.
        beta: (H,), shift of the norm.
        p: dropout probability; 0 is none.
        seed: of the dropout mask, at least 0 and below 2**31.
        eps: of the norm.

    Returns:
        The sum before the norm (N, H), the normalised output (N, H), both in the dtype of `y`, and
        mean and 1 / standard deviation of each row (N,) float32.
    """
    num_rows, hidden = y.shape
    check_rows(y)
    total, out = torch.empty_like(y), torch.empty_like(y)
    mean = torch.empty(num_rows, dtype=torch.float32, device=y.device)
    rstd = torch.empty_like(mean)
    _dropout_add_norm_kernel[(triton.cdiv(num_rows, _ROWS),)](
        y, bias, residual, gamma, beta, total, out, mean, rstd,
        seed, num_rows, p, eps,
        H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=_ROWS,
        HAS_DROPOUT=p > 0, num_warps=4,
    )  # fmt: skip
    return total, out, mean, rstd


@triton.jit(do_not_specialize=["seed", "num_rows", "num_steps"])
def _dropout_add_norm_backward_kernel(
    grad_ptr, grad2_ptr, sum_ptr, mean_ptr, rstd_ptr, gamma_ptr,
    grad_residual_ptr, grad_y_ptr, partial_ptr,
    seed, num_rows, num_steps, p,
    H: tl.constexpr, BLOCK_H: tl.constexpr, ROWS: tl.constexpr,
    HAS_DROPOUT: tl.constexpr, HAS_GRAD2: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK_H)
    in_row = columns < H
    gamma = tl.load(gamma_ptr + columns, mask=in_row, other=0.0).to(tl.float32)
    grad_gamma = tl.zeros([ROWS, BLOCK_H], dtype=tl.float32)
    grad_beta = tl.zeros([ROWS, BLOCK_H], dtype=tl.float32)
    grad_bias = tl.zeros([ROWS, BLOCK_H], dtype=tl.float32)
    for step in range(num_steps):
        rows = (step * tl.num_programs(0) + tl.program_id(0)) * ROWS + tl.arange(0, ROWS)
        mask = (rows < num_rows)[:, None] & in_row[None, :]
        offsets = rows[:, None] * H + columns[None, :]
        grad = tl.load(grad_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        if HAS_GRAD2:
            grad += tl.load(grad2_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        mean = tl.load(mean_ptr + rows, mask=rows < num_rows, other=0.0)
        rstd = tl.load(rstd_ptr + rows, mask=rows < num_rows, other=0.0)
        z = tl.load(sum_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        normed = tl.where(mask, (z - mean[:, None]) * rstd[:, None], 0.0)
        grad_gamma += grad * normed
        grad_beta += grad
        scaled = grad * gamma[None, :]
        along = tl.sum(scaled * normed, axis=1) / H
        level = tl.sum(scaled, axis=1) / H
        grad_z = (scaled - level[:, None] - normed * along[:, None]) * rstd[:, None]
        grad_z = tl.where(mask, grad_z, 0.0)
        tl.store(grad_residual_ptr + offsets, grad_z, mask=mask)
        if HAS_DROPOUT:
            grad_z = tl.where(
                draw_keep(seed, rows, p, ROWS, BLOCK_H), grad_z * (1.0 / (1.0 - p)), 0.0
            )
            tl.store(grad_y_ptr + offsets, grad_z, mask=mask)
        grad_bias += grad_z
    place = partial_ptr + tl.program_id(0) * 3 * H + columns
    tl.store(place, tl.sum(grad_bias, axis=0), mask=in_row)
    tl.store(place + H, tl.sum(grad_gamma, axis=0), mask=in_row)
    tl.store(place + 2 * H, tl.sum(grad_beta, axis=0), mask=in_row)


def dropout_add_norm_backward(
    grad: Tensor,
    grad2: Tensor | None,
    total: Tensor,
    mean: Tensor,
    rstd: Tensor,
    gamma: Tensor,
    *,
    p: float,
    seed: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `dropout_add_norm` for the output gradient `grad + grad2`.

    Returns:
        Those of `y` (N, H) and `residual` (N, H), one tensor without dropout, in the dtype of
        `total`; and those of `bias`, `gamma`, `beta` (H,) float32.
    """
    num_rows, hidden = total.shape
    grad_residual = torch.empty_like(total)
    grad_y = torch.empty_like(total) if p > 0 else grad_residual
    rows = 2
    num_programs = min(triton.cdiv(num_rows, rows), 8 * num_processors(total.device))
    partial = torch.empty((num_programs, 3, hidden), dtype=torch.float32, device=total.device)
    _dropout_add_norm_backward_kernel[(num_programs,)](
        grad, grad if grad2 is None else grad2, total, mean, rstd, gamma,
        grad_residual, grad_y, partial,
        seed, num_rows, triton.cdiv(num_rows, rows * num_programs), p,
        H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=rows,
        HAS_DROPOUT=p > 0, HAS_GRAD2=grad2 is not None, num_warps=4,
    )  # fmt: skip
    grad_bias, grad_gamma, grad_beta = column_sums(partial.view(num_programs, -1)).split(hidden)
    return grad_y, grad_residual, grad_bias, grad_gamma, grad_beta
