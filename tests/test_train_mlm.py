import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from synthetic import write_recordings

import train_mlm
from rrweb_bert import assembly
from rrweb_bert.__main__ import make_parser
from rrweb_bert.arguments import parse_arguments
from rrweb_bert.disk_space import CheckpointError
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.signals import TrainingInterrupted

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    """Threads that wait for each other make small models slow on a busy machine."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder, num_per_site=6, num_actions=40)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def command(recordings, cache, tmp_path):
    def make(*extra, data_dir=recordings, output="run"):
        return [
            *("--data_dir", str(data_dir), "--cache_dir", str(cache)),
            *("--output_dir", str(tmp_path / output), "--model_size", "tiny"),
            *("--window_tokens", "64", "--per_device_train_batch_size", "4"),
            *("--samples_per_epoch", "48", "--max_steps", "12", "--eval_steps", "3"),
            *("--logging_steps", "3", "--validation_fraction", "0.2", "--num_proc", "1"),
            *("--use_cpu", "--dataloader_num_workers", "0", *extra),
        ]

    return make


def error_of(capsys):
    """The one error line that a user sees."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]


def stop_after(monkeypatch, step):
    """Make the next run fail at the first log after `step`, as a killed process would."""
    from rrweb_bert.training import RRWebTrainer, TrainingStoppedError

    stock = RRWebTrainer.training_step

    def training_step(self, *args, **kwargs):
        if self.state.global_step >= step:
            raise TrainingStoppedError("stopped by the test")
        return stock(self, *args, **kwargs)

    monkeypatch.setattr(RRWebTrainer, "training_step", training_step)


def test_interrupted_run_continues_with_the_same_command_and_ends_bit_identical(
    command, tmp_path, monkeypatch, capsys
):
    assert train_mlm.main(command(output="whole")) == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        assert train_mlm.main(command()) == 1
    # The newest checkpoint is left half written.
    (tmp_path / "run" / "checkpoint-6" / "optimizer.pt").unlink()
    capsys.readouterr()
    assert train_mlm.main(command("--dataloader_num_workers", "1")) == 0
    output = capsys.readouterr().out
    assert "checkpoint-6 is passed over: optimizer.pt is missing" in output
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    steps = {}
    for name in ("whole", "run"):
        content = json.loads((tmp_path / name / "training_history.json").read_text())
        steps[name] = [(row["step"], row["loss"]) for row in content["train"]]
    assert steps["whole"] == steps["run"]
    assert train_mlm.main(command()) == 0
    assert "this run is finished" in capsys.readouterr().out


def test_a_run_killed_between_the_two_renames_goes_on_from_that_step(
    command, tmp_path, monkeypatch, capsys
):
    """A step that is repeated takes its name from the checkpoint before, then gets it."""
    assert train_mlm.main(command(output="whole")) == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        assert train_mlm.main(command()) == 1
    run = tmp_path / "run"
    shutil.copytree(run / "checkpoint-6", run / "_checkpoint-6.removed")
    (run / "checkpoint-6").rename(run / "_checkpoint-6.partial")
    capsys.readouterr()
    assert train_mlm.main(command()) == 0
    output = capsys.readouterr().out
    assert "checkpoint-6 was sealed when the run was stopped" in output
    assert f"continuing after step 6, from {run / 'checkpoint-6'}" in output
    assert not list(run.glob("_checkpoint*"))
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("is_moved_away", [False, True])
def test_a_run_from_a_checkpoint_elsewhere_needs_it_only_once(
    command, tmp_path, monkeypatch, capsys, is_moved_away
):
    """The best one is the first; the same command goes on from its own checkpoints."""
    from rrweb_bert.training import RRWebTrainer

    stock = RRWebTrainer._determine_best_metric

    def first_is_best(self, metrics, trial):
        worse = {"eval_loss": metrics["eval_loss"] + self.state.global_step}
        return stock(self, metrics=worse, trial=trial)

    monkeypatch.setattr(RRWebTrainer, "_determine_best_metric", first_is_best)
    assert train_mlm.main(command(output="whole")) == 0
    for step, output, flags in (
        (7, "elsewhere", ()),
        (10, "run", ("--resume", str(tmp_path / "elsewhere" / "checkpoint-6"))),
    ):
        with monkeypatch.context() as patch:
            stop_after(patch, step)
            assert train_mlm.main(command(*flags, output=output)) == 1
    if is_moved_away:
        shutil.rmtree(tmp_path / "elsewhere")
    capsys.readouterr()
    assert train_mlm.main(command(*flags)) == 0
    output = capsys.readouterr().out
    assert f"continuing after step 9, from {tmp_path / 'run' / 'checkpoint-9'}" in output
    assert "is lost" not in output
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    state = json.loads((tmp_path / "run" / "checkpoint-12" / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(tmp_path / "run" / "checkpoint-3")


def test_a_streaming_run_resumes_bit_identical(command, tmp_path, monkeypatch, capsys):
    streaming = ("--streaming", "true", "--cache_sessions", "3")
    assert train_mlm.main(command(*streaming, output="whole")) == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        assert train_mlm.main(command(*streaming)) == 1
    assert train_mlm.main(command(*streaming, "--dataloader_num_workers", "1")) == 0
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert "eval_loss" in capsys.readouterr().out
    assert train_mlm.main(command()) == 2  # prepared windows are other windows


def test_run_killed_before_its_results_were_written_writes_them(command, tmp_path, monkeypatch):
    assert train_mlm.main(command()) == 0
    output = tmp_path / "run"
    expected = (output / "model.safetensors").read_bytes()
    record = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps(record | {"finished": False}))
    (output / "model.safetensors").unlink()
    synced = []

    def fsync(descriptor):
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        is_finished = '"finished": true' in (output / "run.json").read_text()
        synced.append((path.name, is_finished))

    monkeypatch.setattr(os, "fsync", fsync)
    assert train_mlm.main(command()) == 0
    assert (output / "model.safetensors").read_bytes() == expected
    # A power failure must not leave a run that says it is finished with half a model.
    for name in ("model.safetensors", "config.json", "loss_and_lr.png", "run"):
        assert (name, False) in synced, name


def test_a_run_of_the_sample_ends_with_what_to_do_next(command, cache, tmp_path, capsys):
    small = ["--window_tokens", "64", "--per_device_train_batch_size", "2", "--max_steps", "1"]
    output_dir = tmp_path / "sample run"
    common = ["--use_cpu", "--cache_dir", str(cache), "--output_dir", str(output_dir)]
    assert train_mlm.main([*common, *small, "--num_proc", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    last = lines[next(n for n, line in enumerate(lines) if line.startswith("finished: ")) + 1 :]
    assert len(last) == 3
    (page,) = re.findall(r"docs/\w+\.md", last[0])
    assert (ROOT / page).is_file()
    parse_arguments(last[1].split("python train_mlm.py ")[1].split())
    for words in last[2].split("python -m rrweb_bert ")[1].split(", then "):
        make_parser(words.split()).parse_args(words.split())
    assert train_mlm.main(command()) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("finished: ")


def test_refused_steps_are_told_as_the_epochs_that_were_given(command, capsys):
    by_steps = command("--num_train_epochs", "0.5")
    place = by_steps.index("--max_steps")
    by_epochs = [*by_steps[:place], *by_steps[place + 2 :]]
    assert train_mlm.main(by_epochs) == 0
    assert train_mlm.main(command()) == 2
    expected = "max_steps was --num_train_epochs 0.5 (6 steps of 4 windows), is --max_steps 12"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (TrainingInterrupted("stopped by SIGTERM after step 3"), 0, "stopped by SIGTERM"),
        (CheckpointError("no room for checkpoint-3"), 1, "error: no room for checkpoint-3"),
        (OSError(errno.ENOSPC, "No space", "/run/a.json"), 1, "error: the disk is full: /run/a"),
        (KeyboardInterrupt(), 130, "stopped; the same command continues"),
    ],
)
def test_the_status_says_how_it_ended(monkeypatch, capsys, command, error, status, message):
    def fail(arguments):
        raise error

    monkeypatch.setattr(train_mlm, "train", fail)
    assert train_mlm.main(command()) == status
    assert message in "".join(capsys.readouterr())


def test_other_errors_of_the_system_are_not_hidden(monkeypatch, command):
    def fail(arguments):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(train_mlm, "train", fail)
    with pytest.raises(OSError, match="broken"):
        train_mlm.main(command())


def test_output_folder_of_another_run_is_refused_with_the_difference(command, capsys):
    assert train_mlm.main(command()) == 0
    capsys.readouterr()
    assert train_mlm.main(command("--learning_rate", "0.01")) == 2
    message = capsys.readouterr().err
    assert "learning_rate was 5e-05, is 0.01" in message
    assert "another --output_dir" in message
    assert train_mlm.main(command("--resume", "never")) == 2
    assert "holds checkpoint-" in error_of(capsys)


def test_training_goes_on_from_given_weights(command, tmp_path, capsys):
    assert train_mlm.main(command()) == 0
    start = str(tmp_path / "run")
    again = command("--model_name_or_path", start, output="second")
    assert train_mlm.main(again) == 0
    first, second = (
        json.loads((tmp_path / name / "training_history.json").read_text())["train"][0]["loss"]
        for name in ("run", "second")
    )
    assert second < first


def test_a_model_to_start_from_is_looked_at_before_anything_is_prepared(
    command, tmp_path, capsys, monkeypatch
):
    start = tmp_path / "start"
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=64)).save_pretrained(start)
    narrow = tmp_path / "narrow"
    config = model_config("tiny", window_tokens=64, vocab_size=700)
    RRWebBertForMaskedLM(config).save_pretrained(narrow)
    unfinished = tmp_path / "unfinished"  # only checkpoints lie there
    for name, content in (("broken", '{"max_position_embeddings": "many"}'), ("list", "[1]")):
        (unfinished / name).mkdir(parents=True)
        (unfinished / name / "config.json").write_text(content)
    monkeypatch.setattr(assembly, "open_corpus", lambda *_: pytest.fail("data were prepared"))
    for folder, flags, message in (
        (start, ["--window_tokens", "128"], "fewer than --window_tokens 128"),
        (narrow, [], "a vocabulary of 700 ids"),
        (tmp_path / "none", [], "there is no such folder here"),
        (unfinished, [], "holds no model: config.json is missing"),
        (unfinished / "broken", [], "max_position_embeddings"),
        (unfinished / "list", [], "config.json"),
    ):
        assert train_mlm.main(command("--model_name_or_path", str(folder), *flags)) == 2
        assert message in error_of(capsys)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fp16"], "needs a CUDA GPU"),
        (["--no_such_flag"], "unknown argument --no_such_flag"),
        (["--model_name_or_path", "no/such/folder/here"], "cannot be loaded"),
        (["--tokenizer_name_or_path", "no/such/folder/here"], "there is no such folder here"),
        (["--resume", "no/such/checkpoint"], "no such folder"),
    ],
)
def test_wrong_flags_are_one_clear_message(command, capsys, flags, message):
    assert train_mlm.main(command(*flags)) == 2
    assert message in error_of(capsys)


@pytest.mark.parametrize("flag", ["--resume", "--resume_from_checkpoint"])
def test_a_checkpoint_that_is_none_is_told_first_and_nothing_is_written(
    command, tmp_path, capsys, flag
):
    assert train_mlm.main(command(flag, "no/such/checkpoint", output="a/run")) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("error: --resume no/such/checkpoint: there is no such folder. Give")
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_is_refused_leaves_no_folder(command, tmp_path, capsys):
    assert train_mlm.main(command()) == 0
    last = str(tmp_path / "run" / "checkpoint-12")
    assert train_mlm.main(command("--seed", "7", "--resume", last, output="other")) == 2
    assert "seed was 42, is 7" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_missing_and_empty_folders_are_named(command, tmp_path, capsys):
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    for folder in (missing, empty):
        assert train_mlm.main(command(data_dir=folder)) == 2
        assert str(folder) in error_of(capsys)


def test_a_folder_without_a_single_recording_is_refused(command, tmp_path, capsys):
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / "a.json").write_text("not JSON at all")
    (folder / "b.json").write_text('{"this": "is no recording"}')
    assert train_mlm.main(command(data_dir=folder)) == 2
    assert "none of 2 files is a recording" in error_of(capsys)


def test_too_few_recordings_for_a_validation_split_name_the_remedy(
    command, recordings, tmp_path, capsys
):
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(recordings / "shop" / "000.json", folder)
    assert train_mlm.main(command(data_dir=folder)) == 2
    assert "validation" in error_of(capsys)


def test_a_corpus_of_another_tokenizer_is_refused(command, monkeypatch, capsys):
    from rrweb_bert import assembly

    monkeypatch.setattr(assembly, "tokenizer_hashes", lambda tokenizer: {"text_bpe.model": "0"})
    assert train_mlm.main(command()) == 2
    assert "prepared with another tokenizer" in error_of(capsys)


def test_log_file_has_no_carriage_returns_and_one_line_a_logged_step(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-u", str(ROOT / "train_mlm.py"), *command()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert "\r" not in done.stdout
    steps = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("step ")]
    assert steps == ["3/12", "3/12", "6/12", "6/12", "9/12", "9/12", "12/12", "12/12"]
