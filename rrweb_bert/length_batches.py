"""Which windows go through a model together.

On a GPU windows of like length are padded to one shape. On a CPU they are not padded: another call
costs less there than what padding adds, attention without a mask is a fifth faster, and batches of
some thousand ids stay in its caches (of the sample with the mini: 24 CPU seconds with padded
batches of 16 windows, 16 with these).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

__all__ = ["CPU_BATCH_IDS", "batches_by_length"]

CPU_BATCH_IDS: Final = 2048
"""Ids of a batch on a CPU, where one window alone does not have more."""


def batches_by_length(
    lengths: Sequence[int], *, max_windows: int | None = None, max_ids: int | None, pads: bool
) -> Iterator[list[int]]:
    """Places of windows that go together, the longest first, so that memory is known at once.

    >>> list(batches_by_length([5, 7, 5, 6], max_ids=14, pads=True))
    [[1, 3], [0, 2]]
    >>> list(batches_by_length([5, 7, 5, 6], max_ids=14, pads=False))
    [[1], [3], [0, 2]]

    Args:
        lengths: how many ids each window has.
        max_windows: the most windows of a batch; None for any number.
        max_ids: the most ids of a batch, padding counted, unless one window has more; None for any
            number.
        pads: whether windows of different lengths may go together.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        longest = lengths[batch[0]] if batch else 0
        is_full = (
            len(batch) == max_windows
            or (max_ids is not None and (len(batch) + 1) * longest > max_ids)
            or (not pads and lengths[place] != longest)
        )
        if batch and is_full:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
