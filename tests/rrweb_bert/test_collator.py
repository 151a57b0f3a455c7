import numpy as np
import pytest
import torch

from rrweb_bert.collator import EVALUATION_MASK_SEED, RRWebDataCollator
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX
from rrweb_tokenizer.structural_vocab import CLS_ID, MASK_ID, PAD_ID, SEP_ID, VOCAB_SIZE


def windows(rows=32, width=2048, seed=0):
    ids = np.random.default_rng(seed).integers(5, VOCAB_SIZE, (rows, width)).astype(np.uint16)
    ids[:, 0], ids[:, -1] = CLS_ID, SEP_ID
    return [{"input_ids": row, "sample_index": j} for j, row in enumerate(ids)]


def test_shares_are_15_percent_and_80_10_10_and_specials_stay(tokenizer):
    examples = windows(64)
    original = np.stack([e["input_ids"] for e in examples]).astype(np.int64)
    batch = RRWebDataCollator(tokenizer)(examples)
    ids, labels = batch["input_ids"].numpy(), batch["labels"].numpy()
    chosen = labels != IGNORE_INDEX
    assert chosen.mean() == pytest.approx(0.15, abs=0.01)
    assert (labels[chosen] == original[chosen]).all()
    assert (ids[~chosen] == original[~chosen]).all()
    assert not chosen[:, [0, -1]].any()
    assert (ids[chosen] == MASK_ID).mean() == pytest.approx(0.8, abs=0.01)
    replaced = chosen & (ids != MASK_ID) & (ids != original)
    assert replaced.sum() / chosen.sum() == pytest.approx(0.1, abs=0.01)
    assert ids[replaced].min() >= 5
    assert ids[replaced].max() > VOCAB_SIZE - 50


def test_full_windows_come_without_an_attention_mask(tokenizer):
    assert set(RRWebDataCollator(tokenizer)(windows(2, 64))) == {"input_ids", "labels"}


def test_unequal_windows_are_padded_and_padding_is_never_masked(tokenizer):
    examples = windows(3, 64)
    examples[1]["input_ids"] = examples[1]["input_ids"][:40]
    batch = RRWebDataCollator(tokenizer, mlm_probability=1.0)(examples)
    assert batch["attention_mask"].sum(1).tolist() == [64, 40, 64]
    assert (batch["input_ids"][1, 40:] == PAD_ID).all()
    assert (batch["labels"][1, 40:] == IGNORE_INDEX).all()


def test_mask_depends_on_seed_and_sample_alone(tokenizer):
    examples = windows(8, 256)
    collate = RRWebDataCollator(tokenizer, mask_seed=7)
    whole = collate(examples)
    turned = RRWebDataCollator(tokenizer, mask_seed=7)(examples[::-1])
    assert torch.equal(whole["input_ids"], turned["input_ids"].flip(0))
    assert torch.equal(whole["labels"], turned["labels"].flip(0))
    assert torch.equal(whole["labels"], collate(examples)["labels"])
    other = RRWebDataCollator(tokenizer, mask_seed=8)(examples)
    assert not torch.equal(whole["labels"], other["labels"])
    evaluation = RRWebDataCollator(tokenizer, mask_seed=EVALUATION_MASK_SEED)(examples)
    assert not torch.equal(whole["labels"], evaluation["labels"])


def test_samples_of_one_batch_have_different_masks(tokenizer):
    same = windows(1, 512)[0]["input_ids"]
    batch = RRWebDataCollator(tokenizer)(
        [{"input_ids": same, "sample_index": j} for j in (0, 1, 2**40)]
    )
    rows = {tuple(row.tolist()) for row in batch["labels"]}
    assert len(rows) == 3


def test_the_window_itself_is_left_as_it_was(tokenizer):
    examples = windows(2, 64)
    before = examples[0]["input_ids"].copy()
    RRWebDataCollator(tokenizer)(examples)
    assert (examples[0]["input_ids"] == before).all()


@pytest.mark.parametrize("form", ["lists", "dicts", "tensors"])
def test_ordinary_examples_are_collated_as_stock_does(tokenizer, form):
    rows = [w["input_ids"].astype(np.int64) for w in windows(4, 128)]
    examples = {
        "lists": [row.tolist() for row in rows],
        "dicts": [{"input_ids": row.tolist()} for row in rows],
        "tensors": [torch.from_numpy(row) for row in rows],
    }[form]
    torch.manual_seed(0)
    batch = RRWebDataCollator(tokenizer, mlm_probability=0.5)(examples)
    chosen = batch["labels"] != IGNORE_INDEX
    assert chosen.float().mean() == pytest.approx(0.5, abs=0.1)
    assert not chosen[:, [0, -1]].any()
    assert torch.equal(batch["labels"][chosen], torch.from_numpy(np.stack(rows))[chosen])


def test_stock_hook_repeats_with_a_seed_and_honours_the_given_special_mask(tokenizer):
    examples = [
        {"input_ids": list(range(5, 105)), "special_tokens_mask": [1] * 50 + [0] * 50}
        for _ in range(2)
    ]
    batch = RRWebDataCollator(tokenizer, mlm_probability=1.0, seed=3)(examples)
    assert (batch["labels"][:, :50] == IGNORE_INDEX).all()
    assert (batch["labels"][:, 50:] != IGNORE_INDEX).all()
    assert (batch["input_ids"][:, :50] >= 5).all()
    again = RRWebDataCollator(tokenizer, mlm_probability=1.0, seed=3)(examples)
    assert torch.equal(batch["input_ids"], again["input_ids"])
