"""Bias and GELU in one pass, and its backward.

Letters: N rows (tokens), F feed-forward size.
"""
# ruff: noqa: ANN001, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from .rows import column_sums

__all__ = ["bias_gelu", "bias_gelu_backward"]

_ROWS, _COLUMNS = 4, 512
_ROWS_PER_PROGRAM: Final = 64


@triton.jit
def _normal_tail(x):
    """exp(-x*x / 2) and the normal distribution's Phi(x), to 1e-7 (Abramowitz, Stegun 7.1.26)."""
    bell = tl.exp2(x * x * -0.7213475204444817)
    t = 1.0 / (1.0 + 0.2316419011 * tl.abs(x))
    poly = 1.061405429
    poly = poly * t - 1.453152027
    poly = poly * t + 1.421413741
    poly = poly * t - 0.284496736
    poly = poly * t + 0.254829592
    tail = 0.5 * poly * t * bell
    return bell, tl.where(x < 0, tail, 1.0 - tail)


@triton.jit(do_not_specialize=["num_rows"])
def _bias_gelu_kernel(
    x_ptr, bias_ptr, out_ptr, num_rows,
    F: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    mask = (rows < num_rows)[:, None] & (columns < F)[None, :]
    offsets = rows.to(tl.int64)[:, None] * F + columns[None, :]
    bias = tl.load(bias_ptr + columns, mask=columns < F, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + offsets, mask=mask, other=0.0).to(tl.float32) + bias[None, :]
    _, below = _normal_tail(x)
    tl.store(out_ptr + offsets, x * below, mask=mask)


def bias_gelu(x: Tensor, bias: Tensor) -> Tensor:
    """The exact (erf) GELU of `x + bias`: (N, F) and (F,) -> (N, F) in the dtype of `x`."""
    num_rows, width = x.shape
    out = torch.empty_like(x)
    rows = 16
    grid = (triton.cdiv(num_rows, rows), triton.cdiv(width, _COLUMNS))
    _bias_gelu_kernel[grid](
        x, bias, out, num_rows, F=width, ROWS=rows, COLUMNS=_COLUMNS, num_warps=8
    )
    return out


@triton.jit(do_not_specialize=["num_rows"])
def _bias_gelu_backward_kernel(
    grad_ptr, x_ptr, bias_ptr, grad_x_ptr, out_ptr, partial_ptr, num_rows,
    F: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEPS: tl.constexpr,
    WITH_OUT: tl.constexpr,
):  # fmt: skip
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    in_row = columns < F
    bias = tl.load(bias_ptr + columns, mask=in_row, other=0.0).to(tl.float32)
    grad_bias = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    first = tl.program_id(0) * ROWS * STEPS
    for step in range(STEPS):
        rows = first + step * ROWS + tl.arange(0, ROWS)
        mask = (rows < num_rows)[:, None] & in_row[None, :]
        offsets = rows.to(tl.int64)[:, None] * F + columns[None, :]
        x = tl.load(x_ptr + offsets, mask=mask, other=0.0).to(tl.float32) + bias[None, :]
        grad = tl.load(grad_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        bell, below = _normal_tail(x)
        grad_x = grad * (below + x * bell * 0.3989422804014327)
        grad_bias += grad_x
        tl.store(grad_x_ptr + offsets, grad_x, mask=mask)
        if WITH_OUT:
            tl.store(out_ptr + offsets, x * below, mask=mask)
    place = partial_ptr + tl.program_id(0) * F + columns
    tl.store(place, tl.sum(grad_bias, axis=0), mask=in_row)


def bias_gelu_backward(
    grad: Tensor, x: Tensor, bias: Tensor, *, with_output: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of `bias_gelu`, written over `grad`, and its output again where asked for.

    Returns:
        The gradient of `x` (N, F), which is `grad` itself; that of `bias` (F,) float32; and the
        output (N, F) or None.
    """
    num_rows, width = x.shape
    steps = _ROWS_PER_PROGRAM // _ROWS
    grid = (triton.cdiv(num_rows, _ROWS_PER_PROGRAM), triton.cdiv(width, _COLUMNS))
    partial = torch.empty((grid[0], width), dtype=torch.float32, device=x.device)
    out = torch.empty_like(x) if with_output else None
    _bias_gelu_backward_kernel[grid](
        grad, x, bias, grad, x if out is None else out, partial, num_rows,
        F=width, ROWS=_ROWS, COLUMNS=_COLUMNS, STEPS=steps,
        WITH_OUT=with_output, num_warps=2,
    )  # fmt: skip
    return grad, column_sums(partial), out
