import copy

import pytest
import torch

from rrweb_bert.clipping import ClippingOptimizer, is_clippable

SETTINGS = {"lr": 1e-2, "weight_decay": 0.1, "fused": True}


def models():
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    return ours, copy.deepcopy(ours)


def train(model, *, max_norm, scale, is_ours, steps=5, spoil=None):
    """Norms and final parameters of a few steps, with stock clipping or with ours."""
    optimizer = torch.optim.AdamW(model.parameters(), **SETTINGS)
    clipping = ClippingOptimizer(optimizer) if is_ours else None
    scaler = torch.amp.GradScaler("cpu", init_scale=scale) if scale else None
    generator = torch.Generator().manual_seed(3)
    norms = []
    for step in range(steps):
        x = torch.randn(16, 6, generator=generator)
        loss = 5 * model(x).square().sum()
        (scaler.scale(loss) if scaler else loss).backward()
        if step == spoil:
            model[0].weight.grad[0, 0] = float("inf")
        if clipping is not None:
            norms.append(clipping.clip(model.parameters(), max_norm, scaler).item())
        else:
            if scaler:
                scaler.unscale_(optimizer)
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm).item())
        if scaler:
            scaler.step(optimizer)
            scaler.update()
        else:
            optimizer.step()
        optimizer.zero_grad()
    state = scaler.get_scale() if scaler else None
    return norms, torch.cat([p.detach().flatten() for p in model.parameters()]), state


@pytest.mark.parametrize("scale", [None, 1024.0])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_norms_and_weights_equal_those_of_stock_clipping(scale, max_norm):
    ours, stock = models()
    norms, weights, _ = train(ours, max_norm=max_norm, scale=scale, is_ours=True)
    expected_norms, expected, _ = train(stock, max_norm=max_norm, scale=scale, is_ours=False)
    assert norms == pytest.approx(expected_norms, rel=1e-5)
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)


def test_a_step_with_infinite_gradients_is_skipped_and_lowers_the_scale():
    ours, stock = models()
    _, weights, scale = train(ours, max_norm=0.5, scale=1024.0, is_ours=True, spoil=2)
    _, expected, expected_scale = train(stock, max_norm=0.5, scale=1024.0, is_ours=False, spoil=2)
    assert scale == expected_scale == 512.0
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)


def test_a_step_without_clipping_is_a_plain_one():
    ours, stock = models()
    for model in (ours, stock):
        optimizer = torch.optim.AdamW(model.parameters(), **SETTINGS)
        if model is ours:
            clipping = ClippingOptimizer(optimizer)
            model(torch.ones(2, 6)).sum().backward()
            clipping.clip(model.parameters(), 0.1)
            optimizer.step()
        else:
            model(torch.ones(2, 6)).sum().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
        optimizer.zero_grad()
        model(torch.ones(2, 6)).sum().backward()
        optimizer.step()
    for mine, other in zip(ours.parameters(), stock.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-5)


def test_only_fused_adamw_clips_in_its_step():
    parameters = [torch.nn.Parameter(torch.zeros(2))]
    assert is_clippable(torch.optim.AdamW(parameters, fused=True))
    assert not is_clippable(torch.optim.AdamW(parameters))
    assert not is_clippable(torch.optim.SGD(parameters, lr=0.1))
