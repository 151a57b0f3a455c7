import json
import os
import shutil
import threading
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from rrweb_bert import checkpoints, disk_space, durable, saving
from rrweb_bert.checkpoints import name_sealed, problem_of
from rrweb_bert.disk_space import CheckpointError, estimate_bytes, free_bytes
from rrweb_bert.saving import CheckpointSaver
from rrweb_bert.sealing import read_seal, seal_folder

SETTINGS = {"eval_strategy": "no", "load_best_model_at_end": False, "save_steps": 4}


@pytest.fixture(scope="module")
def keep():
    return {}


@pytest.fixture
def whole_weights(keep, make_trainer, tmp_path_factory, weights_of):
    """Weights of the undisturbed run, made once."""
    if not keep:
        trainer = make_trainer(tmp_path_factory.mktemp("whole"), **SETTINGS)
        trainer.train()
        keep["weights"] = weights_of(trainer.model)
    return keep["weights"]


def names(folder, pattern="*"):
    return sorted(path.name for path in folder.glob(pattern))


def test_checkpoints_are_sealed_and_nothing_else_is_left(make_trainer, tmp_path):
    make_trainer(tmp_path, save_steps=2, eval_steps=2, save_total_limit=2).train()
    kept = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert 2 <= len(kept) <= 3
    assert all(problem_of(path) is None for path in kept)
    assert not list(tmp_path.glob("_*"))
    overview = json.loads((tmp_path / "checkpoints.json").read_text())
    assert overview["last"] == "checkpoint-12"
    assert {overview["last"], overview["best"]} <= {path.name for path in kept}


def test_training_goes_on_while_a_checkpoint_is_sealed(make_trainer, tmp_path, monkeypatch):
    go_on = threading.Event()
    stock = saving.seal_folder

    def slow(folder, *, step):
        assert go_on.wait(60)
        return stock(folder, step=step)

    monkeypatch.setattr(saving, "seal_folder", slow)
    trainer = make_trainer(tmp_path, **SETTINGS)
    seen = []

    class Watch(type(trainer.callback_handler.callbacks[0])):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 7:
                seen.extend(names(tmp_path))
                go_on.set()

    trainer.add_callback(Watch())
    trainer.train()
    assert "_checkpoint-4.partial" in seen
    assert "checkpoint-4" not in seen
    assert problem_of(tmp_path / "checkpoint-4") is None


def test_older_checkpoints_go_only_after_the_new_one_is_sealed(tmp_path, monkeypatch):
    saver = CheckpointSaver(tmp_path, limit=1)
    listed = []
    stock = saving.seal_folder

    def watched(folder, *, step):
        listed.append(names(tmp_path))
        return stock(folder, step=step)

    monkeypatch.setattr(saving, "seal_folder", watched)
    for step in (1, 2):
        (saver.begin(step, 10) / "a").write_text(str(step))
        saver.finish(step, 10, last_writes=[], best=None, metric=None, started=0.0)
    saver.wait()
    assert "checkpoint-1" in listed[1]
    assert names(tmp_path) == ["checkpoint-2", "checkpoints.json"]


def test_with_a_limit_of_one_the_last_stays_beside_the_best_when_training_ends(
    make_trainer, tmp_path, monkeypatch
):
    """Stock removes the last checkpoint here, before the results are written."""
    trainer = make_trainer(tmp_path, save_total_limit=1, save_steps=4, eval_steps=4)
    stock = trainer._determine_best_metric

    def first_is_best(metrics, trial):
        worse = {"eval_loss": metrics["eval_loss"] + trainer.state.global_step}
        return stock(metrics=worse, trial=trial)

    monkeypatch.setattr(trainer, "_determine_best_metric", first_is_best)
    trainer.train()
    assert names(tmp_path, "checkpoint-*") == ["checkpoint-12", "checkpoint-4"]
    assert all(problem_of(path) is None for path in tmp_path.glob("checkpoint-*"))
    assert trainer.args.save_total_limit == 1


def test_a_checkpoint_that_cannot_be_removed_is_told_and_training_goes_on(
    make_trainer, tmp_path, monkeypatch, capsys
):
    """As one that another user put there."""

    def refuse(path):
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr(checkpoints, "remove_checkpoint", refuse)
    make_trainer(tmp_path, **SETTINGS, save_total_limit=1).train()
    assert names(tmp_path, "checkpoint-*") == ["checkpoint-12", "checkpoint-4", "checkpoint-8"]
    output = capsys.readouterr().out
    assert f"note: {tmp_path / 'checkpoint-4'} cannot be removed: Permission denied" in output


def test_the_one_that_is_replaced_goes_only_when_the_new_one_has_its_name(tmp_path, monkeypatch):
    saver = CheckpointSaver(tmp_path, limit=None)
    folder = tmp_path / "checkpoint-3"
    folder.mkdir()
    (folder / "a").write_text("old")
    seen = []
    monkeypatch.setattr(checkpoints, "sync_folder", lambda path: seen.extend(names(path)))
    (saver.begin(3, 10) / "a").write_text("new")
    saver.finish(3, 10, last_writes=[], best=None, metric=None, started=0.0)
    saver.wait()
    assert seen == ["_checkpoint-3.removed", "checkpoint-3"]
    assert names(tmp_path) == ["checkpoint-3", "checkpoints.json"]
    assert (folder / "a").read_text() == "new"


def killed_between_the_renames(tmp_path, monkeypatch, *, is_repeated=True):
    """A folder as a kill leaves it that comes when a checkpoint is sealed and has no name yet."""
    saver = CheckpointSaver(tmp_path, limit=3)
    if is_repeated:
        final = tmp_path / "checkpoint-3"
        final.mkdir()
        (final / "a").write_text("before")
    partial = saver.begin(3, 10)
    for name in ("config.json", "trainer_state.json", "scheduler.pt"):
        (partial / name).write_text("{}")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed_at(partial))
        saver.finish(3, 10, last_writes=[], best=None, metric=None, started=0.0)
        with pytest.raises(KilledError):
            saver.wait()
    return partial


class KilledError(BaseException):
    """A kill: no handler of errors sees it."""


def killed_at(folder):
    """A stand-in for `Path.replace` under which the process ends before `folder` is renamed."""
    stock = Path.replace

    def replace(self, target):
        if self == folder:
            raise KilledError
        return stock(self, target)

    return replace


@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_kill_between_the_two_renames_loses_no_checkpoint(tmp_path, monkeypatch, is_repeated):
    killed_between_the_renames(tmp_path, monkeypatch, is_repeated=is_repeated)
    assert not (tmp_path / "checkpoint-3").exists()
    assert name_sealed(tmp_path) == ["checkpoint-3"]
    assert problem_of(tmp_path / "checkpoint-3") is None
    assert name_sealed(tmp_path) == []
    CheckpointSaver(tmp_path, limit=3).prepare(10)
    assert names(tmp_path) == ["checkpoint-3"]


@pytest.mark.parametrize("damage", ["a byte", "a file", "no seal", "another step"])
def test_what_was_not_sealed_whole_gets_no_name(tmp_path, monkeypatch, damage):
    partial = killed_between_the_renames(tmp_path, monkeypatch)
    if damage == "a byte":
        (partial / "scheduler.pt").write_text("[]")
    elif damage == "a file":
        (partial / "scheduler.pt").unlink()
    elif damage == "no seal":
        (partial / "seal.json").unlink()
    else:
        partial.rename(tmp_path / "_checkpoint-4.partial")
    assert name_sealed(tmp_path) == []
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_good_checkpoint_that_has_its_name_is_not_replaced(tmp_path, monkeypatch):
    partial = killed_between_the_renames(tmp_path, monkeypatch)
    final = Path(shutil.copytree(partial, tmp_path / "checkpoint-3"))
    (partial / "config.json").write_text("{ }")
    seal_folder(partial, step=3)  # good as well, but another
    assert name_sealed(tmp_path) == []
    assert (final / "config.json").read_text() == "{}"
    assert name_sealed(tmp_path / "none") == []


@pytest.mark.parametrize("is_killed_again", [False, True])
@pytest.mark.parametrize("damage", ["a byte", "a seal", "a link to nowhere"])
def test_a_damaged_checkpoint_gives_way_to_the_one_sealed_to_replace_it(
    tmp_path, monkeypatch, damage, is_killed_again
):
    partial = killed_between_the_renames(tmp_path, monkeypatch)
    final = tmp_path / "checkpoint-3"
    if damage == "a link to nowhere":
        final.symlink_to(tmp_path / "nowhere")
    else:
        shutil.copytree(partial, final)
        (final / ("seal.json" if damage == "a seal" else "scheduler.pt")).write_text("[]")
    if is_killed_again:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed_at(partial))
            with pytest.raises(KilledError):
                name_sealed(tmp_path)
    assert name_sealed(tmp_path) == ["checkpoint-3"]
    assert problem_of(final) is None
    CheckpointSaver(tmp_path, limit=3).prepare(10)
    assert names(tmp_path) == ["checkpoint-3"]


def test_a_tracker_that_reads_checkpoints_finds_them_sealed(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, **SETTINGS)
    problems = []

    class Reader(type(trainer.callback_handler.callbacks[0])):
        def on_save(self, args, state, control, **kwargs):
            problems.append(problem_of(tmp_path / f"checkpoint-{state.global_step}"))

    trainer.add_callback(Reader())
    trainer.train()
    assert problems == [None, None, None]


def test_the_estimate_is_close_to_what_is_written(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, **SETTINGS)
    trainer.train()
    written = read_seal(tmp_path / "checkpoint-12").num_bytes
    for optimizer in (None, trainer.optimizer.optimizer):
        estimate = estimate_bytes(trainer.model, optimizer)
        assert written < estimate < written + (9 << 20)
    assert estimate_bytes(trainer.model, None, last_bytes=10**9) == 1_020_000_000


def test_free_bytes_of_a_folder_to_come_are_those_of_its_parent(tmp_path):
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(free_bytes(tmp_path), rel=0.1)


def test_too_little_room_is_said_before_training_begins(make_trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: 5_000_000)
    trainer = make_trainer(tmp_path, **SETTINGS)
    with pytest.raises(CheckpointError) as refusal:
        trainer.train()
    assert trainer.state.global_step == 0
    message = str(refusal.value)
    assert str(tmp_path) in message
    assert "5.0 MB are free" in message
    assert "Make room and run the same command again" in message


def test_room_for_fewer_checkpoints_than_are_kept_is_noted(
    make_trainer, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(saving, "free_bytes", lambda folder: 30_000_000)
    make_trainer(tmp_path, save_total_limit=3, **SETTINGS).train()
    assert "note: 4 more checkpoints of about 0.01 GB are to lie in" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "seal.json"])
def test_a_disk_that_fills_up_between_check_and_write_leaves_the_one_before(
    make_trainer, tmp_path, monkeypatch, name, weights_of, whole_weights
):
    trainer = make_trainer(tmp_path / "run", **SETTINGS)

    def full(path, *_, **__):
        (path if path.is_dir() else path.parent).joinpath("part").write_bytes(b"x")
        raise OSError(28, os.strerror(28), str(path))

    class FillAt(type(trainer.callback_handler.callbacks[0])):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step != 8:
                return
            monkeypatch.setattr(saving, "free_bytes", lambda folder: 0)
            if name == "model.safetensors":
                monkeypatch.setattr(trainer, "save_model", lambda f, **_: full(tmp_path / "run"))
            elif name == "optimizer.pt":
                stock = torch.save
                save = {True: lambda _, path: full(path), False: stock}
                monkeypatch.setattr(torch, "save", lambda s, p: save[str(p).endswith(name)](s, p))
            else:
                monkeypatch.setattr(saving, "seal_folder", full)

    trainer.add_callback(FillAt())
    with pytest.raises(CheckpointError, match=r"no room for checkpoint-8 in .*/run") as stop:
        trainer.train()
    assert "No space left on device" in str(stop.value)
    monkeypatch.undo()
    (tmp_path / "run" / "part").unlink(missing_ok=True)
    checkpoint = tmp_path / "run" / "checkpoint-4"
    assert problem_of(checkpoint) is None
    assert not list((tmp_path / "run").glob("_*"))
    assert not (tmp_path / "run" / "checkpoint-8").exists()
    resumed = make_trainer(tmp_path / "run", start_step=4, checkpoint=checkpoint, **SETTINGS)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert torch.equal(weights_of(resumed.model), whole_weights)


def test_a_disk_that_is_full_when_the_results_are_written_is_told(
    make_trainer, tmp_path, monkeypatch
):
    trainer = make_trainer(tmp_path, **SETTINGS)

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(trainer.model, "save_pretrained", full)
    monkeypatch.setattr(saving, "free_bytes", lambda folder: 0)
    with pytest.raises(CheckpointError, match="no room for the model in"):
        trainer.save_model()


def test_another_failure_to_write_is_told_with_its_cause(tmp_path):
    saver = CheckpointSaver(tmp_path, limit=1)
    saver.begin(3, 10)
    with (
        pytest.raises(CheckpointError, match=r"checkpoint-3 could not be written.*odd"),
        saver.writing("checkpoint-3", 10),
    ):
        raise RuntimeError("odd")
    assert names(tmp_path) == []


def test_a_failure_in_the_background_stops_the_run_at_the_next_step(
    make_trainer, tmp_path, monkeypatch
):
    failed = threading.Event()

    def broken(folder, *, step):
        failed.set()
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(saving, "seal_folder", broken)
    trainer = make_trainer(tmp_path, **{**SETTINGS, "save_steps": 2})

    class Wait(type(trainer.callback_handler.callbacks[0])):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 2:
                assert failed.wait(60)
                trainer.saver._worker._pending[0].exception(timeout=60)

    trainer.add_callback(Wait())
    with pytest.raises(CheckpointError, match="Input/output error"):
        trainer.train()
    assert trainer.state.global_step == 3


def test_full_determinism_changes_nothing_on_a_cpu(
    make_trainer, tmp_path, weights_of, monkeypatch, whole_weights
):
    for name in ("CUBLAS_WORKSPACE_CONFIG", "CUDA_LAUNCH_BLOCKING", "FLASH_ATTENTION_DETERMINISTIC",
                 "ASCEND_LAUNCH_BLOCKING", "HCCL_DETERMINISTIC"):  # fmt: skip
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    try:
        fixed = make_trainer(tmp_path / "fixed", full_determinism=True, **SETTINGS)
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        fixed.train()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.equal(weights_of(fixed.model), whole_weights)


def test_files_of_others_in_the_folder_do_not_stop_the_end_of_a_run(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "gone.log").write_text("x")
    synced = []

    def sync(path):
        if path.name == "gone.log":
            raise FileNotFoundError(path)
        synced.append(path.name)

    monkeypatch.setattr(durable, "sync_file", sync)
    durable.sync_files(tmp_path)
    assert synced == ["model.safetensors"]
