"""Pre-train BERT on rrweb session recordings with masked-language modelling.

python train_mlm.py                                      the embedded sample: see it work
python train_mlm.py --data_dir FOLDER_OF_RECORDINGS      the real thing; run it again to continue
python train_mlm.py config.yaml --dry_run                the plan, memory and time; trains nothing
python train_mlm.py --help                               every flag with unit and default
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rrweb_bert.early_flags import stop_at_unknown_flags

if __name__ == "__main__":
    stop_at_unknown_flags(sys.argv[1:])  # before the seconds that the imports below take

from data_prep.errors import DataError
from data_prep.plain_text import without_controls
from rrweb_bert import assembly
from rrweb_bert.arguments import Arguments, UsageError, parse_arguments
from rrweb_bert.callbacks import say
from rrweb_bert.console import prepare_console
from rrweb_bert.disk_space import CheckpointError
from rrweb_bert.dry_run import dry_run
from rrweb_bert.durable import sync_files
from rrweb_bert.hub_trainer import check_push, repository_of
from rrweb_bert.model_card import write_card
from rrweb_bert.plots import plot_history
from rrweb_bert.pooling_files import write_pooling_files
from rrweb_bert.push_command import push_folder
from rrweb_bert.ranks import leave_group
from rrweb_bert.resolved_arguments import write_arguments
from rrweb_bert.resuming import check_folder, check_resume, find_start, held, origins_of, recover
from rrweb_bert.run_record import RunRecord
from rrweb_bert.sample_plan import announcement, next_steps
from rrweb_bert.signals import TrainingInterrupted
from rrweb_bert.trackers import check_trackers
from rrweb_bert.trainer_assembly import build_trainer, watch_of
from rrweb_bert.training import RRWebTrainer, TrainingStoppedError
from rrweb_bert.training_summary import TrainingSummary, summarise


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and return the exit status.

    0: done, or stopped by a signal after saving. 1: training failed. 2: it cannot run as asked.
    130: Ctrl-C before or after training.
    """
    try:
        train(parse_arguments(sys.argv[1:] if argv is None else argv))
        leave_group()
    except TrainingInterrupted as interruption:
        say(str(interruption))
    except (UsageError, DataError) as error:
        print(f"error: {without_controls(str(error))}", file=sys.stderr)
        return 2
    except (TrainingStoppedError, CheckpointError) as error:
        print(f"error: {without_controls(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(
            f"error: the disk is full: {error.filename or error}. Make room and run the same "
            "command again to continue",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 130
    return 0


def train(arguments: Arguments) -> None:
    """Arguments -> data -> model -> Trainer."""
    training = arguments.training
    output_dir = Path(training.output_dir or ".").resolve()
    training.output_dir = str(output_dir)
    prepare_console(training)
    check_trackers(training)
    plan = assembly.settle_steps(arguments)
    if arguments.run.dry_run:
        dry_run(arguments, plan)
        return
    check_resume(output_dir, training.resume)
    check_push(training)
    announce(arguments, plan)

    tokenizer = assembly.load_tokenizer(arguments)
    assembly.check_start_model(arguments, tokenizer.vocab_size)
    corpus = assembly.open_corpus(arguments, tokenizer)
    model = assembly.build_model(arguments, tokenizer.vocab_size)
    tokenizer.model_max_length = model.config.max_position_embeddings

    record = assembly.record_of(arguments, plan, corpus=corpus, tokenizer=tokenizer, model=model)
    with held(output_dir) if training.process_index == 0 else nullcontext():
        check_folder(output_dir, record, training.resume)
        if is_finished(output_dir):
            say(
                f"this run is finished: the best model is in {output_dir}. Nothing to train; for "
                "another run give another --output_dir"
            )
            if training.push_to_hub and training.process_index == 0:
                push_folder(output_dir, repository_of(training), message="End of training")
            return
        with training.main_process_first(local=False, desc="looking for checkpoints"):
            if training.process_index == 0:
                recover(output_dir)
        start = find_start(
            output_dir, record, training.resume, needs_best=training.load_best_model_at_end
        )
        record = replace(record, origins=origins_of(start, training.resume))
        trainer = build_trainer(
            arguments,
            plan,
            corpus_dir=corpus.path,
            tokenizer=tokenizer,
            model=model,
            start=start,
            record=record,
            watch=watch_of(corpus, arguments),
        )
        if trainer.is_world_process_zero():
            record.save(output_dir)
            write_arguments(arguments, output_dir)
        if start is None or start.step < plan.num_steps:
            say(f"training {model.num_parameters():,} parameters on {training.device}")
            trainer.train(resume_from_checkpoint=None if start is None else str(start.path))
        else:
            trainer.restore_finished(start.path)
        summary = summarise(
            arguments,
            record,
            corpus,
            history=trainer.history,
            model=model,
            num_epochs=trainer.num_epochs,
        )
        finish(trainer, output_dir, record, summary)
        if plan.is_demonstration:
            say(next_steps())


def announce(arguments: Arguments, plan: assembly.StepPlan) -> None:
    """Say what is special about this run before any work starts."""
    assembly.name_other_gpus(arguments.training.world_size)
    if plan.is_demonstration:
        say(
            announcement(
                num_steps=plan.num_steps,
                model_size=arguments.model.model_size,
                window_tokens=arguments.data.window_tokens,
                output_dir=str(arguments.training.output_dir),
            )
        )


def is_finished(output_dir: Path) -> bool:
    """Whether the run in this folder has written its results."""
    record = RunRecord.load(output_dir)
    return record is not None and record.is_finished


def finish(
    trainer: RRWebTrainer, output_dir: Path, record: RunRecord, summary: TrainingSummary
) -> None:
    """Save the best model with its card in the output folder itself, draw, say where, and push."""
    trainer.save_model(_internal_call=True)  # not pushed yet: picture and card are to come
    if not trainer.is_world_process_zero():
        return
    trainer.save_state()
    write_pooling_files(output_dir)
    summary.save(output_dir)
    write_card(output_dir, summary)
    say(f"picture: {plot_history(output_dir)}")
    sync_files(output_dir)  # before anything says that the run is finished
    replace(record, is_finished=True).save(output_dir)
    best = trainer.state.best_metric
    result = (
        ""
        if best is None
        else f", best eval_loss {best:.4f}, of step {trainer.state.best_global_step}"
    )
    say(f"finished: model and tokenizer are in {output_dir}{result}")
    if trainer.args.push_to_hub:
        trainer.push_to_hub()


if __name__ == "__main__":
    sys.exit(main())
