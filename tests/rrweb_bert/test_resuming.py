import shutil
from dataclasses import replace

import pytest
from filelock import FileLock

from rrweb_bert import resuming
from rrweb_bert.options import UsageError
from rrweb_bert.resuming import check_folder, check_resume, find_start, held, origins_of
from rrweb_bert.run_record import RunRecord
from rrweb_bert.sealing import seal_folder

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


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "_PATIENCE_S", 0.1)
    with (
        FileLock(tmp_path / "_run.lock"),
        pytest.raises(UsageError, match="another process"),
        held(tmp_path),
    ):
        pytest.fail("two at a time")
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
