import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import write_recordings
from transformers import TrainerControl, TrainerState

from rrweb_bert.collator import EVALUATION_MASK_SEED, RRWebDataCollator
from rrweb_bert.evaluation import KINDS
from rrweb_bert.example_predictions import (
    ExamplePredictions,
    choose_positions,
    examples_of,
    predict,
)
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX, RRWebBertForMaskedLM, model_config
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, VOCAB_SIZE


@pytest.fixture(scope="module")
def tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return RRWebBertForMaskedLM(model_config("tiny", window_tokens=128)).eval()


@pytest.fixture(scope="module")
def batch(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder, num_per_site=2, num_actions=40)
    windows = []
    for number, path in enumerate(sorted(folder.rglob("*.json"))[:3]):
        ids = tokenizer.encode_session(path).ids[:126]
        window = np.concatenate([[2], ids, [3]])
        windows.append({"input_ids": window, "sample_index": number})
    return RRWebDataCollator(tokenizer, mask_seed=EVALUATION_MASK_SEED)(windows)


def test_the_same_positions_of_every_kind_are_chosen_each_time(batch):
    masked = choose_positions(batch)
    assert masked.positions == choose_positions(batch).positions
    labels = [int(batch["labels"][place]) for place in masked.positions]
    assert IGNORE_INDEX not in labels
    assert 4 < len(labels) <= 2 * len(KINDS)


def test_examples_tell_event_truth_and_the_five_likeliest(batch, model, tokenizer):
    masked = choose_positions(batch)
    probabilities = predict(model, masked)
    assert probabilities.sum(1) == pytest.approx(torch.ones(len(masked.positions)))
    logits = model(batch["input_ids"], batch.get("attention_mask")).logits.softmax(-1)
    for place, each, example in zip(
        masked.positions, probabilities, examples_of(masked, probabilities, tokenizer), strict=True
    ):
        torch.testing.assert_close(each, logits[place], atol=1e-5, rtol=1e-4)
        true_id = int(batch["labels"][place])
        assert example.truth == tokenizer.convert_ids_to_tokens(true_id)
        assert example.truth_probability == pytest.approx(float(each[true_id]), abs=1e-6)
        assert [p for _, p in example.top] == sorted((p for _, p in example.top), reverse=True)
        assert example.top[0][0] == tokenizer.convert_ids_to_tokens(int(each.argmax()))
        assert len(example.top) == 5
        assert example.tokens.count("[MASK?]") == 1
        assert example.event


def test_a_worked_example_shows_the_masked_click(tokenizer):
    ids = [
        STRUCTURAL_IDS[t] for t in ("[CLS]", "[MI_Click]", "[DT_9]", "[REF_NEW]", "[TAG_button]")
    ]
    batch = {"input_ids": torch.tensor([[*ids, 3]]), "labels": torch.full((1, 6), IGNORE_INDEX)}
    batch["labels"][0, 4] = ids[4]
    batch["input_ids"][0, 4] = STRUCTURAL_IDS["[MASK]"]
    probabilities = torch.zeros(1, VOCAB_SIZE)
    probabilities[0, ids[4]], probabilities[0, ids[3]] = 0.75, 0.25
    (example,) = examples_of(choose_positions(batch), probabilities, tokenizer)
    assert example.kind == "tag"
    assert "clicks button" in example.event
    assert example.tokens == "[MI_Click] [DT_9] [REF_NEW] [MASK?]"
    assert (example.truth, example.truth_probability) == ("[TAG_button]", 0.75)
    assert example.top[:2] == (("[TAG_button]", 0.75), ("[REF_NEW]", 0.25))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_any_ids_can_be_told(tokenizer, data):
    ids = data.draw(st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=40))
    is_masked = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    labels = [
        i if masked and i >= 5 else IGNORE_INDEX for i, masked in zip(ids, is_masked, strict=True)
    ]
    batch = {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}
    masked = choose_positions(batch)
    probabilities = torch.full((len(masked.positions), VOCAB_SIZE), 1 / VOCAB_SIZE)
    for example in examples_of(masked, probabilities, tokenizer):
        text = json.dumps(example.top) + example.event + example.tokens + example.truth
        assert text.isprintable()


def run(callback, model, step):
    state = TrainerState(global_step=step, is_world_process_zero=True)
    callback.on_evaluate(None, state, TrainerControl(), model=model)


def callback_in(folder, batch, tokenizer, *, until_step=0, sinks=()):
    return ExamplePredictions(
        choose_positions(batch),
        tokenizer,
        output_dir=folder,
        until_step=until_step,
        autocast=nullcontext,
        sinks=sinks,
    )


def test_a_resumed_run_leaves_no_doubled_rows(batch, model, tokenizer, tmp_path):
    seen = []
    first = callback_in(tmp_path, batch, tokenizer, sinks=[lambda *given: seen.append(given)])
    for step in (2, 4, 6):
        run(first, model, step)
    path = tmp_path / "examples.jsonl"
    whole = path.read_text()
    assert [step for step, _ in seen] == [2, 4, 6]
    path.write_text(whole + '{"step": 6, "cut')
    resumed = callback_in(tmp_path, batch, tokenizer, until_step=4)
    resumed.on_train_begin(None, TrainerState(is_world_process_zero=True), TrainerControl())
    run(resumed, model, 6)
    assert path.read_text() == whole
