"""The windows and masks of an evaluation: those that training evaluates on, in batches.

Letters: B batch, T window length, M masked positions of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.shards import SplitTable
from data_prep.windows import evaluation_plan, evaluation_window, piece_sessions
from rrweb_tokenizer.structural_vocab import SEP_ID

from ..assembly import EVALUATION_SEED
from ..collator import EVALUATION_MASK_SEED, RRWebDataCollator
from ..modeling_rrweb_bert import IGNORE_INDEX

__all__ = ["MaskedBatch", "masked_batches"]

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedBatch:
    """Windows of one batch; the masked positions are in reading order throughout."""

    true_ids: Ids
    """(B, T): the windows as they are."""

    input_ids: Ids
    """(B, T): with masks; of the positions to be predicted 80% are [MASK], 10% another id."""

    rows: Ids
    """(M,): the window of each position to be predicted."""

    columns: Ids
    """(M,): its place in it."""

    targets: Ids
    """(M,): the id that stands there."""

    sessions: Ids
    """(M,): the session in the split's table that it comes from."""


def masked_batches(
    table: SplitTable,
    tokenizer: Any,
    *,
    window_tokens: int,
    batch_size: int,
    num_windows: int,
    mlm_probability: float = 0.15,
) -> Iterator[MaskedBatch]:
    """Yield the windows of a split, one a session, with fixed masks.

    They are those of the evaluations in training, so the mean loss is its `eval_loss`, however the
    windows fall into batches.

    Args:
        table: the sessions of a split; at least one.
        tokenizer: tells the size of the vocabulary.
        window_tokens: T.
        batch_size: B.
        num_windows: at most so many.
        mlm_probability: share of ids that are to be predicted.
    """
    plan = evaluation_plan(
        table, EVALUATION_SEED, window_tokens=window_tokens, max_windows=num_windows
    )
    collate = RRWebDataCollator(
        tokenizer, mlm_probability=mlm_probability, mask_seed=EVALUATION_MASK_SEED
    )
    for start in range(0, plan.samples_per_epoch, batch_size):
        numbers = range(start, min(start + batch_size, plan.samples_per_epoch))
        windows = [evaluation_window(plan, table, number) for number in numbers]
        examples = [
            {"input_ids": window, "sample_index": number}
            for window, number in zip(windows, numbers, strict=True)
        ]
        batch = collate.torch_call(examples)
        true_ids = np.stack(windows).astype(np.int64)
        labels = batch["labels"].numpy()
        rows, columns = np.nonzero(labels != IGNORE_INDEX)
        is_end = true_ids == SEP_ID
        pieces = np.cumsum(is_end, axis=1) - is_end
        sessions = np.empty_like(true_ids)
        for row, number in enumerate(numbers):
            drawn = piece_sessions(plan, table, number, int(is_end[row].sum()))
            sessions[row] = np.array([*drawn, -1])[np.where(is_end[row], -1, pieces[row])]
        yield MaskedBatch(
            true_ids=true_ids,
            input_ids=batch["input_ids"].numpy(),
            rows=rows,
            columns=columns,
            targets=labels[rows, columns],
            sessions=sessions[rows, columns],
        )
