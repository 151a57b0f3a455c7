import numpy as np
import pytest
import torch

from data_prep.shards import SplitTable
from data_prep.streaming import evaluation_stream
from rrweb_bert.assembly import EVALUATION_SEED
from rrweb_bert.collator import EVALUATION_MASK_SEED, RRWebDataCollator
from rrweb_bert.evaluate.batches import masked_batches
from rrweb_tokenizer.structural_vocab import SEP_ID

SETTINGS = {"window_tokens": 64, "num_windows": 100}


def test_windows_and_masks_are_those_of_the_evaluation_in_training(corpus_dir, tokenizer):
    table = SplitTable.open(corpus_dir, "validation")
    stream = evaluation_stream(
        corpus_dir, "validation", window_tokens=64, seed=EVALUATION_SEED, batch_size=3
    )
    collated = RRWebDataCollator(tokenizer, mask_seed=EVALUATION_MASK_SEED)(list(stream))
    (batch,) = masked_batches(table, tokenizer, batch_size=100, **SETTINGS)
    np.testing.assert_array_equal(batch.input_ids, collated["input_ids"].numpy())
    labels = torch.full_like(collated["labels"], -100)
    labels[batch.rows, batch.columns] = torch.from_numpy(batch.targets)
    assert torch.equal(labels, collated["labels"])
    np.testing.assert_array_equal(batch.true_ids[batch.rows, batch.columns], batch.targets)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_positions_do_not_depend_on_the_batch_size(corpus_dir, tokenizer, batch_size):
    table = SplitTable.open(corpus_dir, "validation")
    (whole,) = masked_batches(table, tokenizer, batch_size=100, **SETTINGS)
    parts = list(masked_batches(table, tokenizer, batch_size=batch_size, **SETTINGS))
    for name in ("columns", "targets", "sessions"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_each_position_is_counted_to_the_session_that_it_comes_from(write_corpus, tokenizer):
    # Session n holds the id 100 + n alone, and is shorter than a window.
    table = write_corpus(test=[[100 + n] * (5 + n) for n in range(6)])["test"]
    for batch in masked_batches(table, tokenizer, batch_size=4, **SETTINGS):
        assert (batch.true_ids[:, 1:] == SEP_ID).any()
        np.testing.assert_array_equal(batch.targets - 100, batch.sessions)


def test_no_more_windows_than_asked_for(corpus_dir, tokenizer):
    table = SplitTable.open(corpus_dir, "validation")
    batches = list(masked_batches(table, tokenizer, batch_size=2, window_tokens=32, num_windows=3))
    assert [len(batch.input_ids) for batch in batches] == [2, 1]
