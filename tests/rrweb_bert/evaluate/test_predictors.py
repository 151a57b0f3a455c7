from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rrweb_bert.evaluate import predictors
from rrweb_bert.evaluate.predictors import ModelPredictor, judge_scores
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config

from .conftest import make_batch


def test_scores_are_judged_as_worked_out_by_hand():
    scores = torch.tensor([[0.1, 0.2, 0.7], [0.25, 0.5, 0.25]]).log()
    best, among, losses = judge_scores(scores, torch.tensor([2, 0]))
    assert best.tolist() == [2, 1]
    assert among.tolist() == [True, True]
    np.testing.assert_allclose(losses.numpy(), -np.log([0.7, 0.25]), rtol=1e-6)


@given(st.lists(st.integers(0, 3), min_size=8, max_size=12), st.data())
def test_of_equal_scores_the_smaller_id_comes_first(values, data):
    target = data.draw(st.integers(0, len(values) - 1))
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))
    best, among, _ = judge_scores(torch.tensor([values]).double(), torch.tensor([target]))
    assert best.item() == order[0]
    assert among.item() == (target in order[:5])


def test_infinite_scores_below_are_no_trouble():
    scores = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    best, _, losses = judge_scores(scores, torch.tensor([1]))
    assert best.item() == 1
    assert losses.item() == 0


@pytest.mark.parametrize("max_rows", [3, 2048])
def test_a_models_losses_are_those_of_training(monkeypatch, max_rows):
    monkeypatch.setattr(predictors, "_MAX_ROWS", max_rows)
    config = model_config("tiny", window_tokens=16)
    config.hidden_size, config.intermediate_size, config.vocab_size = 32, 64, 600
    torch.manual_seed(0)
    model = RRWebBertForMaskedLM(config).eval()
    rng = np.random.default_rng(0)
    batch = make_batch(rng.integers(5, 600, size=(3, 16)), [[1, 4, 5], [2], [7, 8, 9, 10]])
    labels = np.full(batch.true_ids.shape, -100)
    labels[batch.rows, batch.columns] = batch.targets
    expected, targets = model.masked_losses(
        torch.from_numpy(batch.input_ids), torch.from_numpy(labels)
    )
    predictor = ModelPredictor(model, device=torch.device("cpu"), autocast=nullcontext)
    found = predictor.predict(batch)
    np.testing.assert_array_equal(targets.numpy(), batch.targets)
    np.testing.assert_allclose(found.losses, expected.numpy(), rtol=1e-5)
    with torch.no_grad():
        logits = model(input_ids=torch.from_numpy(batch.input_ids)).logits
    np.testing.assert_array_equal(found.best, logits[batch.rows, batch.columns].argmax(-1).numpy())
