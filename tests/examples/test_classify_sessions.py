"""The fine-tuning example on made-up recordings, from its command line."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import make_events
from transformers import AutoModelForSequenceClassification, BertForMaskedLM

from rrweb_bert.modeling_rrweb_bert import model_config
from rrweb_tokenizer import RRWebTokenizer

SCRIPT = Path(__file__).parents[2] / "examples" / "classify_sessions.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("classify_sessions", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["classify_sessions"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["classify_sessions"]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = model_config("tiny", window_tokens=64)
    config.hidden_size, config.intermediate_size = 32, 64
    BertForMaskedLM(config).save_pretrained(folder)
    RRWebTokenizer(model_max_length=64).save_pretrained(folder)
    return folder


@pytest.fixture
def labels(tmp_path):
    """Write recordings and labels of shops and wikis, four groups of each; return the file."""

    def write(change=lambda row: row):
        rows = []
        for number in range(16):
            site = ("shop", "wiki")[number % 2]
            path = tmp_path / f"{number}.json"
            path.write_text(json.dumps(make_events(site, number)))
            row = {"path": path.name, "label": site, "group": f"{site}-{number // 4}"}
            rows.append(change(row))
        file = tmp_path / "labels.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    return write


@pytest.fixture
def run(example, model_dir, tmp_path):
    def main(file, *extra, model=model_dir):
        return example.main(
            [
                *("--labels", str(file), "--model_name_or_path", str(model)),
                *("--output_dir", str(tmp_path / "out"), "--use_cpu", "--max_steps", "2"),
                *("--per_device_train_batch_size", "4", "--save_strategy", "no"),
                *("--disable_tqdm", "true", *extra),
            ]
        )

    return main


def error_of(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    return lines[0]


def test_it_trains_tests_and_leaves_a_classifier(run, labels, tmp_path, capsys):
    assert run(labels()) == 0
    out = tmp_path / "out"
    metrics = json.loads((out / "metrics.json").read_text())
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    hits = [row["label"] == row["predicted"] for row in rows]
    assert metrics["num_sessions"] == len(rows) == 4
    assert metrics["accuracy"] == pytest.approx(np.mean(hits))
    assert metrics["majority_accuracy"] == 0.5
    assert (out / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    classifier = AutoModelForSequenceClassification.from_pretrained(out)
    assert classifier.config.id2label == {0: "shop", 1: "wiki"}
    ids = RRWebTokenizer.from_pretrained(out)("[MI_Click]", return_tensors="pt")
    assert classifier(**ids).logits.shape == (1, 2)
    printed = capsys.readouterr().out
    assert "train: 12 sessions of 6 groups" in printed
    assert "most frequent" in printed


def test_groups_are_never_split(example):
    sessions = [
        example.LabelledSession(path=Path(f"{n}"), label="a", group=f"g{n % 7}") for n in range(70)
    ]
    for seed in range(20):
        train, test = example.split_by_group(sessions, 0.3, seed)
        assert sorted(train + test) == list(range(70))
        assert not {sessions[n].group for n in train} & {sessions[n].group for n in test}
        assert len(test) == 20


def test_of_two_large_groups_one_is_tested_on(example):
    sessions = [
        example.LabelledSession(path=Path(f"{n}"), label="a", group=f"g{n % 2}") for n in range(16)
    ]
    train, test = example.split_by_group(sessions, 0.25, 0)
    assert len(train) == len(test) == 8


def test_windows_of_a_session_are_drawn_for_training_and_averaged_in_evaluation(example):
    data = example.Windows(windows=[[[1], [2], [3]], [[4]]], labels=[0, 1])
    drawn = example.DrawnWindows(data, 2)
    assert len(drawn) == 3
    assert {drawn[0]["input_ids"][0] for _ in range(50)} == {1, 2, 3}
    assert drawn[2] == {"input_ids": [4], "labels": 1}
    even = example.EvenWindows(data, 2)
    assert [even[row]["input_ids"] for row in range(len(even))] == [[1], [3], [4]]
    logits = np.array([[0.0, 4.0], [2.0, 0.0], [1.0, 1.0]])
    means = example.mean_by_session(logits, even.session_of_row)
    assert means.tolist() == [[1.0, 2.0], [1.0, 1.0]]


def test_metrics_are_those_of_a_worked_example(example):
    true, predicted = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1])
    confusion = example.confusion_matrix(true, predicted, 4)
    assert confusion.tolist() == [[2, 1, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    # F1: 2*2/(3+2), 2*1/(1+3), 0; the fourth label does not occur.
    assert example.macro_f1(confusion) == pytest.approx((0.8 + 0.5 + 0.0) / 3)


def test_a_balanced_loss_counts_labels_equally(example):
    loss = example.weighted_loss([0, 0, 0, 1], 3)
    logits = torch.zeros(4, 3)
    logits[:, 0] = 1.0
    by_hand = torch.nn.functional.cross_entropy(
        logits, torch.tensor([0, 0, 0, 1]), reduction="none"
    )
    expected = (by_hand[:3].mean() + by_hand[3]) / 2
    torch.testing.assert_close(loss({"logits": logits}, torch.tensor([0, 0, 0, 1])), expected)


def test_an_unreadable_recording_is_named_or_skipped(run, labels, tmp_path, capsys):
    file = labels()
    (tmp_path / "3.json").write_text("[1, 2")
    assert run(file) == 2
    message = error_of(capsys)
    assert str(tmp_path / "3.json") in message
    assert "--skip_unreadable true" in message
    assert run(file, "--skip_unreadable", "true") == 0
    assert "1 of 16 recordings are left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "flags", "wanted"),
    [
        (lambda row: row | {"label": "shop"}, (), "all sessions have the label 'shop'"),
        (lambda row: row | {"group": "one"}, (), "all sessions are of one group"),
        (lambda row: row | {"path": "none.json"}, (), "line 1: there is no recording"),
        (lambda row: {"path": row["path"]}, (), "line 1: wanted is a JSON object with 'path'"),
        (lambda row: row | {"label": None}, (), "holds no labelled session"),
        (lambda row: row, ("--test_fraction", "1.5"), "--test_fraction must be between 0 and 1"),
        (lambda row: row, ("--train_windows", "0"), "must be at least 1"),
        (lambda row: row | {"group": row["label"]}, (), "to train on have the label"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(change, flags, wanted, run, labels, capsys):
    assert run(labels(change), *flags) == 2
    assert wanted in error_of(capsys)


def test_a_missing_file_and_a_missing_model_are_named(run, labels, tmp_path, capsys):
    assert run(tmp_path / "none.jsonl") == 2
    assert "there is no such file" in error_of(capsys)
    assert run(labels(), model=tmp_path) == 2
    assert f"--model_name_or_path {tmp_path} cannot be loaded" in error_of(capsys)
