"""A small file system of its own, with room for 0.5, 1.5 and 2.5 checkpoints."""

import os
import re
import subprocess
import sys

import pytest

from benchmarks.kill_and_resume import ROOT, SMALL, Setup, fingerprint, whole_run
from rrweb_bert.checkpoints import find_checkpoints, problem_of
from rrweb_bert.sealing import read_seal

FLAGS = [*SMALL, "--max_steps", "20", "--save_steps", "5", "--eval_steps", "5"]
# The check asks for about 8 MB more than a checkpoint takes; here it is left out.
UNCHECKED = """
import sys
import rrweb_bert.saving
rrweb_bert.saving.require_room = lambda *_: None
import train_mlm
sys.exit(train_mlm.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(flags=FLAGS, folder=tmp_path_factory.mktemp("disk"), is_forked=True)


@pytest.fixture(scope="module")
def expected(setup):
    whole_run(setup, "whole")
    return fingerprint(setup.folder / "whole")


@pytest.fixture
def disk(setup, expected, request):
    """A file system of so many checkpoints; a function that makes it large comes with it."""
    num_bytes = read_seal(setup.folder / "whole" / "checkpoint-20").num_bytes
    folder = setup.folder / f"disk-{os.getpid()}-{request.node.name}"
    folder.mkdir()
    size = int(request.param * num_bytes)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")

    def enlarge():
        subprocess.run(["mount", "-o", "remount,size=400m", str(folder)], check=True)

    yield folder, enlarge
    subprocess.run(["umount", str(folder)], check=True)


def run(setup, folder, *, code=None):
    """Train in that folder, and return the status and the output."""
    if code is None:
        process = setup.start(folder.name, num_workers=0)
        output, _ = process.communicate()
        return process.returncode, output
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, *setup.flags, "--cache_dir", str(setup.folder / "cache")),
            *("--output_dir", str(folder), "--dataloader_num_workers", "0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("code", [None, UNCHECKED], ids=["checked", "fills-while-writing"])
@pytest.mark.parametrize(
    ("disk", "kept"), [(0.5, []), (1.5, [5]), (2.5, [5, 10])], indirect=["disk"]
)
def test_a_full_disk_is_a_clear_error_and_the_run_goes_on_exactly(
    setup, expected, disk, kept, code
):
    folder, enlarge = disk
    status, output = run(setup, folder, code=code)
    assert status == 1, output
    assert "Traceback" not in output
    errors = [line for line in output.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, output
    assert str(folder) in errors[0]
    assert re.search(r"needs about [\d.]+ MB, .* (MB|bytes) are free", errors[0])
    assert "Make room and run the same command again" in errors[0]
    found = find_checkpoints(folder)
    assert [checkpoint.step for checkpoint in reversed(found)] == kept
    assert all(problem_of(checkpoint.path) is None for checkpoint in found)
    assert not list(folder.glob("_checkpoint*"))
    enlarge()
    status, output = run(setup, folder)
    assert status == 0, output
    assert ("continuing after step" in output) == bool(kept)
    assert fingerprint(folder) == expected
