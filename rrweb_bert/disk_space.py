"""Whether a checkpoint fits on the disk, asked before it is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

__all__ = ["CheckpointError", "estimate_bytes", "free_bytes", "no_room_message", "require_room"]

# Tokenizer, configuration, random state, log; and the rounding up to blocks of each file.
_SMALL_FILES_BYTES: Final = 8 << 20
# AdamW keeps two moments for each weight; other optimizers keep less.
_MOMENTS_PER_WEIGHT: Final = 2
_LOG_GROWTH: Final = 1.02


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written; the message names folder, bytes and remedy."""


def estimate_bytes(model: nn.Module, optimizer: Any, *, last_bytes: int = 0) -> int:
    """Bytes that the next checkpoint takes at most, about.

    Args:
        model: its weights are written once, tied ones not twice.
        optimizer: its state counts once it is there, else two moments of each weight.
        last_bytes: size of an earlier checkpoint of the run, 0 for none.
    """
    weights = {p.data_ptr(): p.numel() * p.element_size() for p in model.parameters()}
    state = getattr(optimizer, "state", None) or {}
    moments = sum(
        value.numel() * value.element_size()
        for values in state.values()
        for value in values.values()
        if isinstance(value, Tensor)
    )
    num_bytes = sum(weights.values()) + (moments or _MOMENTS_PER_WEIGHT * sum(weights.values()))
    return max(num_bytes + _SMALL_FILES_BYTES, int(last_bytes * _LOG_GROWTH))


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write at `folder`, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def require_room(output_dir: Path, name: str, needed: int) -> None:
    """Check that `needed` bytes are free for a checkpoint.

    Raises:
        CheckpointError: they are not.
    """
    free = free_bytes(output_dir)
    if free < needed:
        raise CheckpointError(no_room_message(output_dir, name, needed=needed, free=free))


def no_room_message(output_dir: Path, name: str, *, needed: int, free: int) -> str:
    """What a person reads when the disk is full."""
    return (
        f"no room for {name} in {output_dir}: it needs about {_size(needed)}, {_size(free)} are "
        f"free (--save_total_limit lets more than one lie there). Whatever was saved before is as "
        f"it was. Make room and run the same command again to continue"
    )


def _size(num_bytes: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= scale:
            return f"{num_bytes / scale:.1f} {unit}"
    return f"{num_bytes:,} bytes"
