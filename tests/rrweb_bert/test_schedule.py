import pytest
import torch
from transformers import get_cosine_with_hard_restarts_schedule_with_warmup

from rrweb_bert.schedule import cosine_with_warm_restarts, learning_rate_factor


def rates(scheduler_of, num_steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_of(optimizer)
    seen = []
    for _ in range(num_steps):
        seen.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("num_cycles", "warmup"), [(1, 0), (1, 7), (3, 10), (5, 0)])
def test_multiplier_1_equals_the_schedule_of_transformers(num_cycles, warmup):
    ours = rates(
        lambda o: cosine_with_warm_restarts(
            o,
            num_warmup_steps=warmup,
            num_training_steps=200,
            length_in_cycles=num_cycles,
            multiplier=1,
        ),
        210,
    )
    theirs = rates(
        lambda o: get_cosine_with_hard_restarts_schedule_with_warmup(o, warmup, 200, num_cycles),
        210,
    )
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_multiplier_2_doubles_each_cycle_as_torch_does():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2)
    expected = []
    for _ in range(70):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    ours = [
        learning_rate_factor(
            step,
            num_warmup_steps=0,
            num_training_steps=70,
            length_in_cycles=7,
            multiplier=2,
        )
        for step in range(70)
    ]
    assert ours == pytest.approx(expected, abs=1e-9)


def test_rate_rises_from_zero_and_ends_at_zero():
    def factor(step):
        return learning_rate_factor(
            step,
            num_warmup_steps=10,
            num_training_steps=100,
            length_in_cycles=1.0,
            multiplier=2,
        )

    assert [factor(0), factor(5), factor(10), factor(100), factor(500)] == [0, 0.5, 1, 0, 0]


@pytest.mark.parametrize(("share", "multiplier"), [(0.0, 2), (-1.0, 1), (0.5, 0.5)])
def test_cycles_that_make_no_sense_are_refused(share, multiplier):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match="multiplier"):
        cosine_with_warm_restarts(
            optimizer,
            num_warmup_steps=0,
            num_training_steps=10,
            length_in_cycles=share,
            multiplier=multiplier,
        )
