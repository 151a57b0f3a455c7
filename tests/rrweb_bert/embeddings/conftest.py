"""Recordings of which pieces are embedded by two sessions."""

import json

import pytest
import synthetic

from rrweb_bert.embeddings import job


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Eight recordings, a file of three, and one that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for site in synthetic.SITES:
        for seed in range(2):
            path = folder / site / f"{seed}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(synthetic.make_events(site, seed, num_actions=6)))
    lines = [json.dumps(synthetic.make_events("shop", s, num_actions=4)) for s in (7, 8, 9)]
    (folder / "many.jsonl").write_text("\n".join(lines))
    (folder / "none.json").write_text('{"a": 1}')
    return folder


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(job, "_CPU_PIECE", 2)
