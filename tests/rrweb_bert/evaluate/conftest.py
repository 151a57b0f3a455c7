"""Corpora of a few sessions, and batches made by hand."""

import numpy as np
import pytest

from data_prep.shards import SessionRow, SplitTable
from data_prep.split_writer import write_split
from rrweb_bert.evaluate.batches import MaskedBatch
from rrweb_tokenizer.structural_vocab import MASK_ID

VOCAB = 600


def _row(split, number, ids):
    return SessionRow(
        session_id=f"{split}-{number}",
        group=f"site:{split}-{number % 3}",
        split=split,
        ids=np.array(ids, np.uint16),
        keyframes=np.array([0], np.uint32),
        start_ms=0.0,
        end_ms=1000.0,
        num_events=1,
        sha256=f"{number:064d}",
    )


@pytest.fixture
def write_corpus(tmp_path):
    """A function (split -> sessions of ids) that writes a corpus and returns its tables."""

    def write(**sessions):
        for split, lists in sessions.items():
            write_split(tmp_path, split, [_row(split, n, ids) for n, ids in enumerate(lists)])
        return {split: SplitTable.open(tmp_path, split) for split in sessions}

    return write


def make_batch(true_ids, columns, *, shown=None, sessions=None):
    """A batch in which some columns of each window are masked; `shown` has other ids there."""
    true_ids = np.array(true_ids, np.int64)
    rows = np.repeat(np.arange(len(true_ids)), [len(row) for row in columns])
    places = np.array([column for row in columns for column in row], np.int64)
    input_ids = true_ids.copy()
    input_ids[rows, places] = MASK_ID
    for (row, column), token_id in (shown or {}).items():
        input_ids[row, column] = token_id
    return MaskedBatch(
        true_ids=true_ids,
        input_ids=input_ids,
        rows=rows,
        columns=places,
        targets=true_ids[rows, places],
        sessions=rows if sessions is None else np.array(sessions),
    )
