"""Vectors -> vectors in which nearness means more, fitted on the seen groups alone.

| name | what |
|---|---|
| plain | as they are |
| centred | minus the mean |
| standardised | minus the mean, each number over its deviation |
| top removed | minus the mean and the leading components, which say little but are large |
| whitened | components of equal size, the small ones left out |
| own site removed | standardised, minus the mean of the unit's group; needs no label |
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["TRANSFORMS", "transformed"]

TRANSFORMS: Final = (
    "plain", "centred", "standardised", "top removed", "whitened", "own site removed"
)  # fmt: skip
_NUM_TOP: Final = 3
_NUM_WHITENED: Final = 64
_SMALL: Final = 1e-6

Vectors = npt.NDArray[np.float64]


def transformed(
    vectors: npt.NDArray[np.floating],
    name: str,
    *,
    is_seen: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.str_],
) -> Vectors:
    """(u, f) float64: all vectors after the transform, fitted on those that are seen.

    Args:
        vectors: (u, f).
        name: one of `TRANSFORMS`.
        is_seen: (u,) what may be fitted on.
        groups: (u,) their groups.

    Raises:
        ValueError: there is no such transform.
    """
    x: Vectors = np.asarray(vectors, dtype=np.float64)
    fitted = x[is_seen]
    centred: Vectors = x - fitted.mean(axis=0)
    if name == "plain":
        return x
    if name == "centred":
        return centred
    if name == "standardised":
        standardised: Vectors = centred / np.maximum(fitted.std(axis=0), _SMALL)
        return standardised
    if name == "own site removed":
        scaled: Vectors = centred / np.maximum(fitted.std(axis=0), _SMALL)
        for group in np.unique(groups):
            scaled[groups == group] -= scaled[groups == group].mean(axis=0)
        return scaled
    if name not in TRANSFORMS:
        raise ValueError(f"transform {name!r} is none of {', '.join(TRANSFORMS)}")
    _, sizes, components = np.linalg.svd(centred[is_seen], full_matrices=False)
    if name == "top removed":
        top = components[:_NUM_TOP]
        rest: Vectors = centred - centred @ top.T @ top
        return rest
    num = min(_NUM_WHITENED, int((sizes > _SMALL * sizes[0]).sum()))
    scale = sizes[:num] / np.sqrt(max(1, len(fitted) - 1))
    whitened: Vectors = centred @ components[:num].T / scale
    return whitened
