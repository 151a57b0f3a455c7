"""A published model in fresh processes, with and without our packages."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fake_hub import TOKEN, running_hub
from huggingface_hub import ModelCard
from synthetic import make_events
from transformers import BertForMaskedLM

from rrweb_bert.__main__ import main
from rrweb_bert.model_card import write_card
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.pooling_files import write_pooling_files
from rrweb_bert.training_summary import TrainingSummary
from rrweb_tokenizer import RRWebTokenizer

REPO = "someone/rrweb"
TEXT = "[MI_Click] [DT_9] [REF_NEW] [TAG_button] [TXT] Add to [MASK]"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model folder as a finished run leaves it, with random weights."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = model_config("tiny", window_tokens=64)
    config.hidden_size, config.intermediate_size = 32, 64
    RRWebBertForMaskedLM(config).save_pretrained(folder)
    RRWebTokenizer(model_max_length=64).save_pretrained(folder)
    write_pooling_files(folder)
    summary = TrainingSummary(
        is_demonstration=False,
        model={
            "num_parameters": 1_000_000,
            "layers": 2,
            "hidden_size": 32,
            "heads": 2,
            "positions": 64,
            "vocab_size": 12_520,
        },
        hyperparameters={"mlm_probability": 0.15, "max_steps": 1},
        data={
            "num_files": 1,
            "num_rejected": 0,
            "split_by": "file",
            "splits": {},
            "rrweb_versions": {},
        },
        hardware={"device": "cpu", "num_devices": 1, "train_seconds": 1.0, "device_hours": 0.0},
        versions={},
        best={},
    )
    summary.save(folder)
    write_card(folder, summary)
    return folder


def python(*arguments, cwd, **environment):
    """Run a fresh process that knows no path of ours unless it is given one."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and "HF_" not in k}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=inherited | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_process_without_our_packages_loads_a_private_model_from_the_hub(
    model_dir, tmp_path, monkeypatch
):
    script = Path(__file__).with_name("without_our_packages.py")
    with running_hub(monkeypatch) as hub:
        assert main(["push", str(model_dir), REPO, "--private"]) == 0
        run = python(script, REPO, TEXT, cwd=tmp_path, **hub.environment(tmp_path / "home"))
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    tokenizer = RRWebTokenizer.from_pretrained(model_dir)
    inputs = tokenizer(TEXT, return_tensors="pt")
    assert answer["input_ids"] == inputs["input_ids"].tolist()[0]
    model = BertForMaskedLM.from_pretrained(model_dir).eval()
    with torch.no_grad():
        hidden = model.bert(**inputs).last_hidden_state[0]
        logits = model(**inputs).logits[0]
    for name in ("hidden", "features"):
        torch.testing.assert_close(torch.tensor(answer[name]), hidden, atol=1e-5, rtol=0)
    assert answer["masked_argmax"] == logits.argmax(-1).tolist()
    place = answer["input_ids"].index(tokenizer.mask_token_id)
    assert answer["guesses"] == logits[place].topk(3).indices.tolist()
    assert answer["num_logits"] == 3


@pytest.mark.slow
def test_a_private_model_is_not_loaded_with_a_wrong_token(model_dir, tmp_path, monkeypatch):
    script = Path(__file__).with_name("without_our_packages.py")
    with running_hub(monkeypatch) as hub:
        assert main(["push", str(model_dir), REPO, "--private"]) == 0
        environment = hub.environment(tmp_path / "home", token=TOKEN[:-1])
        run = python(script, REPO, TEXT, cwd=tmp_path, **environment)
    assert run.returncode == 1
    assert REPO in run.stderr.splitlines()[-1] + run.stderr


@pytest.mark.slow
def test_the_code_in_the_card_runs_as_it_stands(model_dir, tmp_path, monkeypatch):
    events = make_events("shop", 1)
    (tmp_path / "session.json").write_text(json.dumps(events))
    with running_hub(monkeypatch) as hub:
        assert main(["push", str(model_dir), REPO]) == 0
        card = ModelCard(hub.files[REPO]["main"]["README.md"].decode())
        blocks = re.findall(r"```python\n(.*?)```", str(card), flags=re.DOTALL)
        assert len(blocks) == 5
        ours = [block for block in blocks if "sentence_transformers" not in block]
        shown = (
            "print(vectors.shape, tuple(embedding.shape), len(guesses), "
            "classifier.config.num_labels)"
        )
        script = tmp_path / "card.py"
        script.write_text("\n".join([*ours, shown]))
        environment = hub.environment(tmp_path / "home") | {"PYTHONPATH": str(ROOT)}
        run = python(script, cwd=tmp_path, **environment)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "(1, 32) (32,) 5 2"


def test_the_card_says_that_sentence_transformers_gives_other_vectors(model_dir):
    card = " ".join((model_dir / "README.md").read_text().split())
    assert "These are not the vectors of `SessionEncoder`" in card
    assert "cuts a text at 64 ids" in card
    assert "one index" in card


def test_sentence_transformers_takes_the_mean_over_a_window(model_dir):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    encoder = sentence_transformers.SentenceTransformer(str(model_dir), device="cpu")
    assert encoder.max_seq_length == 64
    assert not [module for module in encoder if "Normalize" in type(module).__name__]
    tokenizer = RRWebTokenizer.from_pretrained(model_dir)
    session = tokenizer.encode_session(make_events("shop", 1))
    assert len(session.ids) > 64
    embedding = torch.tensor(encoder.encode(tokenizer.render(session.ids)))
    ids = torch.tensor([tokenizer.build_inputs_with_special_tokens(session.ids[:62].tolist())])
    model = BertForMaskedLM.from_pretrained(model_dir).eval()
    with torch.no_grad():
        hidden = model.bert(ids).last_hidden_state[0]
    torch.testing.assert_close(embedding, hidden.mean(0), atol=1e-5, rtol=0)
