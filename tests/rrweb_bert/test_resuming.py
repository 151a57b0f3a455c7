import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
from filelock import FileLock

from rrweb_bert import resuming
from rrweb_bert.options import UsageError
from rrweb_bert.resuming import (
    check_folder,
    check_resume,
    find_start,
    held,
    origins_of,
    recover,
)
from rrweb_bert.run_record import RunRecord
from rrweb_bert.sealing import seal_folder
from rrweb_bert.start_plan import start_of as planned_start_of

RECORD = RunRecord(identity={"seed": 1, "learning_rate": 5e-5})
OTHER = RunRecord(identity={"seed": 2, "learning_rate": 5e-5})


def make(output_dir, step, record=RECORD):
    folder = output_dir / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("config.json", "scheduler.pt"):
        (folder / name).write_text(name)
    (folder / "trainer_state.json").write_text('{"best_model_checkpoint": null}')
    if record is not None:
        record.save(folder)
    seal_folder(folder, step=step)
    return folder


def start_of(output_dir, resume="auto", record=RECORD):
    check_folder(output_dir, record, resume)
    return find_start(output_dir, record, resume, needs_best=True)


def test_auto_takes_the_newest_and_a_fresh_folder_is_the_beginning(tmp_path):
    assert start_of(tmp_path) is None
    make(tmp_path, 3)
    newest = make(tmp_path, 12)
    assert start_of(tmp_path) == (newest, 12)


def test_a_damaged_one_is_said_to_be_passed_over(tmp_path, capsys):
    make(tmp_path, 3)
    (make(tmp_path, 12) / "scheduler.pt").unlink()
    assert start_of(tmp_path).step == 3
    output = capsys.readouterr().out
    assert "note: " in output
    assert "checkpoint-12 is passed over: scheduler.pt is missing" in output
    assert "continuing after step 3" in output


def test_never_refuses_checkpoints_and_takes_a_folder_without(tmp_path):
    assert start_of(tmp_path, "never") is None
    make(tmp_path, 3)
    with pytest.raises(UsageError, match=r"--resume never, but .* holds checkpoint-3"):
        start_of(tmp_path, "never")


def test_a_checkpoint_may_lie_anywhere_and_have_any_name(tmp_path):
    elsewhere = tmp_path / "disk" / "last-checkpoint"
    shutil.copytree(make(tmp_path / "old", 7), elsewhere)
    assert start_of(tmp_path / "new", str(elsewhere)) == (elsewhere, 7)


def test_a_named_checkpoint_gives_way_to_those_that_descend_from_it(tmp_path, capsys):
    named = make(tmp_path / "old", 7)
    run = tmp_path / "run"
    make(run, 20)  # of before; who names an earlier one wants that
    assert start_of(run, str(named)) == (named, 7)
    origins = origins_of(start_of(run, str(named)), str(named))
    child = make(run, 9, replace(RECORD, origins=origins))
    assert start_of(run, str(named)) == (child, 9)
    make(run, 11, replace(RECORD, origins=origins_of(start_of(run), "auto")))  # descends from 20
    assert start_of(run, str(named)) == (child, 9)
    origins = origins_of(start_of(run, str(named)), str(named))
    grandchild = make(run, 12, replace(RECORD, origins=origins))
    assert start_of(run, str(named)) == (grandchild, 12)
    (grandchild / "scheduler.pt").unlink()
    assert start_of(run, str(named)) == (child, 9)
    assert "checkpoint-12 is passed over: scheduler.pt is missing" in capsys.readouterr().out
    (child / "scheduler.pt").unlink()
    assert start_of(run, str(named)) == (named, 7)


def test_what_descends_from_a_checkpoint_is_found_when_that_is_gone_or_moved(tmp_path):
    named, run = make(tmp_path / "old", 7), tmp_path / "run"
    origins = origins_of(start_of(run, str(named)), str(named))
    child = make(run, 9, replace(RECORD, origins=origins))
    moved = named.rename(tmp_path / "moved")
    assert start_of(run, str(moved)) == (child, 9)
    assert start_of(run, str(named)) == (child, 9)
    other = make(tmp_path / "old", 7, replace(RECORD, spoken={"seed": "another file"}))
    assert start_of(run, str(other)) == (other, 7)


def test_a_checkpoint_of_another_run_is_refused_wherever_it_lies(tmp_path):
    make(tmp_path, 3, OTHER)
    with pytest.raises(UsageError, match="seed was 2, is 1"):
        start_of(tmp_path)
    with pytest.raises(UsageError, match="seed was 2, is 1"):
        start_of(tmp_path / "new", str(tmp_path / "checkpoint-3"))


def test_a_checkpoint_copied_into_the_folder_of_another_run_is_refused(tmp_path):
    RECORD.save(tmp_path)
    make(tmp_path, 3)
    make(tmp_path, 9, OTHER)
    with pytest.raises(UsageError, match="checkpoint-9 holds another run"):
        start_of(tmp_path)


def test_a_checkpoint_without_a_record_is_refused(tmp_path):
    make(tmp_path, 3, None)
    with pytest.raises(UsageError, match=r"has no run\.json"):
        start_of(tmp_path)


def test_a_lost_record_of_the_folder_is_no_loss(tmp_path):
    RECORD.save(tmp_path)
    newest = make(tmp_path, 3)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UsageError, match="Remove it: each checkpoint carries a copy"):
        start_of(tmp_path)
    (tmp_path / "run.json").unlink()
    assert start_of(tmp_path) == (newest, 3)


@pytest.mark.parametrize("name", ["none", "checkpoint-3"])
def test_a_named_checkpoint_that_is_not_good_is_refused(tmp_path, name):
    (make(tmp_path, 3) / "scheduler.pt").write_text("x")
    with pytest.raises(UsageError, match=r"--resume .*(no such folder|scheduler\.pt is damaged)"):
        start_of(tmp_path, str(tmp_path / name))


def test_checkpoints_of_before_there_were_seals_are_refused_with_the_remedy(tmp_path):
    (make(tmp_path, 3) / "seal.json").unlink()
    with pytest.raises(UsageError, match=r"(?s)did not seal.*--model_name_or_path CHECKPOINT"):
        start_of(tmp_path)


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(resuming, "_PATIENCE_S", 0.1)
    with (
        FileLock(tmp_path / "_run.lock"),
        pytest.raises(UsageError, match="another process"),
        held(tmp_path),
    ):
        pytest.fail("two at a time")
    assert "another process holds" in capsys.readouterr().out
    with held(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError, match="cannot be written: Not a directory"),
        held(tmp_path / "file" / "run"),
    ):
        pytest.fail("no such folder")


def test_a_start_that_is_refused_leaves_nothing_where_nothing_was(tmp_path):
    with pytest.raises(UsageError, match="refused"), held(tmp_path / "a" / "b" / "run"):
        raise UsageError("refused")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays_without_a_lock(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with held(run):
        assert (run / "_run.lock").exists()
    assert list(run.iterdir()) == []


def test_what_was_written_stays_with_its_lock(tmp_path):
    with held(tmp_path / "run"):
        RECORD.save(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["_run.lock", "run.json"]


@pytest.mark.parametrize(
    ("resume", "told"),
    [
        ("nowhere", "there is no such folder"),
        ("plain", r"it has no seal\.json"),
        ("file", "it is a file"),
        ("checkpoint-3", r"scheduler\.pt is damaged"),
    ],
)
def test_a_checkpoint_that_is_none_is_told_before_any_work(tmp_path, resume, told):
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").write_text("")
    (make(tmp_path, 3) / "scheduler.pt").write_text("x")
    with pytest.raises(UsageError, match=rf"--resume .*{told}.*Give a checkpoint-<step> folder"):
        check_resume(tmp_path / "run", str(tmp_path / resume))
    assert not (tmp_path / "run").exists()


def test_before_any_work_nothing_is_said_against_what_can_start(tmp_path):
    named, run = make(tmp_path / "old", 7), tmp_path / "run"
    check_resume(run, str(named))
    check_resume(run, "auto")
    check_resume(run, "never")
    make(run, 9, replace(RECORD, origins=origins_of(start_of(run, str(named)), str(named))))
    shutil.rmtree(named)
    check_resume(run, str(named))  # what descends from it is there
    with pytest.raises(UsageError, match="--resume never"):
        check_resume(run, "never")


def test_a_finished_run_needs_the_checkpoint_it_went_on_from_no_more(tmp_path):
    (tmp_path / "run").mkdir()
    replace(RECORD, is_finished=True).save(tmp_path / "run")
    check_resume(tmp_path / "run", str(tmp_path / "gone"))


def unnamed(folder):
    """The checkpoint as a kill leaves it between its seal and its name."""
    return folder.rename(folder.with_name(f"_{folder.name}.partial"))


def planned(output_dir, resume="auto", record=RECORD):
    """What a dry run tells; it changes nothing."""
    training = SimpleNamespace(resume=resume, push_to_hub=False, load_best_model_at_end=True)
    before = sorted(output_dir.rglob("*"))
    plan = planned_start_of(output_dir, record, training, num_steps=40)
    assert sorted(output_dir.rglob("*")) == before
    return plan


def started(output_dir, resume):
    """The step after which a start goes on, in the order of train_mlm.py."""
    check_resume(output_dir, resume)
    check_folder(output_dir, RECORD, resume)
    recover(output_dir)
    start = find_start(output_dir, RECORD, resume, needs_best=True)
    return 0 if start is None else start.step


def keep_best(folder, best):
    """Make another checkpoint the best of this one."""
    state = {"best_model_checkpoint": f"checkpoint-{best}", "best_global_step": best}
    (folder / "trainer_state.json").write_text(json.dumps(state | {"global_step": 99}))
    seal_folder(folder, step=int(folder.name.split("-")[1]))


@pytest.mark.parametrize(
    ("resume", "left"),
    [
        ("auto", "sealed"),
        ("checkpoint-20", "sealed"),
        ("checkpoint-10", "sealed"),
        ("checkpoint-20", "sealed beside a damaged one"),
        ("auto", "sealed beside a damaged one"),
        ("auto", "the best of a later one"),
        ("auto", "sealed, and its best is lost"),
        ("auto", "damaged"),
    ],
)
def test_a_dry_run_tells_where_a_start_goes_on_that_names_what_a_kill_left(tmp_path, resume, left):
    make(tmp_path, 10)
    partial = unnamed(make(tmp_path, 20))
    if left == "sealed beside a damaged one":
        (make(tmp_path, 20) / "scheduler.pt").unlink()
    elif left == "the best of a later one":
        keep_best(make(tmp_path, 30), 20)
    elif left == "sealed, and its best is lost":
        folder = partial.rename(tmp_path / "checkpoint-20")
        keep_best(folder, 15)
        unnamed(folder)
    elif left == "damaged":
        (partial / "scheduler.pt").unlink()
    resume = resume if resume == "auto" else str(tmp_path / resume)
    plan = planned(tmp_path, resume)
    step = started(tmp_path, resume)
    assert not plan.is_refused
    assert 40 - plan.steps_left == step
    assert plan.lines[-1].startswith(f"after step {step}, from {tmp_path / f'checkpoint-{step}'}; ")


def test_a_dry_run_says_that_a_start_names_what_a_kill_left(tmp_path):
    partial = unnamed(make(tmp_path, 20))
    assert planned(tmp_path).lines == (
        f"note: {partial} was sealed when the run was stopped; the start names it checkpoint-20",
        f"after step 20, from {tmp_path / 'checkpoint-20'}; 20 steps left",
    )
    assert "holds a run" in planned(tmp_path, record=None).lines[0]


def test_never_refuses_a_checkpoint_that_a_kill_left_without_its_name(tmp_path):
    unnamed(make(tmp_path, 20))
    for refuse in (check_resume, lambda folder, resume: check_folder(folder, RECORD, resume)):
        with pytest.raises(UsageError, match=r"--resume never, but .*_checkpoint-20\.partial"):
            refuse(tmp_path, "never")
    assert planned(tmp_path, "never").is_refused


def test_what_a_kill_left_in_another_folder_is_not_named_by_a_start_here(tmp_path):
    unnamed(make(tmp_path / "old", 20))
    named = str(tmp_path / "old" / "checkpoint-20")
    with pytest.raises(UsageError, match="there is no such folder"):
        check_resume(tmp_path / "run", named)


def test_a_descendant_that_a_kill_left_without_its_name_is_where_the_run_goes_on(tmp_path):
    named, run = make(tmp_path / "old", 7), tmp_path / "run"
    origins = origins_of(start_of(run, str(named)), str(named))
    unnamed(make(run, 9, replace(RECORD, origins=origins)))
    shutil.rmtree(named)
    assert planned(run, str(named)).steps_left == 31
    assert started(run, str(named)) == 9


def test_a_name_that_is_too_long_for_a_folder_is_told(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder"):
        check_resume(tmp_path, "x" * 300)
