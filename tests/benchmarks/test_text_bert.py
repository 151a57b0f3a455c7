"""The text BERT that results are compared with, from recordings to answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic

from data_prep.prepare import PrepareOptions, prepare

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = [
    "--model_size", "tiny", "--max_steps", "2", "--samples_per_epoch", "4", "--use_cpu",
    "--per_device_train_batch_size", "2", "--per_device_eval_batch_size", "2", "--eval_steps", "2",
    "--save_steps", "2",
]  # fmt: skip


def run(script, *words):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_trained_as_ours_and_asked_the_same(tmp_path):
    for number in range(24):
        site = synthetic.SITES[number % 4]
        path = tmp_path / "in" / f"{site}{number % 8}" / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        events = [
            {name: event[name] for name in ("type", "data", "timestamp")}
            for event in synthetic.make_events(site, number, num_actions=12)
        ]
        # As rrweb and JSON.stringify write them.
        path.write_text(json.dumps(events, separators=(",", ":")))
    options = PrepareOptions(
        group_by=r"path:^([^/]+)/", test_fraction=0.25, validation_fraction=0.25
    )
    prepare([tmp_path / "in"], tmp_path / "corpus", options)
    archive = tmp_path / "text.tar.xz"
    run("text_bert_corpus.py", tmp_path / "in", tmp_path / "corpus", archive)
    out = run("text_bert_baseline.py", "train", archive, tmp_path / "text", *TINY)
    assert "bits a masked byte" in out
    answers = tmp_path / "answers.json"
    words = ["ask", archive, "--text_model", tmp_path / "text", "--json", answers]
    printed = run("text_bert_baseline.py", *words)
    assert "next" in printed
    assert "between" in printed
    assert json.loads(answers.read_text())
