import torch
from torch import distributed

from rrweb_bert.ranks import leave_group, seed_process


def drawn(**key):
    seed_process(42, **key)
    return torch.rand(4).tolist()


def test_random_numbers_differ_between_processes_and_steps_and_repeat():
    keys = [{"step": step, "rank": rank} for step in (0, 7) for rank in (0, 1, 2)]
    draws = [tuple(drawn(**key)) for key in keys]
    assert len(set(draws)) == len(keys)
    assert [tuple(drawn(**key)) for key in keys] == draws


def test_a_checkpoint_of_another_number_of_processes_gives_a_state_of_its_own(
    make_trainer, tmp_path
):
    make_trainer(tmp_path, stop_at=6).train()
    checkpoint = tmp_path / "checkpoint-6"
    trainer = make_trainer(tmp_path, start_step=6, checkpoint=checkpoint)
    trainer.state.global_step = 6
    trainer._load_rng_state(str(checkpoint))
    own = torch.rand(4).tolist()
    (checkpoint / "rng_state.pth").rename(checkpoint / "rng_state_0.pth")
    (checkpoint / "rng_state_1.pth").write_bytes((checkpoint / "rng_state_0.pth").read_bytes())
    trainer._load_rng_state(str(checkpoint))
    other = torch.rand(4).tolist()
    trainer._load_rng_state(str(checkpoint))
    assert torch.rand(4).tolist() == other != own


def test_a_process_leaves_its_group_and_none_is_needed(tmp_path):
    leave_group()
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    leave_group()
    assert not distributed.is_initialized()
