import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from rrweb_bert.checkpoints import choose_checkpoint, find_checkpoints, problem_of
from rrweb_bert.history import TrainingHistory
from rrweb_bert.signals import StopRequest, TrainingInterrupted, shield_worker

ROOT = Path(__file__).parents[2]
TIMED = ("mfu", "tokens_per_second", "data_wait_share", "runtime", "per_second")


class Signal(TrainerCallback):
    """Sends signals to this process at the end of a step."""

    def __init__(self, step, *numbers):
        self.step, self.numbers = step, numbers

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            for number in self.numbers:
                signal.raise_signal(number)


def history_of(folder):
    content = json.loads((folder / "training_history.json").read_text())
    return {
        part: [{k: v for k, v in row.items() if not k.endswith(TIMED)} for row in content[part]]
        for part in ("train", "evaluation")
    }


@pytest.fixture(scope="module")
def keep():
    return {}


@pytest.fixture
def whole(keep, make_trainer, tmp_path_factory, weights_of):
    """Weights, best step and history of the undisturbed run, made once."""
    if not keep:
        folder = tmp_path_factory.mktemp("whole")
        trainer = make_trainer(folder, load_best_model_at_end=False)
        trainer.train()
        keep.update(weights=weights_of(trainer.model), history=history_of(folder))
        keep.update(best=trainer.state.best_global_step, metric=trainer.state.best_metric)
    return keep


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_signal_saves_and_the_resumed_run_ends_the_same(
    whole, make_trainer, tmp_path, weights_of, number, num_workers
):
    """Step 7 is neither one that is logged nor one that is saved."""
    settings = {"load_best_model_at_end": False, "dataloader_num_workers": num_workers}
    trainer = make_trainer(tmp_path, **settings)
    trainer.callback_handler.callbacks.insert(0, Signal(7, number))
    with pytest.raises(
        TrainingInterrupted, match=r"after step 7 of 12.*the same command continues"
    ):
        trainer.train()
    newest = find_checkpoints(tmp_path)[0]
    assert newest.step == 7
    assert problem_of(newest.path) is None
    resumed = make_trainer(tmp_path, start_step=7, checkpoint=newest.path, **settings)
    resumed.train(resume_from_checkpoint=str(newest.path))
    assert torch.equal(weights_of(resumed.model), whole["weights"])


def test_the_history_of_a_stopped_run_is_that_of_a_whole_one(whole, make_trainer, tmp_path):
    """The loss of steps 5 to 7, when logged at step 8, is that of both parts of the run."""
    settings = {"load_best_model_at_end": False}
    trainer = make_trainer(tmp_path, **settings)
    trainer.add_callback(Signal(7, signal.SIGTERM))
    with pytest.raises(TrainingInterrupted):
        trainer.train()
    newest = find_checkpoints(tmp_path)[0]
    (tmp_path / "training_history.json").unlink()
    resumed = make_trainer(
        tmp_path, start_step=newest.step, checkpoint=newest.path, **settings,
        history=TrainingHistory.of_checkpoint(tmp_path, newest.path),
    )  # fmt: skip
    resumed.train(resume_from_checkpoint=str(newest.path))
    assert history_of(tmp_path) == whole["history"]


def test_a_signal_cuts_an_evaluation_which_the_resumed_run_does_first(
    whole, make_trainer, tmp_path, weights_of, capsys
):
    trainer = make_trainer(tmp_path, load_best_model_at_end=False)
    stock = trainer.evaluation_loop

    def evaluation_loop(*args, **kwargs):
        signal.raise_signal(signal.SIGTERM)
        return stock(*args, **kwargs)

    trainer.evaluation_loop = evaluation_loop
    with pytest.raises(TrainingInterrupted, match="after step 6 of 12"):
        trainer.train()
    assert "EVALUATION" not in capsys.readouterr().out
    checkpoint = tmp_path / "checkpoint-6"
    assert problem_of(checkpoint) is None
    resumed = make_trainer(
        tmp_path, start_step=6, checkpoint=checkpoint, load_best_model_at_end=False,
        history=TrainingHistory.of_checkpoint(tmp_path, checkpoint),
    )  # fmt: skip
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert history_of(tmp_path) == whole["history"]
    assert torch.equal(weights_of(resumed.model), whole["weights"])
    assert resumed.state.best_global_step == whole["best"]
    assert resumed.state.best_metric == whole["metric"]


def test_an_evaluation_cut_in_another_folder_is_done_first_and_its_best_kept(
    whole, make_trainer, tmp_path, weights_of
):
    def cut(trainer):
        stock = trainer.evaluation_loop

        def evaluation_loop(*args, **kwargs):
            signal.raise_signal(signal.SIGTERM)
            return stock(*args, **kwargs)

        trainer.evaluation_loop = evaluation_loop
        return trainer

    with pytest.raises(TrainingInterrupted):
        cut(make_trainer(tmp_path / "a", load_best_model_at_end=False)).train()
    there, here = tmp_path / "a" / "checkpoint-6", tmp_path / "b" / "checkpoint-6"
    settings = {"start_step": 6, "checkpoint": there, "load_best_model_at_end": False}
    with pytest.raises(TrainingInterrupted, match=f"saved in {there}"):
        cut(make_trainer(tmp_path / "b", **settings)).train(resume_from_checkpoint=str(there))
    resumed = make_trainer(tmp_path / "b", **settings)
    resumed.train(resume_from_checkpoint=str(there))
    assert torch.equal(weights_of(resumed.model), whole["weights"])
    assert problem_of(here) is None
    shutil.rmtree(tmp_path / "a")
    assert choose_checkpoint(tmp_path / "b", needs_best=True)[0].step == 12


def test_a_signal_at_the_last_step_leaves_only_the_results_to_write(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, load_best_model_at_end=False)
    trainer.add_callback(Signal(12, signal.SIGTERM))
    with pytest.raises(TrainingInterrupted, match="after step 12 of 12"):
        trainer.train()
    assert find_checkpoints(tmp_path)[0].step == 12


def test_a_signal_at_the_last_step_does_not_cost_the_last_evaluation(
    make_trainer, tmp_path, weights_of
):
    undisturbed = make_trainer(tmp_path / "a")
    undisturbed.train()
    assert undisturbed.state.best_global_step == 12
    trainer = make_trainer(tmp_path / "b")
    trainer.add_callback(Signal(12, signal.SIGTERM))
    with pytest.raises(TrainingInterrupted, match="after step 12 of 12"):
        trainer.train()
    checkpoint = find_checkpoints(tmp_path / "b")[0].path
    history = TrainingHistory.load(tmp_path / "b")
    again = make_trainer(tmp_path / "b", start_step=11, history=history)
    again.restore_finished(checkpoint)
    assert again.state.best_global_step == 12
    assert again.state.best_metric == undisturbed.state.best_metric
    assert again.history.evaluation[-1]["step"] == 12
    assert torch.equal(weights_of(again.model), weights_of(undisturbed.model))


def test_evaluations_leave_the_curve_as_it_is(whole, make_trainer, tmp_path, weights_of):
    trainer = make_trainer(tmp_path, load_best_model_at_end=False, eval_steps=2, save_steps=2)
    trainer.train()
    assert torch.equal(weights_of(trainer.model), whole["weights"])


def test_signals_outside_training_are_python_s_own():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    request = StopRequest()
    with request.listening():
        assert signal.getsignal(signal.SIGTERM) != before[0]
        signal.raise_signal(signal.SIGTERM)
    assert request.name == "SIGTERM"
    assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no hang-ups")
def test_a_terminal_that_closes_asks_to_stop_unless_nohup_was_given():
    for before, expected in ((lambda *_: None, "SIGHUP"), (signal.SIG_IGN, None)):
        stock = signal.signal(signal.SIGHUP, before)
        try:
            request = StopRequest()
            with request.listening():
                signal.raise_signal(signal.SIGHUP)
            assert request.name == expected
            assert signal.getsignal(signal.SIGHUP) == before
        finally:
            signal.signal(signal.SIGHUP, stock)


def test_a_stop_and_lines_that_nobody_can_read_any_more_are_no_errors():
    """Ctrl-C ends the `tee` of `train_mlm.py 2>&1 | tee run.log`, too."""
    code = """
import os, signal, sys
from rrweb_bert.callbacks import say
from rrweb_bert.signals import StopRequest
read, write = os.pipe()
kept = os.dup(2)
os.dup2(write, 1)
os.dup2(write, 2)
os.close(write)
os.close(read)
request = StopRequest()
with request.listening():
    signal.raise_signal(signal.SIGINT)
say("one")
say("two")
os.write(kept, request.name.encode())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "SIGINT"
    assert done.returncode == 0


def test_in_another_thread_nothing_is_listened_to():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def listen():
        with StopRequest().listening():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_second_interrupt_ends_the_process_at_once():
    code = """
import signal, time
from rrweb_bert.history import TrainingHistory
from rrweb_bert.signals import StopRequest
request = StopRequest()
with request.listening():
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)  # the same key press, passed on by another program
    print("one", flush=True)
    request._asked_at -= 1
    signal.raise_signal(signal.SIGINT)
    print("never", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT
    assert done.stdout == "one\n"
    assert done.stderr == "SIGINT: finishing the step, then saving. Once more stops at once.\n"


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="this system cannot tell senders")
def test_a_loader_worker_hears_only_its_parent():
    code = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from rrweb_bert.signals import shield_worker
ready, told = os.pipe()
child = os.fork()
if child == 0:
    shield_worker(0)
    os.write(told, b"1")
    time.sleep(60)
    os._exit(7)
os.read(ready, 1)
os.kill(child, signal.SIGINT)
stranger = os.fork()
if stranger == 0:
    os.kill(child, signal.SIGTERM)
    os._exit(0)
os.waitpid(stranger, 0)
time.sleep(0.3)
assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended"
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr


def test_workers_are_shielded(make_trainer, tmp_path):
    loader = make_trainer(tmp_path, dataloader_num_workers=1).get_train_dataloader()
    assert loader.worker_init_fn is shield_worker
