"""ResumableTrainer: the Trainer with sealed checkpoints, an exact resume and a clean stop.

| override | why | shown by |
|---|---|---|
| `train` | signals; returns when all is sealed | `tests/crash` |
| `_save_checkpoint` | stock writes into the folder that a resume reads | `test_saving.py`, `tests/crash` |
| `_save` | a full disk at the very end is told as clearly | `test_saving.py` |
| `_finalize_training` | with a limit of 1 stock removes the last checkpoint | `test_saving.py` |
| `_maybe_log_save_evaluate` | a stop comes after the save, and may cut an evaluation | `test_stopping.py` |
| `_load_best_model` | stock loads damaged weights in silence | `test_damage.py` |
| `evaluate` | its loader draws from the random state that dropout uses | `test_stopping.py` |
"""  # noqa: E501 - a table

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import torch
from transformers import Trainer, TrainerCallback, TrainerState
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import SaveStrategy, TrainOutput

from .background_save import copy_to_cpu
from .callbacks import say
from .checkpoints import best_of, partial_of
from .disk_space import CheckpointError, estimate_bytes
from .durable import write_atomically
from .run_record import RunRecord
from .saving import CheckpointSaver, Write
from .sealing import problem_of, read_seal
from .signals import StopRequest, TrainingInterrupted

__all__ = ["PROGRESS_FILE", "ResumableTrainer"]

PROGRESS_FILE: Final = "progress.json"
"""What of a run is not in transformers' own files: the loss since the last log line."""

# With several processes all must stop at one step; asking them costs a wait, so not at each.
_STEPS_BETWEEN_QUESTIONS: Final = 8


class _EvaluationCutError(Exception):
    """A signal came while an evaluation was going on; the resumed run does it first."""


class ResumableTrainer(Trainer):  # type: ignore[misc]
    """Saves sealed checkpoints and continues from them.

    Args:
        checkpoint: folder to resume from; pass it to `train` too.
        record: what makes this run this run; each checkpoint carries it.
        **kwargs: what `Trainer` takes.
    """

    def __init__(
        self, *, checkpoint: Path | None = None, record: RunRecord | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.stop = StopRequest()
        self.saver = CheckpointSaver(
            Path(self.args.output_dir or "."), limit=self.args.save_total_limit
        )
        self._record = record
        self._saved_step = -1
        self._is_evaluation_pending = self._is_stopping = False
        self.add_callback(_ResumeCallback(self, checkpoint))

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Stock training; returns when every checkpoint is sealed.

        Raises:
            TrainingInterrupted: SIGTERM or SIGINT came; the step is done and saved.
            CheckpointError: a checkpoint could not be written.
        """
        with self.stop.listening():
            try:
                return super().train(*args, **kwargs)
            finally:
                self.saver.wait()

    def _finalize_training(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Stock, but the last checkpoint stays: the results are not written yet."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            return super()._finalize_training(*args, **kwargs)
        finally:
            self.args.save_total_limit = limit

    def needed_bytes(self) -> int:
        """Room that the next checkpoint takes."""
        inner = getattr(self.optimizer, "optimizer", self.optimizer)
        return estimate_bytes(self.model, inner, last_bytes=self.saver.last_bytes())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Fill a folder beside, and let the saver add the optimizer, seal and rename it."""
        started = time.perf_counter()
        step = self.state.global_step
        if self.hp_search_backend is None and trial is None:
            self.store_flos()
        needed = self.needed_bytes()
        folder = partial_of(self.saver.output_dir, step)
        if self.args.should_save:
            folder = self.saver.begin(step, needed)
        self.accelerator.wait_for_everyone()
        with self.saver.writing(f"checkpoint-{step}", needed):
            last_writes = self._fill(folder, step)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            self.saver.finish(
                step,
                needed,
                last_writes=last_writes,
                best=None if best is None else Path(best).name,
                metric=self.state.best_metric,
                started=started,
            )
        self._saved_step = step
        if self._is_read_at_once():
            self.saver.wait()
        if self.args.push_to_hub:
            self._push_from_checkpoint(str(self.saver.output_dir / f"checkpoint-{step}"))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Stock; a full disk is told when the results are written, as it is for checkpoints."""
        if output_dir not in (None, self.args.output_dir):
            super()._save(output_dir, state_dict)
            return
        with self.saver.writing("the model", self.needed_bytes()):
            super()._save(output_dir, state_dict)

    def _fill(self, folder: Path, step: int) -> list[tuple[str, Write]]:
        """Write a checkpoint, but for the files whose names and functions are returned."""
        self.save_model(str(folder), _internal_call=True)
        self._name_best(step)
        last_writes: list[tuple[str, Write]] = []
        if not self.args.save_only_model:
            last_writes = self._save_training_state(folder)
        loss = self.accelerator.reduce(self._tr_loss.detach().clone(), "mean").item()
        if not self.args.should_save:
            return []
        for exported in (*self.callback_handler.callbacks, self.control):
            if isinstance(exported, ExportableState):
                self._note_state_of(exported)
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))
        progress = {
            "loss_sum": loss,
            "last_logged_step": self._globalstep_last_logged,
            "is_evaluation_pending": self._is_evaluation_pending,
        }
        write_atomically(folder / PROGRESS_FILE, json.dumps(progress, indent=1) + "\n")
        if self._record is not None:
            self._record.save(folder)
        self.write_notes(folder)
        return last_writes

    def _note_state_of(self, exported: Any) -> None:
        """Put the state of a callback into the trainer's, as stock does."""
        name = exported.__class__.__name__
        if isinstance(self.state.stateful_callbacks[name], list):
            self.state.stateful_callbacks[name].append(exported.state())
        else:
            self.state.stateful_callbacks[name] = exported.state()

    def write_notes(self, folder: Path) -> None:
        """Write further files into a checkpoint that is being written; for subclasses."""

    def _name_best(self, step: int) -> None:
        """Point the state to the best checkpoint, which may be the one being written."""
        best_step = self.state.best_global_step
        if self.args.save_strategy == SaveStrategy.NO or not best_step:
            return
        best = self.saver.output_dir / f"checkpoint-{best_step}"
        if best_step == step or best.is_dir():
            self.state.best_model_checkpoint = str(best)

    def _save_training_state(self, folder: Path) -> list[tuple[str, Write]]:
        """Scheduler, scaler and random state now; the optimizer's tensors are copied for later."""
        last_writes: list[tuple[str, Write]] = []
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            self._save_optimizer_and_scheduler(str(folder))
        elif self.args.should_save and self.optimizer and self.lr_scheduler:
            torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER_NAME)
            state = copy_to_cpu(self.optimizer.state_dict())
            last_writes.append((OPTIMIZER_NAME, partial(torch.save, state)))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        return last_writes

    def _is_read_at_once(self) -> bool:
        """Whether a push or a tracker reads the checkpoint as soon as it is saved."""
        return self.args.push_to_hub or any(
            type(callback).on_save is not TrainerCallback.on_save
            for callback in self.callback_handler.callbacks
        )

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Stock evaluation that leaves the random state as it was."""
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def until_stopped(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches of an evaluation that a signal may cut short."""
        for batch in batches:
            if self.stop.name is not None and self.args.world_size == 1 and self.is_in_train:
                raise _EvaluationCutError
            yield batch

    def _maybe_log_save_evaluate(
        self, tr_loss: Any, grad_norm: Any, model: Any, trial: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Stock, then end the run if a signal asked for it and this step is saved."""
        try:
            super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kwargs)
        except _EvaluationCutError:
            self._is_evaluation_pending = True
            self._save_checkpoint(model, trial)
        is_wanted = self._is_stopping or (self.stop.name is not None and self.args.world_size == 1)
        if is_wanted and self._saved_step == self.state.global_step:
            self.end_here()

    def end_here(self, saved_in: Path | None = None) -> NoReturn:
        """End the run at a step that is saved.

        Args:
            saved_in: where, if it is not this run that saved it.

        Raises:
            TrainingInterrupted: always.
        """
        self.saver.wait()
        step, last = self.state.global_step, self.state.max_steps
        raise TrainingInterrupted(
            f"stopped by {self.stop.name or 'a signal to another process'} after step {step} of "
            f"{last}, saved in {saved_in or self.saver.output_dir / f'checkpoint-{step}'}; the "
            "same command continues from there"
        )

    def is_stop_wanted(self) -> bool:
        """Whether a signal asked any process to stop; the same answer in all of them."""
        is_wanted = self.stop.name is not None
        if self.args.world_size > 1:
            if self.state.global_step % _STEPS_BETWEEN_QUESTIONS:
                return False
            wish = torch.tensor(float(is_wanted), device=self.args.device)
            is_wanted = bool(self.accelerator.reduce(wish, "sum").item())
        self._is_stopping = is_wanted
        return is_wanted

    def restore_progress(self, checkpoint: Path) -> None:
        """Take over the loss that was not logged yet, and an evaluation that was cut short."""
        progress = json.loads((checkpoint / PROGRESS_FILE).read_text())
        self._tr_loss += progress["loss_sum"]
        self._globalstep_last_logged = progress["last_logged_step"]
        if progress["is_evaluation_pending"]:
            try:
                metrics = self._evaluate(None, None)
            except _EvaluationCutError:
                self.end_here(checkpoint)
            self._determine_best_metric(metrics=metrics, trial=None)
            if self.state.best_global_step == self.state.global_step:
                self.keep_best(checkpoint)

    def keep_best(self, best: Path) -> None:
        """Point the state to the best checkpoint; one that lies elsewhere is copied first."""
        if best.parent != self.saver.output_dir:
            if self.args.should_save:
                self.saver.adopt(best)
            self.accelerator.wait_for_everyone()
            best = self.saver.output_dir / f"checkpoint-{read_seal(best).step}"
        self.state.best_model_checkpoint = str(best)

    def _load_best_model(self) -> None:
        """Stock, unless the best checkpoint is not what was saved.

        Raises:
            CheckpointError: it is damaged.
        """
        self.saver.wait()
        best = Path(self.state.best_model_checkpoint or "")
        problem = problem_of(best)
        if problem is not None:
            raise CheckpointError(
                f"the best checkpoint, {best}, cannot be loaded: {problem}. Run the same command "
                "again: it goes back to a checkpoint from which the best is found again"
            )
        super()._load_best_model()

    def restore_finished(self, checkpoint: Path) -> None:
        """Take over a run whose last step is in `checkpoint` but whose results are not written.

        Its last evaluation is done here where a signal cut it.
        """
        self.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        best = best_of(checkpoint) if self.args.load_best_model_at_end else None
        if json.loads((checkpoint / PROGRESS_FILE).read_text())["is_evaluation_pending"]:
            self._load_from_checkpoint(str(checkpoint))
            metrics = self.evaluate()
            self._determine_best_metric(metrics=metrics, trial=None)
            if self.state.best_global_step == self.state.global_step:
                best = checkpoint
        self.state.best_model_checkpoint = str(checkpoint if best is None else best)
        self._load_best_model()


class _ResumeCallback(TrainerCallback):  # type: ignore[misc]
    """Puts a resumed run where it was, and asks for a save when a signal came.

    Args:
        trainer: whose random state is loaded once more before the first resumed step: making the
            loader draws from it after transformers has restored it.
        checkpoint: where the run resumes, None for a new one.
    """

    def __init__(self, trainer: ResumableTrainer, checkpoint: Path | None) -> None:
        self._trainer = trainer
        self._checkpoint = checkpoint

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Check the room for a checkpoint, and find the best one and the unlogged loss again."""
        if args.should_save and args.save_strategy != SaveStrategy.NO:
            self._trainer.saver.prepare(self._trainer.needed_bytes())
        if self._checkpoint is None:
            return
        best = best_of(self._checkpoint)
        if best is not None and best.is_dir() and problem_of(best) is None:
            self._trainer.keep_best(best)
        elif best is not None:
            say(f"note: {best}, the best so far, is lost; the best of what comes will be kept")
            state.best_metric = state.best_global_step = state.best_model_checkpoint = None
        self._trainer.restore_progress(self._checkpoint)

    def on_step_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Once: put the random state back to where the checkpoint was."""
        if self._checkpoint is not None:
            self._trainer._load_rng_state(str(self._checkpoint))
            self._checkpoint = None

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Save if a signal asked to stop; report a checkpoint that could not be written."""
        self._trainer.saver.check()
        if self._trainer.is_stop_wanted():
            control.should_save = True

    def on_epoch_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """What follows looks at the folders."""
        self._trainer.saver.wait()
