"""Whether predictions are grammatical: may an id stand among its neighbours?

A prediction is illegal where one of the successions that it takes part in breaks the grammar: with
the id before it, with the id after it, or, where it is a time or stands before one, the field that
follows its head. It is asked twice:

- one at a time: the prediction stands alone among what truly stands around it;
- all at once: the predictions of all masked positions of the window are filled in, so that a
  prediction must also agree with those beside it.

Letters: B batch, T window length, M masked positions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.grammar import illegal_successions
from rrweb_tokenizer.structural_vocab import PAD_ID

from .batches import MaskedBatch

__all__ = ["are_legal_alone", "are_legal_together"]

Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

# Two ids to each side: a succession is judged by the id before it, too.
_REACH: Final = 2
_WIDTH: Final = 2 * _REACH + 1


def are_legal_alone(batch: MaskedBatch, best: Ids) -> Bools:
    """(M,): each prediction among the true ids around it."""
    around = _around(batch.true_ids, batch)
    around[:, _REACH] = best
    return _are_legal(around)


def are_legal_together(batch: MaskedBatch, best: Ids) -> Bools:
    """(M,): each prediction among true ids and the other predictions of its window."""
    filled = batch.true_ids.copy()
    filled[batch.rows, batch.columns] = best
    return _are_legal(_around(filled, batch))


def _around(ids: Ids, batch: MaskedBatch) -> Ids:
    """(M, 5): the ids around each masked position, it in the middle, [PAD] beyond the window."""
    padded = np.pad(ids, ((0, 0), (_REACH, _REACH)), constant_values=PAD_ID)
    around: Ids = padded[batch.rows[:, None], batch.columns[:, None] + np.arange(_WIDTH)]
    return around


def _are_legal(around: Ids) -> Bools:
    """(M,): whether the three successions that the middle id decides are legal."""
    is_illegal = np.zeros(around.size, np.bool_)
    is_illegal[:-1] = illegal_successions(around.reshape(-1))
    # Column k is the succession from k to k + 1; it looks at k - 1 to k + 1.
    decided = is_illegal.reshape(around.shape)[:, _REACH - 1 : _REACH + 2]
    return np.logical_not(decided.any(axis=1))
