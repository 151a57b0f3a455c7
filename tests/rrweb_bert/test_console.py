import sys
from types import SimpleNamespace

from tqdm.auto import tqdm
from transformers.utils import logging

from rrweb_bert import callbacks
from rrweb_bert.callbacks import say
from rrweb_bert.console import prepare_console


def test_a_line_that_is_said_while_a_bar_runs_stands_above_it(capsys):
    with tqdm(total=3, desc="training", file=sys.stderr):
        capsys.readouterr()
        say("checkpoint-6 written")
        said = capsys.readouterr()
    assert said.out == "checkpoint-6 written\n"
    cleared, drawn_again = said.err.strip("\r").split("\r", 1)
    assert not cleared.strip()
    assert "training" in drawn_again


def test_log_lines_above_the_bar_survive_the_end_of_their_reader(monkeypatch):
    """As `train_mlm.py | tee run.log` on a terminal, whose Ctrl-C ends `tee`, too."""
    lines = []
    monkeypatch.setattr(callbacks, "say", lines.append)
    bar = callbacks.ProgressBar()
    bar.training_bar = SimpleNamespace(write=None)
    state = SimpleNamespace(global_step=3, max_steps=9, is_world_process_zero=True)
    bar.on_log(None, state, None, logs={"loss": 2.0})
    assert lines == ["step 3/9  loss 2.0000"]


def test_only_the_bar_of_training_is_left(monkeypatch):
    monkeypatch.setattr(logging, "_tqdm_active", True)
    for is_terminal in (True, False):
        args = SimpleNamespace(disable_tqdm=None)
        monkeypatch.setattr(sys.stderr, "isatty", lambda is_terminal=is_terminal: is_terminal)
        prepare_console(args)
        assert not logging.is_progress_bar_enabled()
        assert args.disable_tqdm is (None if is_terminal else True)
