"""Three matrices side by side, with the sums of their columns.

Letters: N rows (tokens), H hidden size.
"""
# ruff: noqa: ANN001, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from .rows import column_sums

__all__ = ["pack_heads"]

_ROWS_PER_PROGRAM: Final = 128


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
    grid = (triton.cdiv(num_rows, _ROWS_PER_PROGRAM), triton.cdiv(hidden, columns), 3)
    partial = torch.empty((grid[0], 3 * hidden), dtype=torch.float32, device=query.device)
    _pack_heads_kernel[grid](
        query, key, value, out, partial, num_rows,
        H=hidden, ROWS=16, COLUMNS=columns, STEPS=_ROWS_PER_PROGRAM // 16, num_warps=4,
    )  # fmt: skip
    return out, column_sums(partial)
