import json
import shutil

import pytest

from rrweb_bert.checkpoints import (
    best_of,
    choose_checkpoint,
    find_checkpoints,
    prune_checkpoints,
    remove_checkpoint,
    remove_leftovers,
    write_overview,
)
from rrweb_bert.options import UsageError
from rrweb_bert.sealing import SEAL_FILE, seal_folder


@pytest.fixture
def output_dir(tmp_path):
    """Checkpoints 3, 6, 9 and 12; the best at 9 and 12 is 6."""
    for step, best in ((3, 3), (6, 6), (9, 6), (12, 6)):
        make(tmp_path, step, best)
    return tmp_path


def make(output_dir, step, best):
    folder = output_dir / f"checkpoint-{step}"
    folder.mkdir()
    state = {
        "global_step": step,
        "best_global_step": best,
        "best_model_checkpoint": f"/elsewhere/checkpoint-{best}",
    }
    (folder / "trainer_state.json").write_text(json.dumps(state))
    for name in ("config.json", "scheduler.pt"):
        (folder / name).write_text(f"{name} {step}")
    seal_folder(folder, step=step)


def damage(output_dir, step):
    (output_dir / f"checkpoint-{step}" / "scheduler.pt").write_text("x")


def names(output_dir):
    return sorted(path.name for path in output_dir.iterdir())


def test_the_newest_good_checkpoint_is_chosen_and_the_others_are_reported(output_dir):
    chosen, notes = choose_checkpoint(output_dir, needs_best=True)
    assert (chosen.step, notes) == (12, [])
    damage(output_dir, 12)
    chosen, notes = choose_checkpoint(output_dir, needs_best=True)
    assert chosen.step == 9
    assert len(notes) == 1
    assert "checkpoint-12 is passed over: scheduler.pt is damaged" in notes[0]


def test_a_lost_best_sends_the_run_back_to_where_it_is_found_again(output_dir):
    damage(output_dir, 6)
    chosen, notes = choose_checkpoint(output_dir, needs_best=True)
    assert chosen.step == 3
    assert "its best so far, checkpoint-6, is lost (scheduler.pt is damaged" in notes[0]
    assert choose_checkpoint(output_dir, needs_best=False)[0].step == 12


def test_damaged_checkpoints_alone_are_refused_instead_of_starting_over(output_dir):
    for step in (3, 6, 9, 12):
        damage(output_dir, step)
    with pytest.raises(UsageError, match=r"no checkpoint in .* is good") as refusal:
        choose_checkpoint(output_dir, needs_best=False)
    message = str(refusal.value)
    assert all(f"checkpoint-{step} is passed over: scheduler.pt" in message for step in (3, 12))
    assert "--output_dir" in message


def test_whole_ones_whose_best_is_lost_are_named_for_who_can_do_without_it(output_dir):
    shutil.rmtree(output_dir / "checkpoint-3")
    damage(output_dir, 6)
    damage(output_dir, 12)
    with pytest.raises(UsageError) as refusal:
        choose_checkpoint(output_dir, needs_best=True)
    assert f"--resume {output_dir / 'checkpoint-9'}" in str(refusal.value)
    assert "the best of what comes" in str(refusal.value)


def test_no_resume_is_named_where_none_is_whole(output_dir):
    for step in (3, 6, 9, 12):
        damage(output_dir, step)
    with pytest.raises(UsageError) as refusal:
        choose_checkpoint(output_dir, needs_best=True)
    assert "--resume" not in str(refusal.value)


def test_a_checkpoint_under_another_name_knows_that_it_is_its_own_best(tmp_path):
    make(tmp_path, 6, 6)
    renamed = (tmp_path / "checkpoint-6").rename(tmp_path / "last-checkpoint")
    assert best_of(renamed) == renamed


def test_pruning_takes_those_whose_best_is_gone_first(output_dir):
    shutil.rmtree(output_dir / "checkpoint-6")
    make(output_dir, 15, 15)
    prune_checkpoints(output_dir, limit=2, keep={"checkpoint-15"})
    assert names(output_dir) == ["checkpoint-15", "checkpoint-3"]


@pytest.mark.parametrize("state", ["{", "[]", None])
def test_pruning_takes_those_with_a_broken_state_first(output_dir, state):
    path = output_dir / "checkpoint-9" / "trainer_state.json"
    path.unlink() if state is None else path.write_text(state)
    prune_checkpoints(output_dir, limit=3, keep={"checkpoint-12"})
    assert names(output_dir) == ["checkpoint-12", "checkpoint-3", "checkpoint-6"]


def test_a_link_to_a_checkpoint_is_replaced_without_a_trace(output_dir, tmp_path):
    target = (output_dir / "checkpoint-12").rename(output_dir / "kept")
    link = output_dir / "checkpoint-12"
    link.symlink_to(target)
    remove_checkpoint(link)
    assert not link.is_symlink()
    assert target.is_dir()
    (output_dir / "_checkpoint-15.removed").symlink_to(target)
    assert remove_leftovers(output_dir) == ["_checkpoint-15.removed"]
    assert names(output_dir) == ["checkpoint-3", "checkpoint-6", "checkpoint-9", "kept"]


def test_no_checkpoint_at_all_is_the_beginning(tmp_path):
    assert choose_checkpoint(tmp_path, needs_best=True) == (None, [])
    assert choose_checkpoint(tmp_path / "none", needs_best=True) == (None, [])
    assert find_checkpoints(tmp_path / "none") == []


def test_pruning_keeps_the_last_the_best_and_the_newest(output_dir):
    keep = {"checkpoint-12", "checkpoint-6"}
    prune_checkpoints(output_dir, limit=3, keep=keep)
    assert names(output_dir) == ["checkpoint-12", "checkpoint-6", "checkpoint-9"]
    prune_checkpoints(output_dir, limit=1, keep=keep)
    assert names(output_dir) == ["checkpoint-12", "checkpoint-6"]


@pytest.mark.parametrize("limit", [None, 0, -1, 4, 9])
def test_pruning_without_a_reason_removes_nothing(output_dir, limit):
    prune_checkpoints(output_dir, limit=limit, keep={"checkpoint-12"})
    assert len(names(output_dir)) == 4


def test_pruning_takes_folders_without_a_seal_first(output_dir):
    (output_dir / "checkpoint-9" / SEAL_FILE).unlink()
    prune_checkpoints(output_dir, limit=3, keep={"checkpoint-12"})
    assert names(output_dir) == ["checkpoint-12", "checkpoint-3", "checkpoint-6"]


def test_what_a_kill_leaves_half_done_is_removed_and_nothing_else(output_dir):
    for name in ("_checkpoint-15.partial", "_checkpoint-1.removed", "_other", "checkpoint-x"):
        (output_dir / name / "inner").mkdir(parents=True)
    assert remove_leftovers(output_dir) == ["_checkpoint-1.removed", "_checkpoint-15.partial"]
    assert {"_other", "checkpoint-x", "checkpoint-12"} <= set(names(output_dir))
    assert remove_leftovers(output_dir / "none") == []


def test_the_overview_says_which_is_last_and_which_is_best(output_dir):
    write_overview(output_dir, last="checkpoint-12", best="checkpoint-6", metric=2.5)
    content = json.loads((output_dir / "checkpoints.json").read_text())
    assert content["last"] == "checkpoint-12"
    assert (content["best"], content["best_metric"]) == ("checkpoint-6", 2.5)
