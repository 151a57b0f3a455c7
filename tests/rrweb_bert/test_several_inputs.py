"""`embed` and `surprise` take what a shell's `*.json` gives: several recordings and folders."""

import json
import re

import pyarrow.parquet as pq
import pytest
import synthetic

from data_prep.prepare import PrepareOptions, prepare
from rrweb_bert.__main__ import main


@pytest.fixture
def model(tiny_model_dir):
    return str(tiny_model_dir)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A recording, another, and a folder of two."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("a", "b", "more/c", "more/d")):
        path = folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        events = synthetic.make_events(synthetic.SITES[0], number, num_actions=6)
        path.write_text(json.dumps(events))
    return [str(folder / name) for name in ("a.json", "b.json", "more")]


def test_embed_takes_several_inputs(inputs, model, tmp_path):
    output = tmp_path / "e.parquet"
    assert main(["embed", *inputs, "--model", model, "--output", str(output)]) == 0
    assert len(set(pq.read_table(output)["session_id"].to_pylist())) == 4


def test_the_same_inputs_again_are_nothing_to_do_and_others_are_others(
    inputs, model, tmp_path, capsys
):
    output = ["--model", model, "--output", str(tmp_path / "e.parquet")]
    assert main(["embed", *inputs[:2], *output]) == 0
    capsys.readouterr()
    assert main(["embed", *inputs[:2], *output]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main(["embed", *inputs, *output]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_surprise_takes_several_inputs(inputs, model, capsys):
    assert main(["surprise", *inputs, "--model", model, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sessions"]) == 4


@pytest.mark.parametrize("command", ["embed", "surprise"])
def test_each_input_must_be_there(command, inputs, model, capsys):
    assert main([command, inputs[0], "nowhere.json", "--model", model]) == 2
    assert re.search(r"nowhere\.json does not exist", capsys.readouterr().err)


def test_a_corpus_stands_alone(inputs, model, tmp_path, capsys):
    corpus = prepare(
        inputs,
        tmp_path / "corpus",
        PrepareOptions(num_proc=1, validation_fraction=0, test_fraction=0),
    ).path
    output = str(tmp_path / "e.parquet")
    assert main(["embed", str(corpus), inputs[0], "--model", model, "--output", output]) == 2
    assert "is a prepared corpus" in capsys.readouterr().err


def test_a_corpus_at_an_address_stands_alone_and_is_not_fetched_to_say_so(
    inputs, model, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path / "cache"))
    options = PrepareOptions(num_proc=1, validation_fraction=0, test_fraction=0)
    corpus = prepare(inputs, tmp_path / "corpus", options).path
    words = ["embed", inputs[0], corpus.as_uri(), "--model", model]
    assert main([*words, "--output", str(tmp_path / "e.parquet")]) == 2
    assert f"{corpus.as_uri()} is a prepared corpus" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
