"""Sessions that are nearly the same in two splits: reported, and left out on request."""

import dataclasses
import json
from pathlib import Path

import pytest
from synthetic import write_recordings

from data_prep.corpus import open_corpus
from data_prep.prepare import PrepareOptions, prepare
from data_prep.shards import SPLITS
from data_prep.verify import verify

OPTIONS = PrepareOptions(
    test_fraction=0.2, validation_fraction=0.3, num_proc=1, show_progress=False
)


@pytest.fixture
def same_pages(tmp_path):
    """Sessions of many visitors that all show one long page and nothing else."""
    source = write_recordings(tmp_path / "made", num_per_site=1, num_actions=400)[0]
    events = json.loads(source.read_text())
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(30):
        later = [{**event, "timestamp": event["timestamp"] + number} for event in events]
        (raw / f"{number}.json").write_text(json.dumps(later))
    return raw


def test_near_duplicates_are_reported_and_left_out_on_request(same_pages, tmp_path):
    with_them = prepare([same_pages], tmp_path / "a", OPTIONS, report=lambda _: None)
    found = verify(with_them.path, num_window_draws=50, near_duplicates=True)
    held_out = with_them.num_sessions["validation"] + with_them.num_sessions["test"]
    said = "\n".join(found.lines())
    assert f"{held_out} of {held_out} validation and test sessions (100.00%)" in said
    assert "--drop_near_duplicates" in said
    assert "windows drawn from it stand in train as well" in said
    accepted = verify(with_them.path, num_window_draws=50, max_shared_windows=1.0)
    assert accepted.is_sound


def test_left_out_near_duplicates_stand_in_the_ledger_with_their_reason(same_pages, tmp_path):
    write_recordings(same_pages / "others", num_per_site=10, num_actions=20)
    plain = prepare([same_pages], tmp_path / "plain", OPTIONS, report=lambda _: None)
    said = []
    options = dataclasses.replace(OPTIONS, drop_near_duplicates=True)
    corpus = prepare([same_pages], tmp_path / "corpus", options, report=said.append)
    assert corpus.num_listed == plain.num_listed == corpus.num_accepted + corpus.num_rejected
    assert corpus.num_sessions["train"] == plain.num_sessions["train"]
    num_dropped = sum(plain.num_sessions.values()) - sum(corpus.num_sessions.values())
    assert num_dropped > 0
    rows = [json.loads(line) for line in (corpus.path / "ledger.jsonl").read_text().splitlines()]
    reasons = [reason for row in rows for reason in row["reasons"]]
    assert len(reasons) == num_dropped
    assert all(r.startswith("nearly the same as a session of another split (") for r in reasons)
    assert f"{num_dropped:,} x nearly the same as a session of another split" in said[-1]
    found = verify(corpus.path, num_window_draws=50, near_duplicates=True, max_shared_windows=1)
    assert found.is_sound, found.lines()
    assert open_corpus(corpus.path).fingerprint != plain.fingerprint
    assert sorted(path.name for path in Path(corpus.path).iterdir()) == [
        "corpus.json",
        "ledger.jsonl",
        "stamps.txt",
        *sorted(SPLITS),
    ]
