"""How rows are dealt out to programs, and what the programs' partial sums add up to."""
# ruff: noqa: ANN001, ANN202 - Triton kernels take pointers and numbers as they come

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["check_rows", "column_sums", "num_processors"]


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


def column_sums(x: Tensor) -> Tensor:
    """Sums of the columns of a few hundred rows, float32: torch takes three times as long."""
    num_rows, width = x.shape
    out = torch.empty(width, dtype=torch.float32, device=x.device)
    _column_sums_kernel[(triton.cdiv(width, 32),)](
        x, out, num_rows, width, ROWS=64, COLUMNS=32, num_warps=4
    )
    return out


def num_processors(device: torch.device) -> int:
    """Multiprocessors of `device`: a few programs for each keep it busy."""
    if device.type != "cuda":
        return 1  # Triton's interpreter
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def check_rows(x: Tensor) -> None:
    """Refuse (N, H) tensors whose offsets do not fit the 32 bits that the kernels count them in.

    Raises:
        ValueError: there are too many tokens.
    """
    if x.numel() >= 2**31:
        raise ValueError(
            f"{x.shape[0]:,} tokens of {x.shape[1]} values a step are too many for the fused "
            "kernels. Use a smaller batch, with --gradient_accumulation_steps"
        )
