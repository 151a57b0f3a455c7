"""Triton kernels for the parts of BERT that move memory: each reads and writes a tensor once.

A BERT layer is matrix products, attention, and three pieces in between. Done by separate
operations, those pieces move about twice the bytes they need (masks and fp32 copies are written
and read again, gradients of biases and norms are summed in passes of their own). Here each piece is
one kernel each way, with the bias gradients summed on the way. All arithmetic is in fp32; dropout
masks are drawn again from their seed in the backward pass and never stored.

`fused_reference` has the same functions in plain torch; tests hold the two together.

Letters: N rows (tokens), H hidden size, F feed-forward size, V vocabulary size.
"""
# ruff: noqa: ANN001, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = [
    "bias_gelu",
    "bias_gelu_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout_add_norm",
    "dropout_add_norm_backward",
    "dropout_keep_mask",
    "embed",
    "embed_backward",
    "pack_heads",
]

# Philox with 7 rounds passes the usual batteries of tests of randomness, and 10 cost more time.
_ROUNDS: Final = tl.constexpr(7)
_NORM_ROWS: Final = 4
_GELU_ROWS, _GELU_COLUMNS = 4, 512
_GELU_ROWS_PER_PROGRAM: Final = 64
_PACK_ROWS_PER_PROGRAM: Final = 128


@triton.jit
def _keep(seed, rows, p, ROWS: tl.constexpr, BLOCK_H: tl.constexpr):
    """Which values of these rows are kept, (ROWS, BLOCK_H): four for each draw of Philox."""
    draws = rows[:, None] * (BLOCK_H // 4) + tl.arange(0, BLOCK_H // 4)[None, :]
    first, second, third, fourth = tl.rand4x(seed, draws, n_rounds=_ROUNDS)
    uniform = tl.join(tl.join(first, third), tl.join(second, fourth))
    return tl.reshape(uniform, [ROWS, BLOCK_H]) >= p


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
        y = tl.where(_keep(seed, rows, p, ROWS, BLOCK_H), y * (1.0 / (1.0 - p)), 0.0)
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
    _check_rows(y)
    total, out = torch.empty_like(y), torch.empty_like(y)
    mean = torch.empty(num_rows, dtype=torch.float32, device=y.device)
    rstd = torch.empty_like(mean)
    _dropout_add_norm_kernel[(triton.cdiv(num_rows, _NORM_ROWS),)](
        y, bias, residual, gamma, beta, total, out, mean, rstd,
        seed, num_rows, p, eps,
        H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=_NORM_ROWS,
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
            grad_z = tl.where(_keep(seed, rows, p, ROWS, BLOCK_H), grad_z * (1.0 / (1.0 - p)), 0.0)
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
    num_programs = min(triton.cdiv(num_rows, rows), 8 * _num_processors(total.device))
    partial = torch.empty((num_programs, 3, hidden), dtype=torch.float32, device=total.device)
    _dropout_add_norm_backward_kernel[(num_programs,)](
        grad, grad if grad2 is None else grad2, total, mean, rstd, gamma,
        grad_residual, grad_y, partial,
        seed, num_rows, triton.cdiv(num_rows, rows * num_programs), p,
        H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=rows,
        HAS_DROPOUT=p > 0, HAS_GRAD2=grad2 is not None, num_warps=4,
    )  # fmt: skip
    grad_bias, grad_gamma, grad_beta = _column_sums(partial.view(num_programs, -1)).split(hidden)
    return grad_y, grad_residual, grad_bias, grad_gamma, grad_beta


@triton.jit(do_not_specialize=["seed", "num_rows"])
def _embed_kernel(
    ids_ptr, words_ptr, places_ptr, kind_ptr, gamma_ptr, beta_ptr,
    out_ptr, mean_ptr, rstd_ptr,
    seed, num_rows, p, eps,
    T: tl.constexpr, H: tl.constexpr, BLOCK_H: tl.constexpr, ROWS: tl.constexpr,
    HAS_DROPOUT: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK_H)
    in_row = columns < H
    mask = (rows < num_rows)[:, None] & in_row[None, :]
    ids = tl.load(ids_ptr + rows, mask=rows < num_rows, other=0)
    z = tl.load(words_ptr + ids[:, None] * H + columns[None, :], mask=mask, other=0.0)
    z += tl.load(places_ptr + (rows % T)[:, None] * H + columns[None, :], mask=mask, other=0.0)
    z += tl.load(kind_ptr + columns, mask=in_row, other=0.0)[None, :]
    z = tl.where(mask, z, 0.0)
    mean = tl.sum(z, axis=1) / H
    centred = tl.where(mask, z - mean[:, None], 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=1) / H + eps)
    gamma = tl.load(gamma_ptr + columns, mask=in_row, other=0.0)
    beta = tl.load(beta_ptr + columns, mask=in_row, other=0.0)
    out = centred * rstd[:, None] * gamma[None, :] + beta[None, :]
    if HAS_DROPOUT:
        out = tl.where(_keep(seed, rows, p, ROWS, BLOCK_H), out * (1.0 / (1.0 - p)), 0.0)
    tl.store(out_ptr + rows[:, None] * H + columns[None, :], out, mask=mask)
    tl.store(mean_ptr + rows, mean, mask=rows < num_rows)
    tl.store(rstd_ptr + rows, rstd, mask=rows < num_rows)


def embed(
    ids: Tensor,
    words: Tensor,
    places: Tensor,
    kind: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    p: float,
    seed: int,
    eps: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """dropout(LayerNorm(word + position + kind of token)).

    Args:
        ids: (B, T) int64.
        words: (V, H) float32.
        places: (at least T, H) float32.
        kind: (H,) float32, the one kind of token that there is.
        gamma: (H,) float32.
        beta: (H,) float32.
        p: dropout probability; 0 is none.
        seed: of the dropout mask.
        eps: of the norm.
        dtype: of the output.

    Returns:
        The embedded tokens (N, H), and mean and 1 / standard deviation of their sums (N,) float32.
    """
    num_rows, hidden = ids.numel(), words.shape[1]
    out = torch.empty((num_rows, hidden), dtype=dtype, device=words.device)
    _check_rows(out)
    mean = torch.empty(num_rows, dtype=torch.float32, device=words.device)
    rstd = torch.empty_like(mean)
    _embed_kernel[(triton.cdiv(num_rows, _NORM_ROWS),)](
        ids, words, places, kind, gamma, beta, out, mean, rstd, seed, num_rows, p, eps,
        T=ids.shape[1], H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=_NORM_ROWS,
        HAS_DROPOUT=p > 0, num_warps=4,
    )  # fmt: skip
    return out, mean, rstd


@triton.jit(do_not_specialize=["seed", "num_rows", "num_steps"])
def _embed_backward_kernel(
    grad_ptr, grad2_ptr, ids_ptr, words_ptr, places_ptr, kind_ptr, gamma_ptr, mean_ptr, rstd_ptr,
    grad_sum_ptr, partial_ptr,
    seed, num_rows, num_steps, p,
    T: tl.constexpr, H: tl.constexpr, BLOCK_H: tl.constexpr, ROWS: tl.constexpr,
    HAS_DROPOUT: tl.constexpr,
):  # fmt: skip
    columns = tl.arange(0, BLOCK_H)
    in_row = columns < H
    gamma = tl.load(gamma_ptr + columns, mask=in_row, other=0.0)
    kind = tl.load(kind_ptr + columns, mask=in_row, other=0.0)
    grad_gamma = tl.zeros([ROWS, BLOCK_H], dtype=tl.float32)
    grad_beta = tl.zeros([ROWS, BLOCK_H], dtype=tl.float32)
    for step in range(num_steps):
        rows = (step * tl.num_programs(0) + tl.program_id(0)) * ROWS + tl.arange(0, ROWS)
        mask = (rows < num_rows)[:, None] & in_row[None, :]
        offsets = rows[:, None] * H + columns[None, :]
        grad = tl.load(grad_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        grad += tl.load(grad2_ptr + offsets, mask=mask, other=0.0).to(tl.float32)
        if HAS_DROPOUT:
            grad = tl.where(_keep(seed, rows, p, ROWS, BLOCK_H), grad * (1.0 / (1.0 - p)), 0.0)
        ids = tl.load(ids_ptr + rows, mask=rows < num_rows, other=0)
        z = tl.load(words_ptr + ids[:, None] * H + columns[None, :], mask=mask, other=0.0)
        z += tl.load(places_ptr + (rows % T)[:, None] * H + columns[None, :], mask=mask, other=0.0)
        z += kind[None, :]
        mean = tl.load(mean_ptr + rows, mask=rows < num_rows, other=0.0)
        rstd = tl.load(rstd_ptr + rows, mask=rows < num_rows, other=0.0)
        normed = tl.where(mask, (z - mean[:, None]) * rstd[:, None], 0.0)
        grad_gamma += grad * normed
        grad_beta += grad
        scaled = grad * gamma[None, :]
        along = tl.sum(scaled * normed, axis=1) / H
        level = tl.sum(scaled, axis=1) / H
        grad_z = (scaled - level[:, None] - normed * along[:, None]) * rstd[:, None]
        tl.store(grad_sum_ptr + offsets, grad_z, mask=mask)
    place = partial_ptr + tl.program_id(0) * 2 * H + columns
    tl.store(place, tl.sum(grad_gamma, axis=0), mask=in_row)
    tl.store(place + H, tl.sum(grad_beta, axis=0), mask=in_row)


def embed_backward(
    grad: Tensor,
    grad2: Tensor,
    ids: Tensor,
    words: Tensor,
    places: Tensor,
    kind: Tensor,
    gamma: Tensor,
    mean: Tensor,
    rstd: Tensor,
    *,
    p: float,
    seed: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the summed embeddings (N, H), of `gamma` and of `beta` (H,), all float32."""
    num_rows, hidden = grad.shape
    grad_sum = torch.empty((num_rows, hidden), dtype=torch.float32, device=grad.device)
    rows = 2
    num_programs = min(triton.cdiv(num_rows, rows), 4 * _num_processors(grad.device))
    partial = torch.empty((num_programs, 2, hidden), dtype=torch.float32, device=grad.device)
    _embed_backward_kernel[(num_programs,)](
        grad, grad2, ids, words, places, kind, gamma, mean, rstd, grad_sum, partial,
        seed, num_rows, triton.cdiv(num_rows, rows * num_programs), p,
        T=ids.shape[1], H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=rows,
        HAS_DROPOUT=p > 0, num_warps=4,
    )  # fmt: skip
    grad_gamma, grad_beta = _column_sums(partial.view(num_programs, -1)).split(hidden)
    return grad_sum, grad_gamma, grad_beta


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
    grid = (triton.cdiv(num_rows, rows), triton.cdiv(width, _GELU_COLUMNS))
    _bias_gelu_kernel[grid](
        x, bias, out, num_rows, F=width, ROWS=rows, COLUMNS=_GELU_COLUMNS, num_warps=8
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
    steps = _GELU_ROWS_PER_PROGRAM // _GELU_ROWS
    grid = (triton.cdiv(num_rows, _GELU_ROWS_PER_PROGRAM), triton.cdiv(width, _GELU_COLUMNS))
    partial = torch.empty((grid[0], width), dtype=torch.float32, device=x.device)
    out = torch.empty_like(x) if with_output else None
    _bias_gelu_backward_kernel[grid](
        grad, x, bias, grad, x if out is None else out, partial, num_rows,
        F=width, ROWS=_GELU_ROWS, COLUMNS=_GELU_COLUMNS, STEPS=steps,
        WITH_OUT=with_output, num_warps=2,
    )  # fmt: skip
    return grad, _column_sums(partial), out


@triton.jit(do_not_specialize=["num_rows"])
def _pack_heads_kernel(
    query_ptr, key_ptr, value_ptr, out_ptr, partial_ptr, num_rows,
    H: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEPS: tl.constexpr,
):  # fmt: skip
    which = tl.program_id(2)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    in_row = columns < H
    source = query_ptr
    if which == 1:
        source = key_ptr
    if which == 2:
        source = value_ptr
    total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    first = tl.program_id(0) * ROWS * STEPS
    for step in range(STEPS):
        rows = first + step * ROWS + tl.arange(0, ROWS)
        mask = (rows < num_rows)[:, None] & in_row[None, :]
        rows64 = rows.to(tl.int64)
        x = tl.load(source + rows64[:, None] * H + columns[None, :], mask=mask, other=0.0)
        tl.store(out_ptr + rows64[:, None] * (3 * H) + which * H + columns[None, :], x, mask=mask)
        total += x.to(tl.float32)
    place = partial_ptr + (tl.program_id(0) * 3 + which) * H + columns
    tl.store(place, tl.sum(total, axis=0), mask=in_row)


def pack_heads(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Three (N, H) tensors side by side, (N, 3 H), and the sums of its columns (3 H,) float32."""
    num_rows, hidden = query.shape
    out = torch.empty((num_rows, 3 * hidden), dtype=query.dtype, device=query.device)
    columns = min(256, triton.next_power_of_2(hidden))
    grid = (triton.cdiv(num_rows, _PACK_ROWS_PER_PROGRAM), triton.cdiv(hidden, columns), 3)
    partial = torch.empty((grid[0], 3 * hidden), dtype=torch.float32, device=query.device)
    _pack_heads_kernel[grid](
        query, key, value, out, partial, num_rows,
        H=hidden, ROWS=16, COLUMNS=columns, STEPS=_PACK_ROWS_PER_PROGRAM // 16, num_warps=4,
    )  # fmt: skip
    return out, _column_sums(partial)


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


@triton.jit(do_not_specialize=["seed"])
def _keep_mask_kernel(out_ptr, seed, p, H: tl.constexpr, BLOCK_H: tl.constexpr):
    rows = tl.program_id(0) + tl.arange(0, 1)
    columns = tl.arange(0, BLOCK_H)
    keep = _keep(seed, rows, p, 1, BLOCK_H)
    tl.store(out_ptr + rows[:, None] * H + columns[None, :], keep, mask=columns[None, :] < H)


def dropout_keep_mask(shape: tuple[int, int], *, p: float, seed: int, device: str) -> Tensor:
    """The mask that the kernels above draw for an (N, H) tensor, for tests: True is kept."""
    mask = torch.empty(shape, dtype=torch.bool, device=device)
    _keep_mask_kernel[(shape[0],)](
        mask, seed, p, H=shape[1], BLOCK_H=triton.next_power_of_2(shape[1])
    )
    return mask


@triton.jit(do_not_specialize=["num_rows"])
def _column_sums_kernel(
    x_ptr, out_ptr, num_rows, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):  # fmt: skip
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros([ROWS, COLUMNS], dtype=tl.float32)
    for step in range(tl.cdiv(num_rows, ROWS)):
        rows = step * ROWS + tl.arange(0, ROWS)
        mask = (rows < num_rows)[:, None] & (columns < width)[None, :]
        total += tl.load(x_ptr + rows[:, None] * width + columns[None, :], mask=mask, other=0.0)
    tl.store(out_ptr + columns, tl.sum(total, axis=0), mask=columns < width)


def _column_sums(x: Tensor) -> Tensor:
    """Sums of the columns of a few hundred rows, float32: torch takes three times as long."""
    num_rows, width = x.shape
    out = torch.empty(width, dtype=torch.float32, device=x.device)
    _column_sums_kernel[(triton.cdiv(width, 32),)](
        x, out, num_rows, width, ROWS=64, COLUMNS=32, num_warps=4
    )
    return out


def _num_processors(device: torch.device) -> int:
    if device.type != "cuda":
        return 1  # Triton's interpreter
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def _check_rows(x: Tensor) -> None:
    if x.numel() >= 2**31:
        raise ValueError(
            f"{x.shape[0]:,} tokens of {x.shape[1]} values a step are too many for the fused "
            "kernels. Use a smaller batch, with --gradient_accumulation_steps"
        )
