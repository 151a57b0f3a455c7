"""The sum of a token's embeddings, LayerNorm and dropout in one pass, and its backward.

Letters: B batch, T window length, N = B T tokens, V vocabulary size, H hidden size.
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

__all__ = ["embed", "embed_backward"]

_ROWS: Final = 4


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
        out = tl.where(draw_keep(seed, rows, p, ROWS, BLOCK_H), out * (1.0 / (1.0 - p)), 0.0)
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
    check_rows(out)
    mean = torch.empty(num_rows, dtype=torch.float32, device=words.device)
    rstd = torch.empty_like(mean)
    _embed_kernel[(triton.cdiv(num_rows, _ROWS),)](
        ids, words, places, kind, gamma, beta, out, mean, rstd, seed, num_rows, p, eps,
        T=ids.shape[1], H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=_ROWS,
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
            grad = tl.where(draw_keep(seed, rows, p, ROWS, BLOCK_H), grad * (1.0 / (1.0 - p)), 0.0)
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
    num_programs = min(triton.cdiv(num_rows, rows), 4 * num_processors(grad.device))
    partial = torch.empty((num_programs, 2, hidden), dtype=torch.float32, device=grad.device)
    _embed_backward_kernel[(num_programs,)](
        grad, grad2, ids, words, places, kind, gamma, mean, rstd, grad_sum, partial,
        seed, num_rows, triton.cdiv(num_rows, rows * num_programs), p,
        T=ids.shape[1], H=hidden, BLOCK_H=triton.next_power_of_2(hidden), ROWS=rows,
        HAS_DROPOUT=p > 0, num_warps=4,
    )  # fmt: skip
    grad_gamma, grad_beta = column_sums(partial.view(num_programs, -1)).split(hidden)
    return grad_sum, grad_gamma, grad_beta
