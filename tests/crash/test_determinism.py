"""200 steps twice, and with each number of loader workers."""

import json

import pytest

from benchmarks.kill_and_resume import SMALL, Setup, fingerprint, whole_run

FLAGS = [*SMALL, "--max_steps", "200", "--eval_steps", "100", "--save_steps", "100"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_200_steps_give_the_same_losses_norms_and_hashes_twice_and_for_0_to_3_workers(tmp_path):
    setup = Setup(flags=[*FLAGS, "--logging_steps", "1"], folder=tmp_path, is_forked=True)
    found = {}
    for name, num_workers in (("first", 0), ("again", 0), ("one", 1), ("two", 2), ("three", 3)):
        whole_run(setup, name, num_workers=num_workers)
        found[name] = fingerprint(tmp_path / name)
    rows = json.loads((tmp_path / "first" / "training_history.json").read_text())["train"]
    assert len(rows) == 200
    assert all(row["grad_norm"] > 0 for row in rows)
    assert all(each == found["first"] for each in found.values())
