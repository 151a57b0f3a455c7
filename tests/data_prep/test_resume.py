"""Preparations are killed for real, and the same command then ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_recordings import files_of, fill_folders_with_visits

from data_prep.prepare import PrepareOptions, prepare
from data_prep.verify import verify

HERE = Path(__file__).parent
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import data_prep.tasks
from data_prep.prepare import PrepareOptions, prepare
from fake_encoder import SlowEncoder

data_prep.tasks._TASK_FILES = 4

if __name__ == "__main__":
    options = PrepareOptions(
        test_fraction=0.2, validation_fraction=0.3, num_proc={num_proc}, show_progress=False
    )
    prepare([Path("raw")], Path("corpus"), options, encoder_factory=SlowEncoder)
"""


def start(folder, num_proc):
    script = folder / "run.py"
    script.write_text(SCRIPT.format(here=str(HERE), num_proc=num_proc))
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process):
    """Kill the first process alone; its workers must follow it by themselves."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while _has_members(process.pid):
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.05)


def _has_members(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def prepare_here(folder, output="corpus"):
    """Prepare in this process, and return what was said and the bytes."""
    sys.path.insert(0, str(HERE))
    from fake_encoder import FakeEncoder

    said = []
    options = PrepareOptions(
        test_fraction=0.2, validation_fraction=0.3, num_proc=1, show_progress=False
    )
    corpus = prepare(
        [folder / "raw"],
        folder / output,
        options,
        encoder_factory=FakeEncoder,
        report=said.append,
    )
    sys.path.remove(str(HERE))
    return said, files_of(corpus.path)


def await_parts(folder, num_parts):
    deadline = time.monotonic() + 60
    while len(list(folder.glob(".corpus.parts/*/*.jsonl"))) < num_parts:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_a_killed_preparation_goes_on_and_ends_with_the_same_bytes(tmp_path):
    fill_folders_with_visits(tmp_path / "raw", 40)
    process = start(tmp_path, 2)
    await_parts(tmp_path, 3)
    kill(process)
    assert not (tmp_path / "corpus").exists()
    said, found = prepare_here(tmp_path)
    assert "files are encoded already" in said[0]
    assert found == prepare_here(tmp_path, "fresh")[1]
    assert verify(tmp_path / "corpus", num_window_draws=10).is_sound
    assert not (tmp_path / ".corpus.parts").exists()


@pytest.mark.crash
@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("num_proc", [1, 2])
def test_any_number_of_kills_at_any_moment_loses_and_doubles_nothing(tmp_path, num_proc):
    rng = random.Random(num_proc)  # noqa: S311 - nothing secret
    fill_folders_with_visits(tmp_path / "raw", 60)
    began = time.monotonic()
    undisturbed = start(tmp_path, num_proc)
    said, _ = undisturbed.communicate(timeout=100)
    assert undisturbed.returncode == 0, said
    lasts_s = time.monotonic() - began
    (tmp_path / "corpus").rename(tmp_path / "expected")
    for _ in range(10):
        process = start(tmp_path, num_proc)
        time.sleep(rng.uniform(0, lasts_s))
        kill(process)
    _, found = prepare_here(tmp_path)
    assert found == files_of(tmp_path / "expected")
    assert verify(tmp_path / "corpus", num_window_draws=10).is_sound
