"""The same as `test_finite.py` where no step waits for the device to look at numbers."""

import math

import pytest
import torch
from transformers import TrainerCallback

from rrweb_bert.checkpoints import find_checkpoints
from rrweb_bert.training import TrainingStoppedError

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
STEPS = 40


class Spoil(TrainerCallback):
    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step + 1 == self.step:
            self.act()


@pytest.fixture
def make(make_trainer, tmp_path):
    def trainer(**changes):
        settings = {"use_cpu": False, "max_steps": STEPS, "eval_steps": 20, "save_steps": 20}
        return make_trainer(tmp_path, **(settings | {"logging_steps": 100} | changes))

    return trainer


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("step", [1, 7, 20, STEPS])
def test_a_bad_weight_stops_within_a_few_steps(make, tmp_path, step, precision):
    trainer = make(precision=precision)
    weight = trainer.model.bert.embeddings.word_embeddings.weight
    trainer.add_callback(Spoil(step, lambda: weight.data[1:].fill_(math.nan)))
    with pytest.raises(TrainingStoppedError, match=rf"the loss is nan at step {step},") as caught:
        trainer.train()
    assert "sessions train-" in str(caught.value)
    assert step - 1 <= trainer.state.global_step <= step + 6
    assert all(checkpoint.step < step for checkpoint in find_checkpoints(tmp_path))


@pytest.mark.parametrize("max_grad_norm", [1.0, 0.0])
def test_a_bad_gradient_changes_no_weight(make, weights_of, max_grad_norm):
    trainer = make(precision="bf16", max_grad_norm=max_grad_norm, learning_rate=0.0, weight_decay=0)
    before = []

    def spoil():
        before.append(weights_of(trainer.model).clone())
        handles = []
        layer = trainer.model.bert.encoder.layer[0].output.dense.weight

        def once(grad):
            handles.pop().remove()
            return grad * math.nan

        handles.append(layer.register_hook(once))

    trainer.add_callback(Spoil(7, spoil))
    with pytest.raises(TrainingStoppedError, match="the gradient norm is nan at step 7,"):
        trainer.train()
    # The rate is 0, so the steps done until the look change nothing; a bad one would.
    assert torch.equal(weights_of(trainer.model), before[0])


def test_overflows_of_fp16_skip_the_optimizer_but_not_the_data(make):
    trainer = make(precision="fp16")
    layer = trainer.model.bert.encoder.layer[0].output.dense.weight
    bad_steps = {8, 15}

    def spoil(grad):
        return grad * (math.inf if trainer.state.global_step + 1 in bad_steps else 1.0)

    layer.register_hook(spoil)
    trainer.train()
    assert trainer.state.global_step == STEPS
    assert trainer.accelerator.scaler.get_scale() == 2.0**16 / 4


def test_overflows_that_do_not_end_stop_the_run(make, tmp_path):
    trainer = make(precision="fp16", max_steps=STEPS, save_steps=1000, eval_steps=1000)
    layer = trainer.model.bert.encoder.layer[0].output.dense.weight
    layer.register_hook(lambda grad: grad * math.inf)
    with pytest.raises(TrainingStoppedError, match="the loss scale has fallen"):
        trainer.train()
    assert not find_checkpoints(tmp_path)


def test_the_scale_is_restored(make, tmp_path):
    trainer = make(precision="fp16", stop_at=20)
    layer = trainer.model.bert.encoder.layer[0].output.dense.weight
    handle = layer.register_hook(
        lambda grad: grad * (math.inf if trainer.state.global_step < 3 else 1.0)
    )
    trainer.train()
    handle.remove()
    scale = trainer.accelerator.scaler.state_dict()
    assert scale["scale"] == 2.0**13
    checkpoint = tmp_path / "checkpoint-20"
    resumed = make(precision="fp16", start_step=20, checkpoint=checkpoint)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    expected = scale | {"_growth_tracker": scale["_growth_tracker"] + STEPS - 20}
    assert resumed.accelerator.scaler.state_dict() == expected
