"""9 files x 6 kinds of damage, and a half-written newest folder: fall back or stop."""

import json
import shutil

import pytest
import torch

from rrweb_bert.checkpoints import choose_checkpoint, problem_of
from rrweb_bert.disk_space import CheckpointError
from rrweb_bert.options import UsageError
from rrweb_bert.sealing import SEAL_FILE

FILES = (
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "config.json",
    "progress.json",
    "training_args.bin",
    SEAL_FILE,
)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def append(path):
    path.write_bytes(path.read_bytes() + b"\n")


def overwrite_a_block(path):
    """Zeros of the same length, as a file system leaves blocks that never reached the disk."""
    content = path.read_bytes()
    length = max(1, min(512, len(content) // 2))
    path.write_bytes(content[:-length] + b"\0" * length)


KINDS = (cut, empty, remove, flip_a_bit, append, overwrite_a_block)


@pytest.fixture(scope="module")
def keep():
    return {}


@pytest.fixture
def output_dir(keep, make_trainer, tmp_path_factory):
    """Checkpoints 4, 8 and 12 of a run, made once."""
    if not keep:
        keep["dir"] = tmp_path_factory.mktemp("damage")
        make_trainer(
            keep["dir"], eval_strategy="no", load_best_model_at_end=False, save_steps=4
        ).train()
    return keep["dir"]


@pytest.fixture
def newest(output_dir):
    """The newest checkpoint, put back as it was after the test."""
    path = output_dir / "checkpoint-12"
    whole = {each: each.read_bytes() for each in path.iterdir()}
    yield path
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for each, content in whole.items():
        each.write_bytes(content)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", FILES)
def test_damage_to_any_file_is_named_and_the_checkpoint_before_is_used(
    output_dir, newest, name, kind
):
    assert problem_of(newest) is None
    kind(newest / name)
    chosen, notes = choose_checkpoint(output_dir, needs_best=False)
    assert chosen.step == 8
    assert len(notes) == 1
    assert name in notes[0]


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_step_is_damage(output_dir, newest, name):
    other = (output_dir / "checkpoint-8" / name).read_bytes()
    if other == (newest / name).read_bytes():  # the same at every step, so no harm is done
        assert name in ("config.json", "training_args.bin")
        return
    (newest / name).write_bytes(other)
    assert choose_checkpoint(output_dir, needs_best=False)[0].step == 8


def test_a_folder_that_was_copied_in_part_is_passed_over(output_dir, newest):
    names = sorted(path.name for path in newest.iterdir())
    for num_kept in range(len(names)):
        kept = {name: (newest / name).read_bytes() for name in names[:num_kept]}
        part = output_dir / "checkpoint-20"
        part.mkdir()
        for name, content in kept.items():
            (part / name).write_bytes(content)
        assert choose_checkpoint(output_dir, needs_best=False)[0].step == 12
        shutil.rmtree(part)


def test_damage_to_all_of_them_stops(output_dir, newest):
    (newest / "optimizer.pt").write_bytes(b"")
    moved = []
    for step in (4, 8):
        path = output_dir / f"checkpoint-{step}" / "scheduler.pt"
        moved.append((path, path.read_bytes()))
        path.unlink()
    with pytest.raises(UsageError, match="no checkpoint in"):
        choose_checkpoint(output_dir, needs_best=False)
    for path, content in moved:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("model.safetensors", flip_a_bit), ("optimizer.pt", overwrite_a_block), (SEAL_FILE, remove)],
    ids=["weights", "optimizer", "seal"],
)
def test_the_curve_after_damage_is_the_same(make_trainer, output_dir, tmp_path, name, kind):
    """The run is stopped at step 8, its checkpoint damaged, and it ends as the undisturbed one."""
    settings = {"eval_strategy": "no", "load_best_model_at_end": False, "save_steps": 4}
    make_trainer(tmp_path, stop_at=8, **settings).train()
    kind(tmp_path / "checkpoint-8" / name)
    chosen, _ = choose_checkpoint(tmp_path, needs_best=False)
    assert chosen.step == 4
    resumed = make_trainer(tmp_path, start_step=4, checkpoint=chosen.path, **settings)
    resumed.train(resume_from_checkpoint=str(chosen.path))
    for part in ("model.safetensors", "scheduler.pt"):
        whole, found = (folder / "checkpoint-12" / part for folder in (output_dir, tmp_path))
        assert whole.read_bytes() == found.read_bytes()
    whole, found = (
        torch.load(folder / "checkpoint-12" / "optimizer.pt", weights_only=True)["state"]
        for folder in (output_dir, tmp_path)
    )
    assert all(
        torch.equal(whole[number][key], found[number][key])
        for number in whole
        for key in whole[number]
    )
    assert problem_of(tmp_path / "checkpoint-8") is None  # written anew, in place of the bad one


def test_damage_to_the_best_stops_the_end_of_the_run_instead_of_giving_other_weights(
    make_trainer, tmp_path, monkeypatch
):
    trainer = make_trainer(tmp_path)
    stock = trainer._determine_best_metric

    def first_is_best(metrics, trial):
        worse = {"eval_loss": metrics["eval_loss"] + trainer.state.global_step}
        return stock(metrics=worse, trial=trial)

    monkeypatch.setattr(trainer, "_determine_best_metric", first_is_best)

    class Damage(type(trainer.callback_handler.callbacks[0])):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 8:
                trainer.saver.wait()
                flip_a_bit(tmp_path / "checkpoint-6" / "model.safetensors")

    trainer.add_callback(Damage())
    with pytest.raises(CheckpointError, match="checkpoint-6, cannot be loaded: model"):
        trainer.train()
    content = json.loads((tmp_path / "checkpoints.json").read_text())
    assert (content["last"], content["best"]) == ("checkpoint-12", "checkpoint-6")
