"""Loader workers that die, fail, hang or end early end the run, and are named with their sessions.

The faults happen in worker processes: the stream's samples come from a generator that misbehaves
at one sample, which the processes inherit.
"""

import ctypes
import os
import re
import signal
import time

import numpy as np
import pytest
from datasets import IterableDataset
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from data_prep import streaming
from data_prep.errors import DataError
from data_prep.streaming import attach_source, source_of
from rrweb_bert.checkpoints import find_checkpoints
from rrweb_bert.loading import make_loader
from rrweb_bert.training import TrainingStoppedError

AT = 13  # a sample of the fourth batch, which is made by worker 1 of two
BATCH_OF_IT = "12 to 15"


def killed(batch):
    os.kill(os.getpid(), signal.SIGKILL)


def exited(batch):
    os._exit(0)


def exited_with_status(batch):
    os._exit(3)


def failed(batch):
    raise KeyError("no such thing")


def hung(batch):
    time.sleep(300)


def stopped(batch):
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(300)


def deaf(batch):
    """As a worker is that hangs in foreign code: no thread of it runs, and SIGTERM is blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ctypes.PyDLL(None).sleep(300)


FAULTS = {
    deaf: "loader worker 1 hangs: no batch came for 3 s",
    killed: "loader worker 1 .* was killed by SIGKILL",
    exited: "loader worker 1 .* exited with status 0",
    exited_with_status: "loader worker 1 .* exited with status 3",
    failed: "loader worker 1 failed with KeyError(.|\n)*no such thing",
    hung: "loader worker 1 hangs: no batch came for 3 s",
    stopped: "loader worker 1 hangs: no batch came for 3 s",
}


def faulty(stream, fault, is_at=lambda samples: AT in samples):
    """The stream, with a fault where the batch of sample AT is made."""
    source = source_of(stream)

    def samples(batch_ids):
        inner = stream._ex_iterable.kwargs
        for batch_id in batch_ids:
            if is_at(source.batches.samples(batch_id)) and fault(batch_id) == "end":
                return
            given = {**inner, "batch_ids": [batch_id]}
            yield from streaming._samples_of_batches(**given)

    made = IterableDataset.from_generator(
        samples, gen_kwargs={"batch_ids": list(range(source.batches.num_batches))}
    )
    return attach_source(
        made,
        batches=source.batches,
        names_of=source.names_of,
        seconds_a_batch=source.seconds_a_batch,
    )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_worker_that_comes_to_grief_ends_the_run(make_trainer, tmp_path, fault):
    trainer = make_trainer(
        tmp_path, dataloader_num_workers=2, loader_timeout=3, save_steps=1, eval_steps=1
    )
    trainer.train_dataset = faulty(trainer.train_dataset, fault)
    with pytest.raises(TrainingStoppedError, match=FAULTS[fault]) as caught:
        trainer.train()
    assert re.search(rf"It was making samples (\d+ to \d+ or )?{BATCH_OF_IT}", str(caught.value))
    assert "sessions train-" in str(caught.value)
    # Steps 1 to 3 have their batches; what dies may do so while they are trained on.
    assert all(checkpoint.step <= 3 for checkpoint in find_checkpoints(tmp_path))


def test_a_worker_that_is_stopped_between_batches_ends_the_run(make_trainer, tmp_path):
    """Batches that it has made are in the queue, but it can no longer hand them over."""

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 3:
                time.sleep(0.5)  # so that the queue is full
                for process in trainer._guard.loader._workers:
                    os.kill(process.pid, signal.SIGSTOP)

    trainer = make_trainer(tmp_path, dataloader_num_workers=1, loader_timeout=3)
    trainer.add_callback(Stop())
    with pytest.raises(TrainingStoppedError, match="loader worker 0 hangs: no batch came for 3 s"):
        trainer.train()
    assert not find_checkpoints(tmp_path)


def test_a_worker_that_ends_early_is_found_at_its_first_missing_batch(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, dataloader_num_workers=2, save_steps=1, eval_steps=1)
    trainer.train_dataset = faulty(trainer.train_dataset, lambda batch: "end")
    with pytest.raises(TrainingStoppedError, match="loader worker 1 ended early") as caught:
        trainer.train()
    assert f"instead of samples {BATCH_OF_IT}" in str(caught.value)
    assert "came samples 20, 21, 22, 23" in str(caught.value)
    assert trainer.state.global_step == 3
    assert find_checkpoints(tmp_path)[0].step == 3


def test_a_stream_that_ends_early_in_this_process_is_found(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.train_dataset = faulty(
        trainer.train_dataset, lambda batch: "end", is_at=lambda samples: samples.stop > AT
    )
    with pytest.raises(TrainingStoppedError, match=r"the window stream ended early: .* nothing"):
        trainer.train()
    assert trainer.state.global_step == 3


def test_an_evaluation_with_a_missing_batch_is_no_evaluation(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    global_at = trainer.eval_dataset
    source = source_of(global_at)
    short = IterableDataset.from_generator(
        streaming._samples_of_batches,
        gen_kwargs={**global_at._ex_iterable.kwargs, "batch_ids": [0]},
    )
    trainer.eval_dataset = attach_source(
        short, batches=source.batches, names_of=source.names_of, seconds_a_batch=1.0
    )
    with pytest.raises(TrainingStoppedError, match="instead of samples 4 to 6"):
        trainer.evaluate()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda window: window.__setitem__(5, 60_000), "holds id 60000, but the vocabulary has"),
        (lambda window: window.__setitem__(0, 700), r"does not stand between \[CLS\] and \[SEP\]"),
        (lambda window: window.__setitem__(-1, 700), r"does not stand between \[CLS\] and"),
    ],
)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_window_that_cannot_be_is_an_error_that_names_its_session(
    make_trainer, tmp_path, monkeypatch, spoil, reason, num_workers
):
    trainer = make_trainer(tmp_path, dataloader_num_workers=num_workers)
    stock = streaming.window

    def window(plan, table, sample):
        ids = stock(plan, table, sample)
        if sample == AT:
            spoil(ids)
        return ids

    monkeypatch.setattr(streaming, "window", window)
    with pytest.raises(TrainingStoppedError, match=reason) as caught:
        trainer.train()
    names = source_of(trainer.train_dataset).names_of(AT)
    assert f"the window of sample {AT}" in str(caught.value)
    assert f"(sessions {', '.join(names)})" in str(caught.value)
    assert "data_prep verify" in str(caught.value)


def test_a_loader_refuses_a_stream_for_other_batches(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    with pytest.raises(ValueError, match="not for batches of 5"):
        make_loader(
            trainer.train_dataset, trainer.args, batch_size=5, collator=trainer.data_collator
        )
    with pytest.raises(ValueError, match="not a stream of windows"):
        make_loader(
            trainer.train_dataset.take(3),
            trainer.args,
            batch_size=4,
            collator=trainer.data_collator,
        )


def test_batches_hold_the_masked_windows_of_their_samples_and_nothing_else(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    samples = list(trainer.train_dataset)
    batches = list(trainer.get_train_dataloader())
    assert len(batches) == 12
    for number, batch in enumerate(batches):
        expected = trainer.data_collator(samples[4 * number : 4 * number + 4])
        assert batch.keys() == expected.keys() == {"input_ids", "labels"}
        assert all(np.array_equal(batch[name], expected[name]) for name in batch)


def test_a_shard_that_was_cut_is_not_read_to_name_sessions(make_trainer, corpus_dir, tmp_path):
    trainer = make_trainer(tmp_path)
    source = source_of(trainer.train_dataset)
    shard = corpus_dir / "train" / "data-00000.arrow"
    content = shard.read_bytes()
    assert source.names_of(0)
    try:
        os.truncate(shard, 8)
        assert source.names_of(0) == ()
    finally:
        with shard.open("r+b") as file:
            file.write(content)


def test_data_errors_of_a_worker_are_told_in_one_line(make_trainer, tmp_path):
    def fault(batch):
        raise DataError("this file is bad\nand \x1b[31mred")

    trainer = make_trainer(tmp_path, dataloader_num_workers=1)
    trainer.train_dataset = faulty(trainer.train_dataset, fault)
    with pytest.raises(TrainingStoppedError) as caught:
        trainer.train()
    assert "\x1b" not in str(caught.value)


def test_no_signal_handler_raises_the_death_of_a_worker(make_trainer, tmp_path):
    """It would do so inside any function, and leave a lock that this one holds locked for ever."""
    list(DataLoader(range(4), num_workers=1))  # installs torch's for the whole program
    make_trainer(tmp_path, dataloader_num_workers=2).train()
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
