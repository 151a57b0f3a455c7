"""The fused layers with their reference kernels, on the CPU in float32, against stock BERT."""

import pytest
import torch
from transformers import BertForMaskedLM

from rrweb_bert import fused_reference as reference
from rrweb_bert.fused_encoder import is_supported
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX, RRWebBertForMaskedLM, model_config


def twins(dropout=0.0):
    """Our model with fused layers and the stock one, the same weights, in training mode."""
    config = model_config(
        "tiny", window_tokens=64, hidden_dropout=dropout, attention_dropout=dropout
    )
    config.hidden_size, config.intermediate_size, config.vocab_size = 48, 96, 600
    torch.manual_seed(0)
    ours = RRWebBertForMaskedLM(config)
    with torch.no_grad():  # no bias is 0 and no norm the identity, so that none can hide
        for parameter in ours.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    stock = BertForMaskedLM(config)
    stock.load_state_dict(ours.state_dict())
    ours.fused_kernels = reference
    return ours.train(), stock.train()


def batch(rows=4, width=40):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 600, (rows, width), generator=generator)
    is_masked = torch.rand(ids.shape, generator=generator) < 0.15
    return ids, torch.where(is_masked, ids, IGNORE_INDEX)


@pytest.mark.parametrize("recompute_gelu", [False, True])
@pytest.mark.parametrize("static_head", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_loss_and_gradients_equal_stock_bert(recompute_gelu, static_head, padded):
    ours, stock = twins()
    ours.recompute_gelu, ours.static_head = recompute_gelu, static_head
    ids, labels = batch()
    mask = None
    if padded:
        mask = torch.ones_like(ids)
        mask[1, 25:] = 0
        labels[1, 25:] = IGNORE_INDEX
    expected = stock(ids, attention_mask=mask, labels=labels).loss
    actual = ours(ids, attention_mask=mask, labels=labels).loss
    expected.backward()
    actual.backward()
    assert actual.item() == pytest.approx(expected.item(), abs=1e-5)
    theirs = dict(stock.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=1e-5, rtol=1e-5)


def test_one_micro_batch_at_a_time_gives_the_gradients_of_the_whole_batch():
    ours, _ = twins()
    ids, labels = batch(rows=4)
    num_items = (labels != IGNORE_INDEX).sum()
    ours(ids, labels=labels).loss.backward()
    whole = {name: p.grad.clone() for name, p in ours.named_parameters()}
    ours.zero_grad()
    for i, j in zip(ids.split(1), labels.split(1), strict=True):
        ours(i, labels=j, num_items_in_batch=num_items).loss.backward()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, whole[name], atol=1e-5, rtol=1e-4)


def test_evaluation_losses_equal_those_of_the_stock_layers_with_and_without_padding():
    ours, _ = twins(dropout=0.1)
    ids, labels = batch()
    mask = torch.ones_like(ids)
    mask[2, 30:] = 0
    labels[2, 30:] = IGNORE_INDEX
    for given in (None, mask):
        fused, _ = ours.eval().masked_losses(ids, labels, given)
        ours.fused_kernels = None
        plain, _ = ours.masked_losses(ids, labels, given)
        ours.fused_kernels = reference
        torch.testing.assert_close(fused, plain, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing_at_inference():
    ours, _ = twins()
    ids, labels = batch(rows=2, width=30)
    alone, _ = ours.eval().masked_losses(ids, labels)
    wide = torch.cat((ids, torch.zeros(2, 10, dtype=ids.dtype)), dim=1)
    wide_labels = torch.cat((labels, torch.full((2, 10), IGNORE_INDEX)), dim=1)
    mask = (torch.arange(40) < 30).long().expand(2, -1)
    padded, _ = ours.masked_losses(wide, wide_labels, mask)
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)


def test_losses_with_dropout_have_the_distribution_of_stock_bert():
    """Mean and spread over 300 draws, each within 5 standard errors of the stock model's."""
    ours, stock = twins(dropout=0.2)
    ids, labels = batch()
    torch.manual_seed(5)
    with torch.no_grad():
        mine = torch.stack([ours(ids, labels=labels).loss for _ in range(300)]).double()
        theirs = torch.stack([stock(ids, labels=labels).loss for _ in range(300)]).double()
    error = theirs.std() / 300**0.5
    assert abs(mine.mean() - theirs.mean()) < 5 * error * 2**0.5
    assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.25)


def test_the_same_seed_gives_the_same_dropout():
    ours, _ = twins(dropout=0.2)
    ids, labels = batch()
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(ours(ids, labels=labels).loss.item())
    assert losses[0] == losses[1] != losses[2]


def test_layers_of_another_kind_are_not_fused():
    config = model_config("tiny")
    assert is_supported(config)
    config.hidden_act = "relu"
    assert not is_supported(config)
