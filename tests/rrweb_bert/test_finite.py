"""Numbers that are none stop a run within the step, name it and its sessions, and save nothing."""

import math
import re
from dataclasses import replace

import pytest
import torch
from transformers import TrainerCallback

from rrweb_bert import training
from rrweb_bert.checkpoints import find_checkpoints
from rrweb_bert.finite import MAX_SKIPS, MIN_SCALE, SKIP_STEPS, NumberGuard
from rrweb_bert.training import TrainingStoppedError

LAST = 12
NAN_AND_INF = pytest.mark.parametrize(
    ("step", "bad"),
    [
        *((step, math.nan) for step in (1, 7, LAST)),
        (7, math.inf),
        *(pytest.param(step, math.inf, marks=pytest.mark.slow) for step in (1, LAST)),
    ],
)


class Spoil(TrainerCallback):
    """Spoils a run at one step, at the moment that the step begins or ends."""

    def __init__(self, step, act, *, at_end=False):
        self.step, self.act, self.at_end = step, act, at_end

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step and not self.at_end:
            self.act()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step and self.at_end:
            self.act()


def stopped(trainer, output_dir):
    """The error of a run, and the steps of the checkpoints that it left."""
    with pytest.raises(TrainingStoppedError) as caught:
        trainer.train()
    saved = [checkpoint.step for checkpoint in find_checkpoints(output_dir)]
    return str(caught.value), saved


def expected_saves(step):
    return [at for at in (12, 6) if at < step]


@NAN_AND_INF
def test_a_bad_loss_stops_within_its_step(make_trainer, tmp_path, monkeypatch, step, bad):
    trainer = make_trainer(tmp_path)
    stock = trainer.compute_loss

    def compute_loss(*args, **kwargs):
        loss = stock(*args, **kwargs)
        return loss * bad if trainer.state.global_step + 1 == step else loss

    monkeypatch.setattr(trainer, "compute_loss", compute_loss)
    message, saved = stopped(trainer, tmp_path)
    assert f"the loss is {bad} at step {step}," in message
    assert "sessions train-" in message
    assert trainer.state.global_step == step - 1
    assert saved == expected_saves(step)


@pytest.mark.parametrize("max_grad_norm", [1.0, 0.0])
@NAN_AND_INF
def test_a_bad_gradient_stops_before_the_weights_take_it(
    make_trainer, tmp_path, weights_of, step, bad, max_grad_norm
):
    trainer = make_trainer(tmp_path, max_grad_norm=max_grad_norm)
    before = []

    def spoil_next_gradient():
        before.append(weights_of(trainer.model))
        layer = trainer.model.bert.encoder.layer[0].output.dense.weight
        layer.register_hook(lambda grad: grad * bad)

    trainer.add_callback(Spoil(step, spoil_next_gradient))
    message, saved = stopped(trainer, tmp_path)
    assert re.search(f"the gradient norm is (nan|inf) at step {step},", message)
    assert "sessions train-" in message
    assert torch.equal(weights_of(trainer.model), before[0])
    assert saved == expected_saves(step)


@pytest.mark.parametrize("at_end", [False, True])
@NAN_AND_INF
def test_a_bad_embedding_stops_within_its_step(make_trainer, tmp_path, step, bad, at_end):
    trainer = make_trainer(tmp_path)

    def spoil_weights():
        # Row 1 of these is used by no window: neither loss nor gradients show it.
        unused = trainer.model.bert.embeddings.token_type_embeddings.weight
        used = trainer.model.bert.embeddings.word_embeddings.weight
        with torch.no_grad():
            (unused if at_end else used)[1] = bad

    trainer.add_callback(Spoil(step, spoil_weights, at_end=at_end))
    message, saved = stopped(trainer, tmp_path)
    assert f"at step {step}," in message
    assert ("the norm of the weights is" if at_end else "the loss is nan") in message
    assert saved == expected_saves(step)


def test_the_sessions_named_are_those_of_the_step(make_trainer, tmp_path):
    """Also after a resume, when the stream begins in the middle, and with accumulation."""
    make_trainer(tmp_path, stop_at=6).train()
    checkpoint = tmp_path / "checkpoint-6"
    trainer = make_trainer(tmp_path, start_step=6, checkpoint=checkpoint)
    trainer.add_callback(Spoil(9, lambda: trainer.model.cls.predictions.bias.data.fill_(math.nan)))
    with pytest.raises(TrainingStoppedError) as caught:
        trainer.train(resume_from_checkpoint=str(checkpoint))
    names = trainer.get_train_dataloader().source.names_of
    expected = {name for sample in range(8 * 4, 9 * 4) for name in names(sample)}
    line = str(caught.value).split("sessions ")[1].split(". Run")[0]
    assert set(line.split(", ")) == expected
    assert "at step 9," in str(caught.value)


def test_an_evaluation_that_is_no_number_is_not_saved(make_trainer, tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    stock = training.sum_losses

    def sum_losses(*args, **kwargs):
        sums = stock(*args, **kwargs)
        return replace(sums, losses=sums.losses * math.nan)

    monkeypatch.setattr(training, "sum_losses", sum_losses)
    message, saved = stopped(trainer, tmp_path)
    assert "the evaluation's loss is nan at step 6" in message
    assert saved == []


def parts(max_lag=0):
    weight = torch.nn.Parameter(torch.ones(3))
    return NumberGuard([weight], torch.device("cpu"), max_lag=max_lag), weight


def scaled(scaler, weight, *, overflows):
    """A step of fp16 training as far as the scaler sees it."""
    optimizer = torch.optim.SGD([weight], lr=0.1)
    optimizer.zero_grad()
    scaler.scale(weight.sum()).backward()
    if overflows:
        weight.grad[0] = math.inf
    scaler.unscale_(optimizer)
    norm = weight.grad.norm()
    before = weight.detach().clone()
    scaler.step(optimizer)
    was_skipped = torch.equal(before, weight.detach())
    scaler.update()
    return norm, was_skipped


def test_the_first_bad_step_is_kept_until_it_is_asked_for():
    guard, _ = parts(max_lag=3)
    guard.loss(torch.tensor(1.0), 1)
    guard.loss(torch.tensor(math.nan), 2)
    guard.loss(torch.tensor(math.inf), 3)
    guard.gradient(torch.tensor(math.inf), 2, None)
    finding = guard.settle(4)
    assert (finding.step, finding.what) == (2, "the loss is nan at step 2")


def test_good_numbers_give_no_finding():
    guard, _ = parts()
    for step in range(1, 2 * SKIP_STEPS, 37):
        assert guard.loss(torch.tensor(9.4), step) is None
        assert guard.gradient(torch.tensor(1e30), step, None) is None
        assert guard.weights(step) is None


@pytest.mark.parametrize("num_skips", [MAX_SKIPS, MAX_SKIPS + 1])
def test_more_than_50_overflows_in_500_steps_are_a_collapse(num_skips):
    guard, weight = parts()
    # The scale grows back in between, so that it is the number of skips that counts.
    scaler = torch.amp.GradScaler("cpu", growth_interval=8)
    findings = []
    for step in range(1, SKIP_STEPS + 1):
        overflows = step % 9 == 0 and step // 9 <= num_skips
        norm, was_skipped = scaled(scaler, weight, overflows=overflows)
        assert was_skipped == overflows
        findings.append(guard.gradient(norm, step, scaler))
    first = next((step for step, f in enumerate(findings, 1) if f), None)
    assert first == (None if num_skips == MAX_SKIPS else 9 * num_skips)


def test_overflows_long_ago_do_not_count():
    guard, weight = parts()
    scaler = torch.amp.GradScaler("cpu", growth_interval=11)
    for step in range(1, 3 * SKIP_STEPS):
        norm, _ = scaled(scaler, weight, overflows=step % 12 == 0)
        assert guard.gradient(norm, step, scaler) is None


def test_a_scale_that_only_falls_is_a_collapse():
    guard, weight = parts()
    scaler = torch.amp.GradScaler("cpu")
    for step in range(1, 100):
        norm, _ = scaled(scaler, weight, overflows=True)
        finding = guard.gradient(norm, step, scaler)
        if finding is not None:
            break
    assert scaler.get_scale() < MIN_SCALE
    assert "the loss scale has fallen to 7.6e-06" in finding.what
    assert step == 33
