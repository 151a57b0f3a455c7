import json

import pytest

from rrweb_bert.arguments import UsageError
from rrweb_bert.checkpoints import find_checkpoints, problem_of
from rrweb_bert.history import TrainingHistory
from rrweb_bert.run_record import RunRecord, refuse_other_run


def test_the_same_run_is_recognised(tmp_path):
    record = RunRecord(identity={"corpus": "abc", "learning_rate": 5e-5})
    assert refuse_other_run(tmp_path, record) is None
    record.save(tmp_path)
    assert refuse_other_run(tmp_path, record) == record


def test_another_run_is_refused_and_the_difference_named(tmp_path):
    RunRecord(identity={"corpus": "abc", "seed": 1}).save(tmp_path)
    with pytest.raises(UsageError, match="seed was 1, is 2") as refusal:
        refuse_other_run(tmp_path, RunRecord(identity={"corpus": "abc", "seed": 2}))
    assert "corpus was" not in str(refusal.value)
    assert "--output_dir" in str(refusal.value)


def test_checkpoints_without_a_record_are_refused(tmp_path):
    (tmp_path / "checkpoint-3").mkdir()
    with pytest.raises(UsageError, match="a run without"):
        refuse_other_run(tmp_path, RunRecord(identity={}))


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', "[]"])
def test_a_damaged_record_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match="damaged"):
        refuse_other_run(tmp_path, RunRecord(identity={}))


def test_a_record_of_a_later_program_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"format": 9}')
    with pytest.raises(UsageError, match="format 9"):
        RunRecord.load(tmp_path)


def test_history_goes_on_without_doubled_steps(tmp_path):
    history = TrainingHistory.load(tmp_path)
    for step in (2, 4, 6):
        history.append({"step": step, "loss": 1.0})
    history.append({"step": 4, "eval_loss": 1.0})
    resumed = TrainingHistory.load(tmp_path, until_step=4)
    resumed.append({"step": 6, "loss": 2.0})
    content = json.loads((tmp_path / "training_history.json").read_text())
    assert [(row["step"], row["loss"]) for row in content["train"]] == [(2, 1), (4, 1), (6, 2)]
    assert [row["step"] for row in content["evaluation"]] == [4]
    assert [path.name for path in tmp_path.iterdir()] == ["training_history.json"]


def test_half_written_checkpoints_are_named_with_their_problem(make_trainer, tmp_path):
    make_trainer(tmp_path, max_steps=2, eval_steps=1, save_steps=1).train()
    newest, older = find_checkpoints(tmp_path)
    assert (newest.step, older.step) == (2, 1)
    assert newest.problem is older.problem is None
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"):
        whole = (newest.path / name).read_bytes()
        (newest.path / name).write_bytes(whole[: len(whole) // 2])
        assert "damaged" in problem_of(newest.path)
        (newest.path / name).unlink()
        assert problem_of(newest.path) == f"{name} is missing"
        (newest.path / name).write_bytes(whole)
        assert problem_of(newest.path) is None
    (newest.path / "trainer_state.json").unlink()
    assert problem_of(newest.path) == "trainer_state.json is missing"


def test_a_folder_that_is_not_there_has_no_checkpoints(tmp_path):
    assert find_checkpoints(tmp_path / "none") == []
