"""A training run as a page: `report` of an output folder."""

import json

import pytest
from report_pages import HOSTILE, assert_harmless, history

from rrweb_bert.__main__ import main
from rrweb_bert.report.run_page import restart_steps


def run(*words):
    return main([str(word) for word in words])


def test_report_of_a_run_shows_curves_restarts_kinds_and_examples(tmp_path):
    history(tmp_path)
    row = {
        "step": 20,
        "kind": "head",
        "event": HOSTILE,
        "tokens": f"[MASK?] {HOSTILE}",
        "truth": HOSTILE,
        "truth_probability": 0.25,
        "top": [[HOSTILE, 0.5], ["[MI_Click]", 0.25]],
    }
    old = {**row, "step": 10, "event": "an older one"}
    lines = [json.dumps(old), json.dumps(row), json.dumps(row)[:40], "{}", "[]"]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines))
    assert run("report", tmp_path, "--output", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "Restarts logged at steps 11, 21" in page
    assert "best eval_loss, at step 20" in page
    assert "25.0%" in page
    assert "an older one" not in page
    assert_harmless(page)


def test_report_of_a_run_without_evaluation_or_examples_says_so(tmp_path):
    rows = [{"step": 1, "loss": 9.0, "learning_rate": 0.1}]
    content = {"format": 1, "train": rows, "evaluation": []}
    (tmp_path / "training_history.json").write_text(json.dumps(content))
    assert run("report", tmp_path, "--output", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "No evaluation was logged." in page
    assert "wrote no examples.jsonl" in page


@pytest.mark.parametrize(
    "content", ["", "[]", '{"train": [{}], "evaluation": []}', '{"train": [], "evaluation": []}']
)
def test_report_refuses_a_damaged_history(tmp_path, content, capsys):
    (tmp_path / "training_history.json").write_text(content)
    assert run("report", tmp_path, "--output", tmp_path / "page.html") == 2
    assert "training_history.json" in capsys.readouterr().err


def test_restarts_are_rises_after_a_fall():
    rates = (1.0, 2.0, 1.0, 0.1, 2.0, 1.0)
    rows = [{"step": float(s), "learning_rate": r} for s, r in enumerate(rates, start=1)]
    assert restart_steps(rows) == [5.0]
    assert restart_steps([]) == []
    assert restart_steps([{"step": 1.0}]) == []
