import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from synthetic import write_recordings

from rrweb_bert.example_predictions import Example
from rrweb_bert.options import UsageError
from rrweb_bert.trackers import check_trackers, example_sinks, markdown_table, settle_trackers

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script> | **bold** [link](javascript:x) `code` &lt; $x$ _a_ ~~b~~"


def args(*names):
    return SimpleNamespace(report_to=list(names), process_index=0)


def example(event=HOSTILE):
    return Example(
        kind="text",
        event=event,
        tokens="[IS_Input] [MASK?]",
        truth="▁buy",
        truth_probability=0.25,
        top=(("▁buy", 0.25), (HOSTILE, 0.125)),
    )


@pytest.fixture
def wandb(monkeypatch):
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    calls = []
    errors = SimpleNamespace(Error=RuntimeError)
    fake = SimpleNamespace(login=lambda **kwargs: calls.append(kwargs), calls=calls, errors=errors)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_without_a_login_the_run_is_recorded_offline_and_nobody_is_asked(wandb, capsys):
    check_trackers(args("wandb"))
    assert os.environ["WANDB_PROJECT"] == "rrweb-bert-production"
    assert wandb.calls == [{"prompt": False, "verify": False}]
    assert "wandb sync" in capsys.readouterr().out


def test_project_and_mode_of_the_user_are_kept(wandb, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    check_trackers(args("wandb"))
    assert (os.environ["WANDB_PROJECT"], os.environ["WANDB_MODE"]) == ("mine", "disabled")
    assert not wandb.calls


def test_nothing_happens_unless_wandb_is_asked_for(wandb):
    check_trackers(args())
    assert not wandb.calls
    assert "WANDB_PROJECT" not in os.environ


def test_a_key_that_cannot_be_one_is_said_before_any_work(wandb):
    def login(**kwargs):
        raise RuntimeError("API key must have 40+ characters")

    wandb.login = login
    with pytest.raises(UsageError, match="40\\+ characters"):
        check_trackers(args("wandb"))


def test_unknown_and_missing_trackers_are_named_with_the_remedy(monkeypatch):
    with pytest.raises(UsageError, match="no such tracker; did you mean wandb"):
        check_trackers(args("wanbd"))
    monkeypatch.setattr("rrweb_bert.trackers.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        check_trackers(args("tensorboard"))


class _Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_page_text_in_a_table_is_text_and_nothing_else():
    table = markdown_table([example()])
    assert len(table.splitlines()) == 3
    row = table.splitlines()[2]
    assert row.count("|") == 7
    assert not set("<>*[]`$_~") & set(row)
    parser = _Texts()
    parser.feed(row)
    assert parser.tags == []
    assert HOSTILE in parser.text


def test_each_tracker_is_handed_the_examples():
    from transformers.integrations import TensorBoardCallback, WandbCallback

    logged = []
    table = SimpleNamespace(Table=lambda **kw: kw, run=object(), log=logged.append)
    wandb_callback = WandbCallback.__new__(WandbCallback)
    wandb_callback._wandb = table
    board = TensorBoardCallback.__new__(TensorBoardCallback)
    board.logging_dir = None
    board.tb_writer = SimpleNamespace(add_text=lambda *given: logged.append(given))
    handler = SimpleNamespace(callbacks=[wandb_callback, board])
    for sink in example_sinks(SimpleNamespace(callback_handler=handler)):
        sink(7, [example("clicks")])
    assert logged[0]["train/global_step"] == 7
    rows = logged[0]["eval/examples"]
    assert rows["columns"][-2:] == ["top 1", "top 2"]
    assert rows["data"][0][:5] == ["text", "clicks", "[IS_Input] [MASK?]", "▁buy", "25.00%"]
    assert logged[1][0] == "eval/examples"
    assert logged[1][2] == 7


def test_tensorboard_writes_below_the_output_folder_in_one_place(tmp_path):
    from transformers.integrations import TensorBoardCallback

    board = TensorBoardCallback.__new__(TensorBoardCallback)
    board.logging_dir = None
    settle_trackers(SimpleNamespace(callback_handler=SimpleNamespace(callbacks=[board])), tmp_path)
    assert board.logging_dir == str(tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_without_a_login_or_terminal_is_recorded_by_both_trackers(tmp_path):
    pytest.importorskip("tensorboard")
    folder = tmp_path / "recordings"
    write_recordings(folder, num_per_site=6, num_actions=40)
    command = [
        *(sys.executable, str(ROOT / "train_mlm.py"), "--data_dir", str(folder)),
        *("--output_dir", str(tmp_path / "run"), "--cache_dir", str(tmp_path / "cache")),
        *("--model_size", "tiny", "--window_tokens", "64", "--per_device_train_batch_size", "4"),
        *("--max_steps", "4", "--eval_steps", "2", "--logging_steps", "2", "--num_proc", "1"),
        *("--validation_fraction", "0.2", "--use_cpu", "--dataloader_num_workers", "0"),
        *("--report_to", "wandb", "tensorboard"),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    assert "recorded offline" in done.stdout
    (recorded,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    content = recorded.read_bytes()
    for name in (b"eval/loss", b"eval/accuracy", b"train/tokens_per_second", b"eval/examples"):
        assert name in content
    events = list((tmp_path / "run" / "runs").iterdir())
    assert len(events) == 1
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "run" / "runs"))
    board.Reload()
    assert {"train/loss", "train/perplexity", "eval/loss", "eval/accuracy"} <= set(
        board.Tags()["scalars"]
    )
    texts = [
        event.tensor_proto.string_val[0].decode()
        for event in board.Tensors("eval/examples/text_summary")
    ]
    assert len(texts) == 2
    rows = [
        json.loads(line) for line in (tmp_path / "run" / "examples.jsonl").read_text().splitlines()
    ]
    assert {row["step"] for row in rows} == {2, 4}
