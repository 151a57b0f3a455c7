"""Names on the Hub, where it is out of reach, and where the user works offline."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest
from fake_hub import running_hub
from huggingface_hub import constants

import train_mlm
from data_prep import hub_reach
from data_prep.encoding import load_tokenizer
from rrweb_bert.__main__ import main
from rrweb_bert.hub import check_access

REPO = "someone/rrweb"


@pytest.fixture
def out_of_reach(monkeypatch, tmp_path):
    """No way to the Hub, nothing in its cache, and no second attempt of its client."""

    def refuse(seconds):
        raise AssertionError("the client tries again")

    monkeypatch.setattr("huggingface_hub.utils._http.time", FakeTime(refuse))
    monkeypatch.setattr(hub_reach, "time", FakeTime(lambda seconds: None))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    hub_reach.why_out_of_reach.cache_clear()
    yield
    hub_reach.why_out_of_reach.cache_clear()


class FakeTime:
    monotonic = staticmethod(time.monotonic)

    def __init__(self, sleep):
        self.sleep = sleep


@pytest.mark.parametrize("flag", ["--model_name_or_path", "--tokenizer_name_or_path"])
@pytest.mark.parametrize("name", ["x" * 300, "someone/" + "x" * 300])
def test_training_tells_a_name_that_is_too_long(out_of_reach, tmp_path, capsys, flag, name):
    common = ["--use_cpu", "--output_dir", str(tmp_path / "run"), "--cache_dir", str(tmp_path)]
    assert train_mlm.main([*common, flag, name]) == 2
    told = capsys.readouterr().err
    assert f"error: {flag} {name} cannot be loaded: there is no such folder here" in told


@pytest.mark.parametrize("name", ["x" * 300, "someone/" + "x" * 300])
@pytest.mark.parametrize(
    "words",
    [["embed", "."], ["surprise", "a.json"], ["evaluate", "", "."], ["surprise-norms", "."]],
)
def test_a_command_tells_a_name_that_is_too_long(
    out_of_reach, tmp_path, capsys, monkeypatch, words, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("[]")
    model = [] if words[0] == "evaluate" else ["--model", name]
    assert main([*(word or name for word in words), *model]) == 2
    assert re.search(rf"{name}(:| cannot be loaded.*:) there is no such", capsys.readouterr().err)


def test_training_tells_at_once_that_a_name_cannot_be_fetched(out_of_reach, tmp_path, capsys):
    for flag in ("--tokenizer_name_or_path", "--model_name_or_path"):
        common = ["--use_cpu", "--output_dir", str(tmp_path / "run"), "--cache_dir", str(tmp_path)]
        assert train_mlm.main([*common, flag, REPO]) == 2
        told = capsys.readouterr().err
        assert f"error: {flag} {REPO} cannot be loaded: " in told
        assert f"{constants.ENDPOINT} cannot be reached (Connection refused)" in told
        assert f"hf download {REPO}" in told


@pytest.mark.parametrize(
    "words",
    [["embed", "."], ["surprise", "a.json"], ["evaluate", REPO, "."], ["surprise-norms", "."]],
)
def test_a_command_tells_at_once_that_a_model_cannot_be_fetched(
    out_of_reach, tmp_path, capsys, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("[]")
    model = [] if words[0] == "evaluate" else ["--model", REPO]
    assert main([*words, *model]) == 2
    told = capsys.readouterr().err
    assert f"{REPO} cannot be loaded" in told
    assert f"{constants.ENDPOINT} cannot be reached (Connection refused)" in told


def test_preparing_tells_at_once_that_a_tokenizer_cannot_be_fetched(out_of_reach):
    with pytest.raises(ValueError, match="cannot be reached"):
        load_tokenizer(REPO)


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_whoever_works_offline_can_run_these_tests(monkeypatch, tmp_path, name):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv(name, "1")
    with running_hub(monkeypatch) as hub:
        check_access()
        here = os.environ | hub.environment(tmp_path)
        script = "from rrweb_bert.hub import check_access; check_access()"
        done = subprocess.run(
            [sys.executable, "-c", script], env=here, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
