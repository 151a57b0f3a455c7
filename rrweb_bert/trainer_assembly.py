"""The parts of a run -> its trainer: streams, collators, callbacks, and what watches the shards."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.prepare import PreparedCorpus
from data_prep.raw_windows import raw_window_stream
from data_prep.shard_watch import ShardWatch
from data_prep.streaming import evaluation_stream, window_stream
from data_prep.windows import WindowPlan

from .arguments import Arguments
from .assembly import EVALUATION_SEED, StepPlan, streamed_corpus
from .callbacks import say
from .checkpoints import FoundCheckpoint
from .collator import EVALUATION_MASK_SEED, RRWebDataCollator
from .example_predictions import NUM_WINDOWS, ExamplePredictions, choose_positions
from .history import HISTORY_FILE, TrainingHistory
from .modeling_rrweb_bert import RRWebBertForMaskedLM
from .run_record import RunRecord
from .trackers import example_sinks, settle_trackers
from .training import RRWebTrainer

__all__ = ["build_trainer", "watch_of"]


def build_trainer(
    arguments: Arguments,
    plan: StepPlan,
    *,
    corpus_dir: Path,
    tokenizer: Any,
    model: RRWebBertForMaskedLM,
    start: FoundCheckpoint | None,
    record: RunRecord | None = None,
    watch: ShardWatch | None = None,
) -> RRWebTrainer:
    """The trainer with both streams, the training one at its first sample still to come.

    Args:
        arguments: of the command line.
        plan: from `settle_steps`.
        corpus_dir: folder with the tables of `train` and `validation`.
        tokenizer: saved with the model.
        model: what is trained.
        start: the checkpoint to go on from.
        record: what is written into checkpoints.
        watch: looks whether a shard changes while it is read.
    """
    # From torch 2.12 on; what it advises cannot be said through accelerate, nor in torch 2.11.
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    data, training = arguments.data, arguments.training
    start_step = 0 if start is None else start.step
    seed = training.seed if training.data_seed is None else training.data_seed
    windows = WindowPlan(
        seed=seed,
        window_tokens=data.window_tokens,
        sampling=data.sampling,
        samples_per_epoch=data.samples_per_epoch,
    )
    open_stream = (
        partial(raw_window_stream, streamed_corpus(arguments).train)
        if data.streaming
        else partial(window_stream, corpus_dir, "train")
    )
    train_stream = open_stream(
        windows,
        batch_size=training.per_device_train_batch_size,
        rank=training.process_index,
        num_ranks=training.world_size,
        # A run that has only its results left to write still needs a stream: its last step's.
        start_sample=min(start_step, plan.num_steps - 1) * plan.windows_per_step,
        stop_sample=plan.num_samples,
    )
    eval_stream = evaluation_stream(
        corpus_dir,
        "validation",
        window_tokens=data.window_tokens,
        seed=EVALUATION_SEED,
        batch_size=training.per_device_eval_batch_size,
        rank=training.process_index,
        num_ranks=training.world_size,
    )
    collator = RRWebDataCollator(tokenizer, mlm_probability=data.mlm_probability, mask_seed=seed)
    output_dir = Path(training.output_dir or ".")
    eval_collator = replace(collator, mask_seed=EVALUATION_MASK_SEED)
    trainer = RRWebTrainer(
        model=model,
        args=training,
        train_dataset=train_stream,
        eval_dataset=eval_stream,
        data_collator=collator,
        eval_collator=eval_collator,
        history=_history(output_dir, start),
        samples_per_epoch=data.samples_per_epoch,
        checkpoint=None if start is None else start.path,
        watch=watch,
        record=record,
        processing_class=tokenizer,
    )
    settle_trackers(trainer, output_dir)
    if training.process_index == 0:  # the others may have no validation window
        trainer.add_callback(
            ExamplePredictions(
                choose_positions(eval_collator(list(islice(eval_stream, NUM_WINDOWS)))),
                tokenizer,
                output_dir=output_dir,
                until_step=start_step,
                autocast=trainer.accelerator.autocast,
                sinks=example_sinks(trainer),
            )
        )
    return trainer


def watch_of(corpus: PreparedCorpus, arguments: Arguments) -> ShardWatch | None:
    """What watches the shards; one process of each machine does, for all that read the files."""
    if arguments.training.local_process_index != 0:
        return None
    return ShardWatch(corpus, ("train", "validation"), report=say)


def _history(output_dir: Path, start: FoundCheckpoint | None) -> TrainingHistory:
    if start is None:
        return TrainingHistory(output_dir / HISTORY_FILE)
    return TrainingHistory.of_checkpoint(output_dir, start.path)
