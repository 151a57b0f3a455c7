"""Corpora and models of which held-out sites are told apart."""

import json

import pytest
import synthetic
from transformers import set_seed

from data_prep.prepare import PrepareOptions, prepare
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config

SITES = [f"site-{i:02d}" for i in range(20)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Recordings of eight sites, their corpus, labels and a tiny model."""
    folder = tmp_path_factory.mktemp("probing")
    lines = []
    for place in range(8):
        for number in range(10):
            site = f"{synthetic.SITES[place % 4]}{place}"
            path = folder / "in" / site / f"{number}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            is_bot = number % 2 == 0
            events = synthetic.make_events(
                synthetic.SITES[place % 4], 16 * place + number, num_actions=4 if is_bot else 16
            )
            path.write_text(json.dumps(events))
            middle = events[len(events) // 2]["timestamp"]
            spans = [{"type": "rage", "t0": middle, "t1": middle + 500}]
            labels = {"visitor": "bot" if is_bot else "human", "spans": spans, "seen": ["rage"]}
            lines.append({"file": f"{site}/{number}.json", "site": site, **labels})
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options = PrepareOptions(
        group_by=r"path:^([^/]+)/", test_fraction=0.2, validation_fraction=0.2, salt="7"
    )
    prepare([folder / "in"], folder / "corpus", options)
    set_seed(1)
    model = RRWebBertForMaskedLM(model_config("tiny", window_tokens=256))
    model.save_pretrained(folder / "model")
    return folder
