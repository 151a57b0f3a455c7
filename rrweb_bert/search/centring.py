"""How alike two vectors are: the cosine, once the mean of all vectors is taken off.

Raw means of hidden states have one large direction in common, and everything is like everything. An
index and a page of neighbours compare vectors by this, and by nothing else.

Letters in shapes: n vectors of a batch, H their length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["mean_of", "unit_vectors"]


def mean_of(batches: Iterable[npt.NDArray[np.float32]], size: int) -> npt.NDArray[np.float32]:
    """(H,) the mean of all vectors; zeros where there are fewer than two.

    Args:
        batches: (n, H) each.
        size: H.
    """
    total, number = np.zeros(size), 0
    for batch in batches:
        total += batch.sum(axis=0, dtype=np.float64)
        number += len(batch)
    mean: npt.NDArray[np.float32] = (total / max(1, number)).astype(np.float32)
    # Of one vector nothing would be left.
    return mean if number > 1 else np.zeros_like(mean)


def unit_vectors(
    vectors: npt.NDArray[Any], mean: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(n, H) float32: the mean taken off, of length 1; one that is the mean stays 0."""
    centred = vectors.astype(np.float32) - mean
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = centred / np.maximum(lengths, np.float32(1e-12))
    return unit
