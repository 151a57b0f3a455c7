"""Processes that torchrun starts on a CPU train what one process trains (slow: real processes).

Dropout is off, since each process draws its own; data, losses, gradients and evaluations are then
equal up to the order in which float32 sums are made.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from synthetic import write_recordings

from data_prep.prepare import PrepareOptions, prepare

ROOT = Path(__file__).parents[1]
STEPS = 8

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    recordings = tmp_path_factory.mktemp("recordings")
    write_recordings(recordings, num_per_site=6, num_actions=30)
    options = PrepareOptions(num_proc=1, validation_fraction=0.3)
    return prepare([recordings], tmp_path_factory.mktemp("corpus") / "corpus", options).path


@pytest.fixture(scope="module")
def train(corpus):
    def run(output, *, batch, processes=1, accumulation=1, more=(), data=corpus, launcher=None):
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        if launcher is None:
            launcher = torchrun if processes > 1 else []
        command = [
            *(sys.executable, *launcher, str(ROOT / "train_mlm.py")),
            *("--data_dir", str(data), "--output_dir", str(output), "--model_size", "tiny"),
            *("--window_tokens", "64", "--samples_per_epoch", "48", "--max_steps", str(STEPS)),
            *("--eval_steps", "4", "--logging_steps", "1", "--use_cpu", "--learning_rate", "1e-3"),
            *("--per_device_train_batch_size", str(batch), "--dataloader_num_workers", "1"),
            *("--gradient_accumulation_steps", str(accumulation), "--per_device_eval_batch_size"),
            *("3", "--hidden_dropout", "0", "--attention_dropout", "0", *more),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


def history(folder):
    content = json.loads((folder / "training_history.json").read_text())
    return (
        [row["loss"] for row in content["train"]],
        [row["grad_norm"] for row in content["train"]],
        [row["eval_loss"] for row in content["evaluation"]],
    )


@pytest.fixture(scope="module")
def single(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "single"
    assert train(folder, batch=8).returncode == 0
    return folder


@pytest.fixture(scope="module")
def double_run(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "double"
    result = train(folder, batch=4, processes=2)
    assert result.returncode == 0, result.stderr
    return folder, result.stdout + result.stderr


@pytest.fixture(scope="module")
def double(double_run):
    return double_run[0]


@pytest.fixture(scope="module")
def double_output(double_run):
    return double_run[1]


def assert_equal(folder, single):
    for found, expected in zip(history(folder), history(single), strict=True):
        assert found == pytest.approx(expected, rel=1e-6)
    assert len(history(folder)[0]) == STEPS


def test_two_processes_equal_one_with_the_same_global_batch(single, double):
    assert_equal(double, single)


def test_nothing_warns_of_what_no_user_can_change(double_output):
    assert "Warning" not in double_output


def test_one_process_on_each_of_two_hosts_equals_one(train, single, tmp_path):
    """Two launchers meet at an address, as they would from two hosts with a shared disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    launcher = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1"]
    launcher += ["--rdzv_backend=c10d", f"--rdzv_endpoint={endpoint}"]
    with ThreadPoolExecutor(2) as hosts:
        started = [
            hosts.submit(train, tmp_path / "run", batch=4, launcher=launcher) for _ in range(2)
        ]
        results = [host.result() for host in started]
    assert [result.returncode for result in results] == [0, 0], results[0].stderr
    assert_equal(tmp_path / "run", single)


@pytest.mark.parametrize(("processes", "batch", "accumulation"), [(1, 2, 4), (2, 2, 2)])
def test_gradient_accumulation_equals_the_whole_batch(
    train, single, tmp_path, processes, batch, accumulation
):
    result = train(tmp_path / "run", batch=batch, processes=processes, accumulation=accumulation)
    assert result.returncode == 0, result.stderr
    assert_equal(tmp_path / "run", single)


@pytest.mark.parametrize("saved_by", ["single", "double"])
def test_a_run_goes_on_with_another_number_of_processes(train, single, double, tmp_path, saved_by):
    source = {"single": single, "double": double}[saved_by]
    folder = tmp_path / "run"
    shutil.copytree(source, folder)
    shutil.rmtree(folder / f"checkpoint-{STEPS}")
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"finished": False}))
    processes = {"single": 2, "double": 1}[saved_by]
    result = train(folder, batch=8 // processes, processes=processes)
    assert result.returncode == 0, result.stderr
    assert "step 1/" not in result.stdout
    assert_equal(folder, single)


def test_a_fault_that_one_process_sees_ends_all(train, corpus, tmp_path):
    """A changed byte is found by the process that watches the files."""
    changed = tmp_path / "corpus"
    shutil.copytree(corpus, changed)
    shard = changed / "train" / "data-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[-40] ^= 1
    shard.write_bytes(content)
    more = ("--max_steps", "100000")
    result = train(tmp_path / "run", batch=2, processes=2, more=more, data=changed)
    assert result.returncode != 0
    assert "its bytes have changed" in result.stderr
    assert "python -m data_prep verify" in result.stderr
    assert not list((tmp_path / "run").glob("model.safetensors"))


def test_other_global_batches_are_another_run(train, double, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(double, folder)
    result = train(folder, batch=8, processes=2)
    assert result.returncode != 0
    assert re.search(r"windows_per_step was 8\b.* is 16\b", result.stderr)


def test_a_process_that_has_no_validation_window_trains_all_the_same(train, tmp_path):
    more = ("--per_device_eval_batch_size", "64")  # all in one batch, for the first process
    done = train(tmp_path / "run", batch=2, processes=2, more=more)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(history(tmp_path / "run")[2]) == 2
