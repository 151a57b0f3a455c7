import json

import pytest

from rrweb_bert.history import TrainingHistory
from rrweb_bert.options import UsageError
from rrweb_bert.run_record import Origin, RunRecord, refuse_other_run


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


def test_differences_are_told_in_the_flags_that_were_given(tmp_path):
    epochs = {"max_steps": "--num_train_epochs 2 (20 steps of 4 windows)"}
    RunRecord(identity={"max_steps": 20}, spoken=epochs).save(tmp_path)
    steps = RunRecord(identity={"max_steps": 30}, spoken={"max_steps": "--max_steps 30"})
    with pytest.raises(UsageError) as refusal:
        refuse_other_run(tmp_path, steps)
    expected = "max_steps was --num_train_epochs 2 (20 steps of 4 windows), is --max_steps 30"
    assert expected in str(refusal.value)
    same = RunRecord(identity={"max_steps": 20}, spoken={"max_steps": "--max_steps 20"})
    assert refuse_other_run(tmp_path, same) is not None


def test_where_a_run_comes_from_is_no_difference(tmp_path):
    origins = (Origin(path="/a/checkpoint-3", seal="0f"), Origin(path="/b", seal="1e"))
    record = RunRecord(identity={"seed": 1}, origins=origins)
    record.save(tmp_path)
    assert RunRecord.load(tmp_path) == record
    assert refuse_other_run(tmp_path, RunRecord(identity={"seed": 1})) == record


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", '{"format": 1}', "[]"),
        '{"format": 1, "identity": {}, "finished": false, "origins": [{"path": "/a"}]}',
    ],
)
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
