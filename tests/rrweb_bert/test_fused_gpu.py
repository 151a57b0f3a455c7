"""The fast path on a GPU: the same kernels, losses and gradients within rounding."""

import pytest
import torch
from transformers import BertForMaskedLM

from rrweb_bert import fused_reference as reference
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX, RRWebBertForMaskedLM, model_config

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


@pytest.fixture
def kernels():
    return pytest.importorskip("rrweb_bert.fused_kernels")


def relative_error(actual, expected):
    difference = (actual.double() - expected.double()).norm()
    return (difference / expected.double().norm()).item()


def values(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator("cuda").manual_seed(seed)
    return torch.randn(*shape, device="cuda", generator=generator).to(dtype)


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("width", [128, 256, 768, 1024])
@pytest.mark.parametrize("p", [0.0, 0.1])
def test_norm_kernel_equals_its_reference_both_ways(kernels, monkeypatch, precision, width, p):
    dtype = DTYPES[precision]
    rows = 1003
    keep = kernels.dropout_keep_mask((rows, width), p=p, seed=7, device="cuda")
    monkeypatch.setattr(reference, "dropout_keep_mask", lambda *_, **__: keep)
    y, residual, grad, grad2 = (values(rows, width, dtype=dtype, seed=i) for i in range(4))
    bias, gamma, beta = (values(width, seed=i) for i in range(4, 7))
    actual = kernels.dropout_add_norm(y, bias, residual, gamma, beta, p=p, seed=7, eps=1e-12)
    expected = reference.dropout_add_norm(y, bias, residual, gamma, beta, p=p, seed=7, eps=1e-12)
    for ours, theirs in zip(actual, expected, strict=True):
        assert relative_error(ours, theirs) < 2e-3
    back = (actual[0], actual[2], actual[3], gamma)
    for second in (None, grad2):
        ours = kernels.dropout_add_norm_backward(grad, second, *back, p=p, seed=7)
        theirs = reference.dropout_add_norm_backward(grad, second, *back, p=p, seed=7)
        for mine, other in zip(ours, theirs, strict=True):
            assert relative_error(mine, other) < 2e-3


@pytest.mark.parametrize("precision", DTYPES)
def test_gelu_pack_and_loss_kernels_equal_their_references(kernels, precision):
    dtype = DTYPES[precision]
    x, grad, bias = values(517, 3072, dtype=dtype), values(517, 3072, dtype=dtype), values(3072)
    assert relative_error(kernels.bias_gelu(x, bias), reference.bias_gelu(x, bias)) < 2e-3
    expected = reference.bias_gelu_backward(grad, x, bias, with_output=True)
    actual = kernels.bias_gelu_backward(grad.clone(), x, bias, with_output=True)
    for ours, theirs in zip(actual, expected, strict=True):
        assert relative_error(ours, theirs) < 2e-3
    heads = [values(517, 768, dtype=dtype, seed=i) for i in range(3)]
    for ours, theirs in zip(kernels.pack_heads(*heads), reference.pack_heads(*heads), strict=True):
        assert relative_error(ours, theirs) < 1e-5
    logits = 3 * values(65, 12520, dtype=dtype)
    targets = torch.randint(0, 12520, (65,), device="cuda")
    targets[3] = IGNORE_INDEX
    expected = reference.cross_entropy(logits, targets)
    actual = kernels.cross_entropy(logits, targets)
    for ours, theirs in zip(actual, expected, strict=True):
        assert relative_error(ours, theirs) < 1e-5
    scale = torch.tensor(64.0, device="cuda")
    expected_grad = reference.cross_entropy_backward(logits, targets, expected[1], scale)
    actual_grad = kernels.cross_entropy_backward(logits, targets, actual[1], scale)
    assert relative_error(actual_grad, expected_grad) < 2e-3


def gradients_of(model, ids, labels, dtype):
    model.zero_grad()
    with torch.autocast("cuda", dtype=dtype or torch.float16, enabled=dtype is not None):
        loss = model(ids, labels=labels).loss
    (loss * 1024).backward()
    return loss.item(), {n: p.grad.double() / 1024 for n, p in model.named_parameters()}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("recompute", [False, True])
def test_fused_layers_are_as_near_to_fp32_as_stock_bert_is(kernels, precision, recompute):
    """The error against float32 is rounding, of the size of that of the stock model's autocast."""
    torch.manual_seed(0)
    config = model_config("base", window_tokens=256, hidden_dropout=0, attention_dropout=0)
    config.num_hidden_layers = 4
    ours = RRWebBertForMaskedLM(config).cuda().train()
    stock = BertForMaskedLM(config).cuda().train()
    stock.load_state_dict(ours.state_dict())
    ours.fused_kernels, ours.recompute_gelu = kernels, recompute
    ids = torch.randint(5, 12520, (4, 256), device="cuda")
    labels = torch.where(torch.rand(ids.shape, device="cuda") < 0.15, ids, IGNORE_INDEX)
    exact_loss, exact = gradients_of(stock, ids, labels, None)
    stock_loss, rounded = gradients_of(stock, ids, labels, DTYPES[precision])
    loss, actual = gradients_of(ours, ids, labels, DTYPES[precision])
    assert abs(loss - exact_loss) < max(2e-3, 3 * abs(stock_loss - exact_loss))

    def error(gradients):
        squares = sum((gradients[n] - exact[n]).square().sum() for n in exact)
        return (squares / sum(exact[n].square().sum() for n in exact)).sqrt().item()

    print(f"{precision}: gradient error {error(actual):.2e}, stock autocast {error(rounded):.2e}")
    assert error(actual) < 1.5 * error(rounded)


def test_dropout_of_the_fused_layers_has_the_right_share_and_no_two_layers_share_a_mask(kernels):
    first = kernels.dropout_keep_mask((4096, 768), p=0.1, seed=1, device="cuda")
    second = kernels.dropout_keep_mask((4096, 768), p=0.1, seed=2, device="cuda")
    assert first.float().mean().item() == pytest.approx(0.9, abs=1e-3)
    both = (first & second).float().mean().item()
    assert both == pytest.approx(0.81, abs=1e-3)
    columns = first.float().mean(0)
    assert columns.min() > 0.86
    assert columns.max() < 0.94


@pytest.mark.filterwarnings("ignore")  # raised inside torch's profiler
def test_training_step_launches_no_kernel_on_a_square_of_the_window(kernels):
    """No (T, T) tensor of scores or masks: memory grows with T, not with its square."""
    config = model_config("mini", window_tokens=2048)
    config.num_hidden_layers = 1
    model = RRWebBertForMaskedLM(config).cuda().train()
    model.fused_kernels = kernels
    ids = torch.randint(5, 12520, (2, 2048), device="cuda")
    labels = torch.where(torch.rand(ids.shape, device="cuda") < 0.15, ids, IGNORE_INDEX)
    with (
        torch.profiler.profile(
            record_shapes=True, activities=[torch.profiler.ProfilerActivity.CPU]
        ) as profile,
        torch.autocast("cuda", dtype=torch.float16),
    ):
        model(ids, labels=labels).loss.backward()
    shapes = [tuple(s) for e in profile.events() for s in e.input_shapes if s]
    assert shapes
    assert not [shape for shape in shapes if shape[-2:] == (2048, 2048)]
