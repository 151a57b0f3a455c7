import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForMaskedLM, BertForMaskedLM

from rrweb_bert.modeling_rrweb_bert import (
    ATTENTION,
    IGNORE_INDEX,
    RRWebBertForMaskedLM,
    gather_masked_positions,
    masked_capacity,
    model_config,
)


def small_config(dropout=0.0):
    config = model_config(
        "tiny", window_tokens=64, hidden_dropout=dropout, attention_dropout=dropout
    )
    config.hidden_size, config.intermediate_size, config.vocab_size = 32, 64, 600
    return config


def twins():
    """Our model and the stock one with the same weights, dropout off, in training mode."""
    torch.manual_seed(0)
    ours = RRWebBertForMaskedLM(small_config())
    stock = BertForMaskedLM(small_config())
    stock.load_state_dict(ours.state_dict())
    return ours.train(), stock.train()


def batch(rows=4, width=48, share=0.15):
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 600, (rows, width), generator=generator)
    is_masked = torch.rand(ids.shape, generator=generator) < share
    return ids, torch.where(is_masked, ids, IGNORE_INDEX)


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("static_head", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_training_loss_and_gradients_equal_stock_bert(static_head, padded):
    ours, stock = twins()
    ours.static_head = static_head
    ids, labels = batch()
    mask = None
    if padded:
        mask = torch.ones_like(ids)
        mask[1, 30:] = 0
        labels[1, 30:] = IGNORE_INDEX
    expected = stock(ids, attention_mask=mask, labels=labels).loss
    actual = ours(ids, attention_mask=mask, labels=labels).loss
    expected.backward()
    actual.backward()
    assert actual.item() == pytest.approx(expected.item(), abs=1e-5)
    assert ours.num_overflows == 0
    reference = gradients(stock)
    assert gradients(ours).keys() == reference.keys()
    for name, gradient in gradients(ours).items():
        torch.testing.assert_close(gradient, reference[name], atol=1e-5, rtol=1e-5)


def test_evaluation_gives_the_full_logits_and_loss_of_stock_bert():
    ours, stock = twins()
    ids, labels = batch()
    actual, expected = ours.eval()(ids, labels=labels), stock.eval()(ids, labels=labels)
    torch.testing.assert_close(actual.logits, expected.logits, atol=1e-5, rtol=1e-5)
    assert actual.loss.item() == pytest.approx(expected.loss.item(), abs=1e-5)
    assert ours(ids, labels=labels, return_dict=False)[0].item() == pytest.approx(
        actual.loss.item()
    )


def test_masked_losses_average_to_the_evaluation_loss():
    ours, _ = twins()
    ids, labels = batch()
    losses, targets = ours.eval().masked_losses(ids, labels)
    assert torch.equal(targets, labels[labels != IGNORE_INDEX])
    assert losses.mean().item() == pytest.approx(ours(ids, labels=labels).loss.item(), abs=1e-5)


def test_loss_over_micro_batches_equals_the_loss_of_the_whole_batch():
    ours, _ = twins()
    ids, labels = batch(rows=4)
    num_items = (labels != IGNORE_INDEX).sum()
    whole = ours(ids, labels=labels).loss
    parts = [
        ours(i, labels=j, num_items_in_batch=num_items).loss
        for i, j in zip(ids.split(1), labels.split(1), strict=True)
    ]
    assert sum(parts).item() == pytest.approx(whole.item(), abs=1e-6)


def test_gathered_positions_are_the_masked_ones_in_order():
    labels = torch.full((2, 5), IGNORE_INDEX)
    labels[0, 0], labels[0, 3], labels[1, 4] = 7, 8, 9
    positions, targets, num_masked = gather_masked_positions(labels, 5)
    assert positions.tolist() == [0, 3, 9, 0, 0]
    assert targets.tolist() == [7, 8, 9, IGNORE_INDEX, IGNORE_INDEX]
    assert num_masked == 3


def test_more_masked_positions_than_rows_are_counted_and_made_up_for():
    ours, _ = twins()
    ours.static_head, ours.mlm_probability = True, 0.05
    ids, labels = batch(rows=8, share=1.0)
    whole = ours.eval()(ids, labels=labels).loss
    loss = ours.train()(ids, labels=labels).loss
    assert ours.num_overflows == 1
    assert loss.item() == pytest.approx(whole.item(), rel=0.05)


def test_capacity_is_the_mean_and_six_sigma():
    assert masked_capacity(32 * 2048, 0.15) == 10432
    assert masked_capacity(10, 0.15) == 10


def test_base_has_the_parameters_of_the_reference():
    with torch.device("meta"):
        model = RRWebBertForMaskedLM(model_config("base"))
    assert sum(p.numel() for p in model.parameters()) == 96_850_408
    assert model.config.attention_probs_dropout_prob == model.config.hidden_dropout_prob == 0.1


def test_unknown_size_is_refused():
    with pytest.raises(ValueError, match="tiny, mini, base"):
        model_config("huge")


def test_no_mask_is_built_when_none_is_given(monkeypatch):
    ours, _ = twins()
    seen = []
    inner = torch.nn.functional.scaled_dot_product_attention

    def spy(*args, **kwargs):
        seen.append((kwargs["attn_mask"], kwargs["dropout_p"]))
        return inner(*args, **kwargs)

    monkeypatch.setattr("rrweb_bert.modeling_rrweb_bert.scaled_dot_product_attention", spy)
    for layer in ours.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.25
    ids, labels = batch()
    ours(ids, labels=labels)
    assert seen == [(None, 0.25), (None, 0.25)]


def test_the_traced_training_graph_holds_no_square_mask():
    from torch.export import export

    ours, _ = twins()
    ids, _ = batch(rows=2, width=48)
    graph = export(ours.eval(), (ids,)).graph
    shapes = [
        tuple(n.meta["val"].shape) for n in graph.nodes if hasattr(n.meta.get("val"), "shape")
    ]
    assert shapes
    assert not [shape for shape in shapes if shape[-2:] == (48, 48)]


def test_an_explicitly_asked_attention_is_respected():
    config = small_config()
    config._attn_implementation = "eager"
    assert RRWebBertForMaskedLM(config).config._attn_implementation == "eager"
    assert RRWebBertForMaskedLM(small_config()).config._attn_implementation == ATTENTION


def test_saved_folder_is_a_stock_bert_checkpoint(tmp_path):
    ours, stock = twins()
    ours.save_pretrained(tmp_path / "ours")
    stock.save_pretrained(tmp_path / "stock")
    saved = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert saved == json.loads((tmp_path / "stock" / "config.json").read_text())
    assert saved["model_type"] == "bert"
    assert saved["architectures"] == ["BertForMaskedLM"]
    assert ours.state_dict().keys() == stock.state_dict().keys()
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "ours")
    ids, _ = batch()
    assert type(loaded) is BertForMaskedLM
    assert torch.equal(loaded.eval()(ids).logits, stock.eval()(ids).logits)
    again = RRWebBertForMaskedLM.from_pretrained(tmp_path / "stock")
    assert again.num_overflows == 0
    assert again.config._attn_implementation == ATTENTION


def test_checkpoint_loads_in_a_process_without_our_code(tmp_path):
    ours, _ = twins()
    ours.save_pretrained(tmp_path)
    ids, _ = batch()
    torch.save(ids, tmp_path / "ids.pt")
    code = (
        "import sys, torch; from transformers import AutoModelForMaskedLM as A;"
        "m = A.from_pretrained(sys.argv[1]).eval();"
        "ids = torch.load(sys.argv[1] + '/ids.pt');"
        "torch.save(m(ids).logits.detach(), sys.argv[1] + '/logits.pt');"
        "assert not [n for n in sys.modules if n.startswith('rrweb')]"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=tmp_path)
    logits = torch.load(tmp_path / "logits.pt")
    torch.testing.assert_close(logits, ours.eval()(ids).logits, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # raised inside torch's own compiler
def test_compiled_layers_share_one_graph_and_keep_keys_and_loss():
    from torch._dynamo.utils import counters

    counters.clear()
    ours, stock = twins()
    keys = list(ours.state_dict())
    ours.compile_layers()
    ids, labels = batch()
    loss = ours(ids, labels=labels).loss
    loss.backward()
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    assert list(ours.state_dict()) == keys
    assert loss.item() == pytest.approx(stock(ids, labels=labels).loss.item(), abs=1e-5)
