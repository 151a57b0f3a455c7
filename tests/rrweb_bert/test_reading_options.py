"""Every command that reads recordings takes a reader and a recogniser of one's own."""

import json

import pytest
import synthetic
from name_recogniser import find_names
from rrweb_events import click, element, meta, snapshot, text
from tabbed_reader import tabbed_text
from transformers import set_seed

from rrweb_bert.__main__ import main
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.__main__ import main as tokenizer_main

READER = ("--reader", "tabbed_reader:tabbed")
RECOGNISER = ("--recogniser", "name_recogniser:find_names")
SMALL = ("--device", "cpu", "--split", "validation", "--group_by", "file", "--num_proc", "1",
         "--validation_fraction", "0.3", "--num_windows", "1")  # fmt: skip


def model_in(folder, **settings):
    set_seed(3)
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=128)).save_pretrained(folder)
    RRWebTokenizer(**settings).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_in(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def hiding_model(tmp_path_factory):
    """A model whose tokenizer was saved with a recogniser of names."""
    return model_in(tmp_path_factory.mktemp("hiding"), recogniser=find_names)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for number in range(20):
        events = synthetic.make_events(synthetic.SITES[number % 2], number, num_actions=4)
        (folder / f"{number}.log").write_text(tabbed_text(events))
    return folder


@pytest.fixture
def calls(exports, tmp_path, monkeypatch):
    """Command -> the words of a call for exports, but for the model's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path / "cache"))
    one = str(exports / "0.log")
    return {
        "surprise": ["surprise", one, "--device", "cpu"],
        "report": ["report", one, "--device", "cpu"],
        "embed": ["embed", str(exports), "--device", "cpu"],
        "search": ["search", "session_index", "--like", one, "--device", "cpu"],
    }


def indexed(calls, model, *words):
    assert main([*calls["embed"], "--model", model, *words]) == 0
    assert main(["index", "--model", model, *words[2:]]) == 0


@pytest.mark.parametrize("command", ["surprise", "report", "embed"])
def test_a_container_of_ones_own_is_read(command, calls, model, capsys):
    assert main([*calls[command], "--model", model]) == 2
    capsys.readouterr()
    assert main([*calls[command], "--model", model, *READER]) == 0
    assert "error" not in capsys.readouterr().err


def test_search_and_evaluate_read_it_too(calls, model, exports, capsys):
    indexed(calls, model, *READER)
    assert main([*calls["search"], "--model", model]) == 2
    assert main([*calls["search"], "--model", model, *READER]) == 0
    assert main(["evaluate", model, str(exports), *SMALL]) == 2
    assert main(["evaluate", model, str(exports), *SMALL, *READER]) == 0


@pytest.mark.parametrize("command", ["surprise", "report", "embed", "search"])
def test_a_wrong_reader_or_recogniser_is_told_before_the_model_is_loaded(
    command, calls, model, capsys, monkeypatch
):
    monkeypatch.setattr("rrweb_bert.session_encoder.load_model", None)
    for option, name in (("--reader", "tabbed_reader:tabed"), ("--recogniser", "no_module:f")):
        assert main([*calls[command], "--model", model, option, name]) == 2
        assert name.partition(":")[0] in capsys.readouterr().err


def test_a_model_that_hides_names_is_used_with_its_recogniser_alone(
    calls, hiding_model, tmp_path, capsys
):
    page = snapshot(1000, element(9, "button", text(10, "Zebulon Quackenbush")))
    recording = tmp_path / "visit.json"
    recording.write_text(json.dumps([meta(900), page, click(2000, 9)]))
    words = [str(recording), "--device", "cpu", "--model", hiding_model]
    for command in ("surprise", "report"):
        assert main([command, *words]) == 2
        assert "--recogniser name_recogniser:find_names" in capsys.readouterr().err
        assert main([command, *words, *RECOGNISER]) == 0
        said = capsys.readouterr().out
    page = (tmp_path / "report-visit.html").read_text()
    assert "Quack" not in page + said


def test_evaluate_prepares_with_the_recogniser_of_the_model(calls, hiding_model, tmp_path, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(20):
        events = synthetic.make_events(synthetic.SITES[number % 2], number, num_actions=4)
        (raw / f"{number}.json").write_text(json.dumps(events))
    assert main(["evaluate", hiding_model, str(raw), *SMALL]) == 2
    assert "--recogniser name_recogniser:find_names" in capsys.readouterr().err
    assert main(["evaluate", hiding_model, str(raw), *SMALL, *RECOGNISER]) == 0


def test_a_transcript_hides_what_a_recogniser_finds(tmp_path, capsys, hiding_model):
    page = snapshot(1000, element(9, "button", text(10, "Zebulon Quackenbush")))
    recording = tmp_path / "visit.json"
    recording.write_text(json.dumps([meta(900), page, click(2000, 9)]))
    assert tokenizer_main(["transcript", str(recording)]) == 0
    assert "Quack" in capsys.readouterr().out
    for words in ([], ["--tokenizer", hiding_model]):
        assert tokenizer_main(["transcript", str(recording), *words, *RECOGNISER]) == 0
        assert "Quack" not in capsys.readouterr().out
    assert tokenizer_main(["transcript", str(recording), "--tokenizer", hiding_model]) == 2
    assert "--recogniser name_recogniser:find_names" in capsys.readouterr().err
    assert tokenizer_main(["validate", str(recording), "--recogniser", "no_module:f"]) == 2
    assert "no_module" in capsys.readouterr().err
