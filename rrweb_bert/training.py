"""RRWebTrainer: transformers' Trainer, overridden in one named place for each thing it gets wrong.

| override | why | shown by |
|---|---|---|
| `get_train_dataloader`, `get_eval_dataloader` | accelerate would let rank 0 load for all, or deal out samples in an order that depends on the workers | `test_weights_are_the_same_for_any_number_of_workers` |
| `evaluation_loop` | the stock mean of batch means depends on the batches; losses by kind of token | `test_evaluation_does_not_depend_on_the_batch_size` |
| `create_scheduler` | restarts of growing length | `test_schedule.py` |
| `get_batch_samples` | measures the wait for data; a stream that ends early must not start over | `test_a_stream_that_ends_early_stops_the_run` |
| `training_step`, `_get_grad_norm`, `_maybe_log_save_evaluate` | a number that is none stops the run before it is saved | `test_finite.py` |
| `train` | a loader worker that dies is named | `test_loading.py` |
| `_determine_best_metric` | the best of several evaluations between two saves would be lost, and an older model be taken for it | `test_the_best_of_all_evaluations_is_kept_not_only_of_those_that_fall_on_a_save` |
| `_clip_grad_norm` | two passes over all gradients, which fused AdamW makes anyway | `test_clipping.py` |
| `_load_rng_state` | another number of processes has no states of its own | `test_several_processes.py` |
| `floating_point_ops` | counts all parameters anew each step, 1.6 ms | |
| `_issue_warnings_after_load` | warns of tied weights, which are not stored twice | `test_best_model_is_kept_and_loaded_at_the_end` |

How checkpoints are saved, and a run resumed or stopped: `resumable.py`; how it pushes:
`hub_trainer.py`.
"""  # noqa: E501 - a table

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from transformers import PrinterCallback, ProgressCallback, SchedulerType, TrainerState
from transformers.trainer_utils import EvalLoopOutput, SaveStrategy, TrainOutput

from data_prep.shard_watch import ShardWatch

from .acceleration import fix_order_of_sums
from .arguments import RRWebTrainingArguments
from .callbacks import LogLines, PaceMeter, ProgressBar, RunCallback, gpu_memory_peak_gib, say
from .clipping import ClippingOptimizer, is_clippable
from .collator import RRWebDataCollator
from .durable import write_atomically
from .evaluation import perplexity, sum_losses
from .guards import TrainingStoppedError
from .history import TrainingHistory
from .hub_trainer import HubTrainer
from .loading import WindowLoader, make_loader
from .mfu import utilisation
from .modeling_rrweb_bert import RRWebBertForMaskedLM
from .ranks import seed_process
from .resumable import ResumableTrainer
from .run_guard import RunGuard
from .schedule import cosine_with_warm_restarts

__all__ = ["MAX_RESTART_EPOCHS", "RRWebTrainer", "TrainingStoppedError"]

MAX_RESTART_EPOCHS = 10.0
METRICS_FILE = "metrics.json"


class RRWebTrainer(HubTrainer, ResumableTrainer):
    """Trains an `RRWebBertForMaskedLM` on a window stream, exactly resumable.

    Args:
        model: the model, in any state.
        args: `max_steps` set, since a stream has no length.
        train_dataset: `window_stream` from the first sample still to train on; its shards are
            batches of all processes together.
        eval_dataset: `evaluation_stream`, cut the same way.
        data_collator: for training.
        eval_collator: for evaluation, with its own fixed mask seed.
        history: log rows so far.
        samples_per_epoch: windows in an epoch.
        watch: of the shards that are read; None where another process watches them.
        **kwargs: anything else that `ResumableTrainer` takes.
    """

    args: RRWebTrainingArguments
    model: RRWebBertForMaskedLM
    state: TrainerState
    lr_scheduler: LRScheduler | None

    def __init__(
        self,
        *,
        model: RRWebBertForMaskedLM,
        args: RRWebTrainingArguments,
        train_dataset: Any,
        eval_dataset: Any,
        data_collator: RRWebDataCollator,
        eval_collator: RRWebDataCollator,
        history: TrainingHistory,
        samples_per_epoch: int,
        watch: ShardWatch | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            data_collator=data_collator,
            **kwargs,
        )
        if args.full_determinism:
            fix_order_of_sums()  # again: Trainer has just chosen smaller workspaces for cuBLAS
        self.eval_collator = eval_collator
        self.history = history
        self.pace = PaceMeter()
        self._flops_per_token: int | None = None
        self._num_overflows_seen = 0
        self._is_warm = False
        self._window_tokens = 0
        self._clipping: ClippingOptimizer | None = None
        self._is_new = kwargs.get("checkpoint") is None
        self._guard = RunGuard(
            model,
            args.device,
            watch=watch,
            batches_per_step=args.gradient_accumulation_steps,
            hides_nan=args.logging_nan_inf_filter,
        )
        windows_per_step = (
            args.per_device_train_batch_size * args.world_size * args.gradient_accumulation_steps
        )
        self.num_epochs = args.max_steps * windows_per_step / samples_per_epoch
        for stock in (PrinterCallback, ProgressCallback):
            self.remove_callback(stock)
        self.add_callback(LogLines() if args.disable_tqdm else ProgressBar())
        self.add_callback(
            RunCallback(
                history,
                windows_per_step=windows_per_step,
                samples_per_epoch=samples_per_epoch,
            )
        )

    def get_train_dataloader(self) -> WindowLoader:
        """The training stream, each process its own part, nothing dispatched."""
        loader = make_loader(
            self.train_dataset,
            self.args,
            batch_size=self.args.per_device_train_batch_size,
            collator=self.data_collator,
        )
        self._guard.loader = loader
        return loader

    def get_eval_dataloader(self, eval_dataset: Any = None) -> WindowLoader:
        """The evaluation stream with its own masks."""
        return make_loader(
            self.eval_dataset if eval_dataset is None else eval_dataset,
            self.args,
            batch_size=self.args.per_device_eval_batch_size,
            collator=self.eval_collator,
        )

    def create_scheduler(
        self, num_training_steps: int, optimizer: Optimizer | None = None
    ) -> LRScheduler:
        """Cosine with restarts of growing length; any other schedule is transformers' own."""
        is_ours = self.args.lr_scheduler_type == SchedulerType.COSINE_WITH_RESTARTS
        if self.lr_scheduler is None and is_ours and not self.args.lr_scheduler_kwargs:
            first = self.args.restart_epochs
            epochs = min(MAX_RESTART_EPOCHS, self.num_epochs) if first == "auto" else float(first)
            self.lr_scheduler = cosine_with_warm_restarts(
                self.optimizer if optimizer is None else optimizer,
                num_warmup_steps=self.args.get_warmup_steps(num_training_steps),
                num_training_steps=num_training_steps,
                length_in_cycles=self.num_epochs / epochs,
                multiplier=self.args.restart_multiplier,
            )
            self._created_lr_scheduler = True
        scheduler: LRScheduler = super().create_scheduler(num_training_steps, optimizer)
        return scheduler

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, *args: Any, **kwargs: Any
    ) -> tuple[list[Any], Any]:
        """The next batches, with the time they took counted as waiting for data."""
        self._guard.look_at_shards(self.state.global_step)
        timed = self._timed(epoch_iterator)
        batches, num_items = super().get_batch_samples(timed, num_batches, *args, **kwargs)
        if len(batches) < num_batches:
            raise TrainingStoppedError(
                f"the window stream ended after step {self.state.global_step} of "
                f"{self.state.max_steps}. Run the same command again to continue"
            )
        return batches, num_items

    def _timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.pace.wait():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def training_step(self, model: Any, inputs: dict[str, Tensor], *args: Any) -> Tensor:
        """A stock step; its loss is looked at, as in `finite`."""
        num_tokens = inputs["input_ids"].numel()
        self._window_tokens = inputs["input_ids"].shape[1]
        with self._first_step():
            loss: Tensor = super().training_step(model, inputs, *args)
        self.pace.count(num_tokens * self.args.world_size)
        self._guard.look_at_loss(loss, self.state.global_step + 1)
        return loss

    @contextmanager
    def _first_step(self) -> Iterator[None]:
        """Report how long the first step on a GPU takes, which is when its kernels are built."""
        if self._is_warm or self.args.device.type != "cuda":
            yield
            return
        self._is_warm = True
        with self.pace.pause():
            started = time.perf_counter()
            yield
            torch.cuda.synchronize()
            seconds = time.perf_counter() - started
        say(f"first step: {seconds:.1f} s; kernels built in it are cached for the next run")

    def _clip_grad_norm(self, model: Any) -> Any:
        """Stock clipping, but on a GPU done inside the fused optimizer as it reads gradients."""
        norm = self._clipped_inside(model, float(self.args.max_grad_norm))
        return super()._clip_grad_norm(model) if norm is None else norm

    def _clipped_inside(self, model: Any, max_norm: float) -> Tensor | None:
        """The gradient norm, to which the optimizer will clip; None where it cannot."""
        inner: Any = getattr(self.optimizer, "optimizer", self.optimizer)
        is_plain = self.args.device.type == "cuda" and is_clippable(inner)
        if not is_plain or self.is_deepspeed_enabled or self.is_fsdp_enabled:
            return None
        if self._clipping is None or self._clipping.optimizer is not inner:
            self._clipping = ClippingOptimizer(inner)
        return self._clipping.clip(model.parameters(), max_norm, self.accelerator.scaler)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The gradient norm; it is looked at before the optimizer steps."""
        if grad_norm is None:
            grad_norm = self._clipped_inside(model, math.inf)
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        tensor = torch.as_tensor(norm, device=self.args.device)
        step = self.state.global_step + 1
        self._guard.look_at_gradient(tensor, step, self.accelerator.scaler)
        return norm

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        """As stock, once it is known that all numbers up to here are numbers."""
        control, step = self.control, self.state.global_step
        is_result = control.should_log or control.should_evaluate or control.should_save
        self._guard.look_at_weights(step, is_result=is_result)
        if control.should_save:
            self._guard.look_at_shards(step, now=True)
        super()._maybe_log_save_evaluate(*args, **kwargs)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As stock, but what is the best is saved even where no checkpoint is due."""
        is_new_best: bool = super()._determine_best_metric(metrics=metrics, trial=trial)
        if is_new_best and self.args.save_strategy == SaveStrategy.STEPS:
            self.control.should_save |= bool(self.args.load_best_model_at_end)
        return is_new_best

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """As stock, with the parameters counted once."""
        if self._flops_per_token is None:
            self._flops_per_token = 6 * int(self.model.num_parameters(exclude_embeddings=True))
        return self._flops_per_token * int(inputs["input_ids"].numel())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Stock logs with perplexity, tokens/s, wait for data, GPU memory and MFU added."""
        if "loss" in logs:
            logs["perplexity"] = perplexity(logs["loss"])
            logs.update(self.pace.read())
            logs.update(gpu_memory_peak_gib())
            logs.update(self._utilisation(logs["tokens_per_second"]))
            self._report_overflows()
        super().log(logs, start_time)

    def _utilisation(self, tokens_per_second: float) -> dict[str, float]:
        args = self.args
        return utilisation(
            self.model.config,
            device=args.device,
            precision="fp16" if args.fp16 else "bf16" if args.bf16 else "fp32",
            tokens_per_second=tokens_per_second / args.world_size,
            window_tokens=self._window_tokens,
            mlm_probability=self.model.mlm_probability,
        )

    def _report_overflows(self) -> None:
        num_overflows = int(self.model.num_overflows)
        if num_overflows > self._num_overflows_seen:
            self._num_overflows_seen = num_overflows
            say(f"note: {num_overflows} batches had more masked positions than the head has rows")

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Stock evaluation, left out of the training pace."""
        with self.pace.pause():
            metrics: dict[str, float] = super().evaluate(*args, **kwargs)
        return metrics

    def evaluation_loop(
        self,
        dataloader: DataLoader[Any],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Mean loss over all masked positions, and of each kind of token."""
        self.model.eval()
        sums = sum_losses(
            self.model,
            self.until_stopped(dataloader),
            device=self.args.device,
            autocast=self.accelerator.autocast,
        )
        if self.args.world_size > 1:
            sums = type(sums)(
                losses=self.accelerator.reduce(sums.losses, "sum"),
                counts=self.accelerator.reduce(sums.counts, "sum"),
                hits=self.accelerator.reduce(sums.hits, "sum"),
                num_windows=int(
                    self.accelerator.reduce(
                        torch.tensor(sums.num_windows, device=self.args.device), "sum"
                    )
                ),
            )
        metrics = {f"{metric_key_prefix}_{name}": v for name, v in sums.metrics().items()}
        if self.is_in_train:
            loss = metrics[f"{metric_key_prefix}_loss"]
            self._guard.look_at_evaluation(loss, self.state.global_step)
        return EvalLoopOutput(
            predictions=None, label_ids=None, metrics=metrics, num_samples=sums.num_windows
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """A sealed checkpoint, its time left out of the training pace."""
        with self.pace.pause():
            super()._save_checkpoint(model, trial)

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Stock training, while the files that it reads are watched."""
        if self.args.world_size > 1 and self._is_new:
            seed_process(self.args.seed, step=0, rank=self.args.process_index)
        with self._guard.watching():
            return super().train(*args, **kwargs)

    def write_notes(self, folder: Path) -> None:
        """Add `metrics.json`: the latest rows of the log."""
        latest = {"train": self.history.train[-1:], "evaluation": self.history.evaluation[-1:]}
        write_atomically(folder / METRICS_FILE, json.dumps(latest, indent=1) + "\n")

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """As stock; for another number of processes than saved it, states of their own."""
        num_states = 0 if checkpoint is None else len(list(Path(checkpoint).glob("rng_state*.pth")))
        if checkpoint is None or num_states == self.args.world_size:
            super()._load_rng_state(checkpoint)
            return
        seed_process(self.args.seed, step=self.state.global_step, rank=self.args.process_index)

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Warn of missing weights, but not of the output layer, which is the word embedding."""
        tied = set(self.model._tied_weights_keys or ())
        load_result.missing_keys[:] = [k for k in load_result.missing_keys if k not in tied]
        super()._issue_warnings_after_load(load_result)
