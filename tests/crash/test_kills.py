"""Real `train_mlm.py` processes, killed and signalled: `pytest -m crash`, `pytest -m soak`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from benchmarks.kill_and_resume import (
    READY,
    SMALL,
    Setup,
    fingerprint,
    kill_and_compare,
    whole_run,
)


@pytest.mark.crash
@pytest.mark.timeout(1800)
def test_ten_kills_at_random_moments_change_nothing(tmp_path):
    workers = (0, 0, 0, 1, 2, 3)  # a start with workers costs four times as much
    setup = Setup(
        flags=SMALL, folder=tmp_path, pause=(0.0, 3.0), worker_choices=workers, is_forked=True
    )
    tally = kill_and_compare(setup, num_kills=10, seed=int(time.time()))
    assert not tally.differences
    assert tally.num_kills == 10
    assert tally.num_resumed == tally.num_starts_after_kill > 0
    assert tally.num_identical == tally.num_runs > 0


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
def test_an_hour_of_kills_changes_nothing(tmp_path):
    flags = [*SMALL, "--max_steps", "6000", "--samples_per_epoch", "6000", "--save_steps", "100"]
    setup = Setup(flags=[*flags, "--eval_steps", "100"], folder=tmp_path, pause=(60.0, 180.0))
    tally = kill_and_compare(setup, num_kills=10**9, seconds=3600, seed=int(time.time()))
    assert not tally.differences
    assert tally.num_kills > 10
    assert tally.is_good


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(flags=SMALL, folder=tmp_path_factory.mktemp("signals"), is_forked=True)


@pytest.fixture(scope="module")
def expected(setup):
    whole_run(setup, "whole")
    return fingerprint(setup.folder / "whole")


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("number", "num_workers", "is_for_all"),
    [
        (signal.SIGTERM, 0, False),  # docker stop, systemd
        (signal.SIGTERM, 2, True),  # Slurm: every process of the step
        (signal.SIGINT, 2, True),  # Ctrl-C in a terminal
    ],
)
def test_a_signal_ends_the_run_with_status_0_and_the_same_command_ends_it_the_same(
    setup, expected, number, num_workers, is_for_all
):
    name = f"{number.name}-{num_workers}"
    stop = Signalled(setup, name, num_workers=num_workers)
    stop.send(number, is_for_all=is_for_all)
    assert stop.status == 0, stop.output
    assert "Traceback" not in stop.output
    lines = [line for line in stop.output.splitlines() if "the same command continues" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"stopped by {number.name} after step")
    output = whole_run(setup, name)
    assert "continuing after step" in output
    assert fingerprint(setup.folder / name) == expected


class Signalled:
    """A run that gets a signal after its first lines of training."""

    def __init__(self, setup, name, *, num_workers):
        # Signals are for the process that a person or Slurm starts.
        self._process = replace(setup, is_forked=False).start(name, num_workers=num_workers)
        self.output = ""
        for line in self._process.stdout:
            self.output += line
            if READY.match(line):
                break
        for line in self._process.stdout:
            self.output += line
            if line.startswith("step "):
                break

    def send(self, number, *, is_for_all):
        (os.killpg if is_for_all else os.kill)(self._process.pid, number)
        rest, _ = self._process.communicate()
        self.output += rest
        self.status = self._process.returncode


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_two_runs_in_one_folder_are_refused(setup, expected):
    first = setup.start("shared", num_workers=0)
    for line in first.stdout:
        if READY.match(line):
            break
    second = setup.start("shared", num_workers=0)
    os.kill(first.pid, signal.SIGSTOP)
    output, _ = second.communicate()
    os.kill(first.pid, signal.SIGCONT)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "another process is training in" in output


KILLED_AT_A_NAME = """
import os, signal, sys
from pathlib import Path
import train_mlm

stock, name = Path.replace, sys.argv[1]

def replace(self, target):
    if self.name == name:
        os.kill(os.getpid(), signal.SIGKILL)
    return stock(self, target)

Path.replace = replace
sys.exit(train_mlm.main(sys.argv[2:]))
"""


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_kill_right_before_a_sealed_checkpoint_gets_its_name_loses_nothing(
    setup, expected, is_repeated
):
    name = f"named-{is_repeated}"
    folder = setup.folder / name
    flags = [*setup.flags, "--cache_dir", str(setup.folder / "cache")]
    flags += ["--output_dir", str(folder), "--dataloader_num_workers", "0"]

    def kill_at(partial):
        command = [sys.executable, "-c", KILLED_AT_A_NAME, partial, *flags]
        assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL

    if is_repeated:  # its first checkpoint is damaged, so step 10 is done once more
        kill_at("_checkpoint-15.partial")
        shutil.rmtree(folder / "_checkpoint-15.partial")
        (folder / "checkpoint-10" / "optimizer.pt").unlink()
    kill_at("_checkpoint-10.partial")
    assert (folder / "_checkpoint-10.removed").exists() == is_repeated
    assert not (folder / "checkpoint-10").exists()
    output = whole_run(setup, name)
    assert "checkpoint-10 was sealed when the run was stopped" in output
    assert "continuing after step 10" in output
    assert fingerprint(folder) == expected


SLURM = """
srun() { "$@"; }
scontrol() { echo "asked for: $*"; }
"""


def slurm_script(root):
    """The batch script in docs/reliability.md."""
    text = (root / "docs" / "reliability.md").read_text()
    return text.split("```bash\n#!/bin/bash\n")[1].split("```")[0]


@pytest.mark.crash
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("record", "status", "asks"),
    [('"finished": false', 0, True), ('"finished": true', 0, False), ("", 1, False)],
)
def test_the_slurm_script_asks_for_another_turn_only_if_the_run_was_stopped(
    tmp_path, pytestconfig, record, status, asks
):
    (tmp_path / "run.json").write_text(record)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/bash\nexit {status}\n")
    python.chmod(0o755)
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/bash\n{SLURM}\n" + slurm_script(pytestconfig.rootpath))
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "RUN": str(tmp_path), "SLURM_JOB_ID": "7"},
    )
    assert ("asked for: requeue 7" in done.stdout) == asks, done.stderr
    assert done.returncode == status
