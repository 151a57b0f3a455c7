"""Which values a dropout keeps: drawn from a seed, and drawn again in the backward pass.

Letters: N rows (tokens), H hidden size.
"""
# ruff: noqa: ANN001, ANN201, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["draw_keep", "dropout_keep_mask"]

# Philox with 7 rounds passes the usual batteries of tests of randomness, and 10 cost more time.
_ROUNDS: Final = tl.constexpr(7)


@triton.jit
def draw_keep(seed, rows, p, ROWS: tl.constexpr, BLOCK_H: tl.constexpr):
    """Which values of these rows are kept, (ROWS, BLOCK_H): four for each draw of Philox."""
    draws = rows[:, None] * (BLOCK_H // 4) + tl.arange(0, BLOCK_H // 4)[None, :]
    first, second, third, fourth = tl.rand4x(seed, draws, n_rounds=_ROUNDS)
    uniform = tl.join(tl.join(first, third), tl.join(second, fourth))
    return tl.reshape(uniform, [ROWS, BLOCK_H]) >= p


@triton.jit(do_not_specialize=["seed"])
def _keep_mask_kernel(out_ptr, seed, p, H: tl.constexpr, BLOCK_H: tl.constexpr):
    rows = tl.program_id(0) + tl.arange(0, 1)
    columns = tl.arange(0, BLOCK_H)
    keep = draw_keep(seed, rows, p, 1, BLOCK_H)
    tl.store(out_ptr + rows[:, None] * H + columns[None, :], keep, mask=columns[None, :] < H)


def dropout_keep_mask(shape: tuple[int, int], *, p: float, seed: int, device: str) -> Tensor:
    """The mask that the kernels draw for an (N, H) tensor, for tests: True is kept."""
    mask = torch.empty(shape, dtype=torch.bool, device=device)
    _keep_mask_kernel[(shape[0],)](
        mask, seed, p, H=shape[1], BLOCK_H=triton.next_power_of_2(shape[1])
    )
    return mask
