import os
import sys
from types import SimpleNamespace

import pytest

from rrweb_bert.console import prepare_wandb


@pytest.fixture
def wandb(monkeypatch):
    for name in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    calls = []
    fake = SimpleNamespace(login=lambda **kwargs: calls.append(kwargs), calls=calls)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_without_a_login_the_run_is_recorded_offline_and_nobody_is_asked(wandb, capsys):
    prepare_wandb(SimpleNamespace(report_to=["wandb"]))
    assert os.environ["WANDB_MODE"] == "offline"
    assert os.environ["WANDB_PROJECT"] == "rrweb-bert-production"
    assert wandb.calls == [{"prompt": False, "verify": False}]
    assert "wandb sync" in capsys.readouterr().out


def test_project_and_mode_of_the_user_are_kept(wandb, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    prepare_wandb(SimpleNamespace(report_to=["wandb"]))
    assert (os.environ["WANDB_PROJECT"], os.environ["WANDB_MODE"]) == ("mine", "disabled")
    assert not wandb.calls


def test_nothing_happens_unless_wandb_is_asked_for(wandb):
    prepare_wandb(SimpleNamespace(report_to=[]))
    assert not wandb.calls
    assert "WANDB_PROJECT" not in os.environ
