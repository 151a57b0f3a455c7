"""Hidden states of some positions are those of all positions, looked at there."""

import pytest
import torch
from torch.testing import assert_close

from rrweb_bert.chosen_states import chosen_states
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return RRWebBertForMaskedLM(model_config("tiny", window_tokens=64)).eval()


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_chosen_states_are_those_of_the_whole_model(model, share):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(600, (3, 40), generator=generator)
    is_chosen = torch.rand((3, 40), generator=generator) < share
    is_chosen[1] = False  # a window that nothing is asked of
    with torch.inference_mode():
        whole = model.bert(ids).last_hidden_state
        assert_close(chosen_states(model.bert, ids, is_chosen), whole[is_chosen])


def test_masked_states_are_the_same_where_all_layers_are_run_whole(model):
    ids = torch.arange(20)[None] + 530
    is_masked = ids % 7 == 0
    chosen = model.masked_states(ids, is_masked)
    # With a mask, though of ones, the layers are run whole.
    assert_close(chosen, model.masked_states(ids, is_masked, torch.ones_like(ids)))


def test_a_model_in_training_drops_out_in_all_layers(model):
    ids = torch.arange(20)[None] + 530
    try:
        model.train()
        torch.manual_seed(3)
        first = model.masked_states(ids, ids > 0)
        torch.manual_seed(4)
        assert not torch.equal(first, model.masked_states(ids, ids > 0))
    finally:
        model.eval()
