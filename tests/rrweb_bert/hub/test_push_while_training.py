"""Models are pushed while training: each save, at the end, and never at the cost of the run."""

import errno
import json

import pytest
from fake_hub import TOKEN
from hub_pushes import PUBLISHED, REPO, error_of

import train_mlm
from rrweb_bert import hub_trainer
from rrweb_bert.options import UsageError
from rrweb_bert.sealing import problem_of

# The Hub's client calls its own HTTP library in a way that that one would like changed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_training_pushes_each_save_and_the_finished_model(hub, command, tmp_path):
    output = tmp_path / "run"
    pushing = ("--push_to_hub", "--hub_model_id", REPO, "--hub_always_push", "true")
    assert train_mlm.main(command(output, *pushing, "--hub_token", TOKEN)) == 0
    messages = [message for _, message in hub.commits]
    steps = [f"Training in progress, step {step}" for step in (2, 4, 6)]
    assert messages == [*steps, "End of training"]
    files = hub.files[REPO]["main"]
    assert set(files) == PUBLISHED
    assert files["model.safetensors"] == (output / "model.safetensors").read_bytes()
    assert f'SentenceTransformer("{REPO}")'.encode() in files["README.md"]
    assert TOKEN.encode() not in b"".join(files.values())
    assert not list(output.glob("_push-*"))
    # The same command again has only the push to do.
    assert train_mlm.main(command(output, *pushing)) == 0


def fetch(files, folder):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def test_the_last_checkpoint_is_pushed_when_asked_for(hub, command, tmp_path):
    pushing = ("--push_to_hub", "--hub_model_id", REPO, "--hub_strategy", "checkpoint")
    arguments = command(tmp_path / "run", *pushing, "--hub_always_push", "true")
    assert train_mlm.main([*arguments, "--max_steps", "4"]) == 0
    files = hub.files[REPO]["main"]
    checkpoint = {path for path in files if path.startswith("last-checkpoint/")}
    assert set(files) - checkpoint == PUBLISHED
    assert "last-checkpoint/optimizer.pt" in checkpoint
    assert not [path for path in files if path.endswith("training_args.bin")]
    for path in checkpoint:
        assert str(tmp_path).encode() not in files[path]
    fetch(files, tmp_path / "fetched")
    assert problem_of(tmp_path / "fetched" / "last-checkpoint") is None


def test_training_goes_on_exactly_from_a_pushed_checkpoint(hub, command, tmp_path):
    pushing = ("--push_to_hub", "--hub_model_id", REPO, "--hub_strategy", "all_checkpoints")
    assert train_mlm.main(command(tmp_path / "run", *pushing, "--hub_always_push", "true")) == 0
    fetch(hub.files[REPO]["main"], tmp_path / "fetched")
    checkpoint = tmp_path / "fetched" / "checkpoint-4"
    assert train_mlm.main(command(tmp_path / "on", "--resume", str(checkpoint))) == 0
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("run", "on")]
    assert weights[0] == weights[1]


def test_with_strategy_end_there_is_one_push(hub, command, tmp_path):
    pushing = ("--push_to_hub", "--hub_model_id", REPO, "--hub_strategy", "end")
    assert train_mlm.main(command(tmp_path / "run", *pushing, "--hub_private_repo", "true")) == 0
    assert [message for _, message in hub.commits] == ["End of training"]
    assert hub.private == {REPO}


def test_a_lost_hub_does_not_stop_training_and_the_same_command_pushes_later(
    hub, command, tmp_path, capsys
):
    output = tmp_path / "run"
    arguments = command(output, "--push_to_hub", "--hub_model_id", REPO)
    hub.drop_commits = 1000
    assert train_mlm.main(arguments) == 2
    captured = capsys.readouterr()
    assert "the push of step 2 failed, training goes on" in captured.out
    assert "finished: model and tokenizer are in" in captured.out
    assert "The model is safe in" in captured.err
    hub.drop_commits = 0
    assert train_mlm.main(arguments) == 0
    assert set(hub.files[REPO]["main"]) == PUBLISHED


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("model_files", UsageError("no complete model")),
        ("mkdtemp", OSError(errno.ENOSPC, "No space left on device")),
        ("link_files", OSError(errno.ENOSPC, "No space left on device")),
        ("checkpoint_files", json.JSONDecodeError("Expecting value", "", 0)),
        ("seal_folder", KeyError("step")),
        ("push", TypeError("of somebody else's library")),
    ],
)
def test_whatever_fails_in_a_push_does_not_stop_training(
    broken, error, hub, command, tmp_path, monkeypatch, capsys
):
    def fails(*args, **kwargs):
        raise error

    monkeypatch.setattr(hub_trainer, broken, fails)
    output = tmp_path / "run"
    pushing = ("--push_to_hub", "--hub_model_id", REPO, "--hub_strategy", "checkpoint")
    arguments = command(output, *pushing, "--hub_always_push", "true", "--max_steps", "4")
    assert train_mlm.main(arguments) == 0
    said = capsys.readouterr().out
    for step in (2, 4):
        assert f"note: the push of step {step} failed, training goes on: " in said
    assert type(error).__name__ in said or str(error) in said
    assert [message for _, message in hub.commits] == ["End of training"]
    assert set(hub.files[REPO]["main"]) == PUBLISHED
    assert not list(output.glob("_push-*"))


def test_pushing_that_cannot_be_done_is_refused_before_any_work(
    hub, command, tmp_path, monkeypatch, capsys
):
    assert train_mlm.main(command(tmp_path / "run", "--push_to_hub")) == 2
    assert "--hub_model_id OWNER/NAME" in error_of(capsys)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    pushing = command(tmp_path / "run", "--push_to_hub", "--hub_model_id", REPO)
    assert train_mlm.main(pushing) == 2
    assert "does not accept the token" in error_of(capsys)
    assert not (tmp_path / "run").exists()
