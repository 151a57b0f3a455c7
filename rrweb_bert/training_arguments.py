"""Flags of training: ours, and those of `TrainingArguments` whose default is another here.

The defaults are the reference job: 10 epochs of 90,000 windows, 32 windows a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from transformers import TrainingArguments

from .options import UsageError, check_positive, option, words_of

__all__ = ["RRWebTrainingArguments"]

_LEAST: Final = {
    "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "learning_rate": 0,
    "weight_decay": 0,
    "adam_beta1": 0,
    "adam_beta2": 0,
    "adam_epsilon": 0,
    "max_grad_norm": 0,
    "warmup_steps": 0,
    "dataloader_num_workers": 0,
    "save_total_limit": 1,
}
"""Arguments that transformers takes as they come, and what is the least of each."""


@dataclass
class RRWebTrainingArguments(TrainingArguments):  # type: ignore[misc]
    """`TrainingArguments` with the reference job's defaults and four flags of ours."""

    output_dir: str | None = option(
        "./checkpoints_production", "Where checkpoints, history and the best model go.", "folder"
    )
    per_device_train_batch_size: int = option(
        32, "Windows that each device takes at once in training.", "windows"
    )
    gradient_accumulation_steps: int = option(
        1,
        "Such batches summed up to one optimizer step: less memory for the same curve.",
        "batches",
    )
    per_device_eval_batch_size: int = option(
        32,
        "Windows that each device takes at once in evaluation. Where not given: as in training.",
        "windows",
    )
    num_train_epochs: float = option(10.0, "Epochs of --samples_per_epoch windows.", "epochs")
    max_steps: int = option(-1, "Optimizer steps; above 0 it wins over the epochs.", "steps")
    learning_rate: float = option(5e-5, "Peak learning rate of AdamW.", "per step")
    weight_decay: float = option(
        0.01,
        "AdamW weight decay; none on biases and LayerNorm.",
        "share of the learning rate, per step",
    )
    lr_scheduler_type: str = option(
        "cosine_with_restarts",
        "Shape of the learning rate over the run: cosine_with_restarts, or one of transformers' "
        "(linear, cosine, constant_with_warmup, ...).",
        "name",
    )
    warmup_steps: float = option(
        0.01,
        "Linear warm-up; a number below 1 is a share of all steps. 0 is the reference.",
        "steps, or share of them",
        "--warmup",
    )
    restart_epochs: str = option(
        "auto", "Length of the first cosine cycle; auto is the smaller of 10 and all.", "epochs"
    )
    restart_multiplier: float = option(
        2, "Each cycle is this many times as long as the last.", "factor, 1 or more"
    )
    precision: Literal["auto", "fp16", "bf16", "fp32"] = option(
        "auto", "Number format of the matrix work: auto is fp16 with CUDA, else fp32.", "name"
    )
    logging_steps: float = option(50, "Optimizer steps between two log lines.", "steps")
    logging_nan_inf_filter: bool = option(
        False,
        "Hide losses that are no number. False: they stop the run, and no step waits.",
        "true or false",
    )
    eval_strategy: str = option("steps", "When to evaluate: no, steps, epoch.", "word")
    eval_steps: float | None = option(1000, "Optimizer steps between evaluations.", "steps")
    save_strategy: str = option(
        "steps", "When to save a checkpoint: no, steps, epoch, best.", "word"
    )
    save_steps: float = option(
        1000, "Optimizer steps between checkpoints; a multiple of --eval_steps.", "steps"
    )
    save_total_limit: int | None = option(
        3, "Checkpoints kept; the best is always among them.", "checkpoints"
    )
    load_best_model_at_end: bool = option(
        True, "End with the model of the lowest eval_loss.", "true or false"
    )
    metric_for_best_model: str | None = option("eval_loss", "What best means.", "metric")
    greater_is_better: bool | None = option(
        False, "Whether a larger metric is better.", "true or false"
    )
    dataloader_num_workers: int = option(
        4, "Processes that make batches; 0: the main one.", "processes"
    )
    loader_timeout: float | None = option(
        None,
        "Wait for a batch before a loader worker counts as hanging, which ends the run; 0 waits "
        "for ever. Where not given: 45, more for millions of sessions, 600 with --streaming.",
        "seconds",
    )
    ddp_find_unused_parameters: bool | None = option(
        False,
        "Look for weights without gradients in each step of several processes. False: there are "
        "none.",
        "true or false",
    )
    ddp_broadcast_buffers: bool | None = option(
        False,
        "Copy buffers between processes before each step. False: no weight depends on one.",
        "true or false",
    )
    remove_unused_columns: bool = option(
        False,
        "Drop columns the model does not name. False: masks need sample_index.",
        "true or false",
    )
    ignore_data_skip: bool = option(
        True,
        "On resume do not re-read old batches. True: the stream starts at the right one.",
        "true or false",
    )
    include_num_input_tokens_seen: str = option(
        "no",
        "Count ids seen: no, all, non_padding. no: tokens/s comes without a GPU stall.",
        "word",
    )
    report_to: list[str] = option(  # noqa: RUF009 - a field with a factory, not a shared list
        ["none"],
        "Trackers, one or more: none, wandb (project rrweb-bert-production unless WANDB_PROJECT; "
        "offline without a login), tensorboard (needs the extra of that name), or another of "
        "transformers.",
        "names",
    )
    resume: str = option(
        "auto",
        "auto continues the run in --output_dir from its newest whole checkpoint, if there is one; "
        "never refuses a folder that holds checkpoints; a checkpoint folder continues from that "
        "one, the same command again from the newest that came of it.",
        "auto, never or folder",
    )
    resume_from_checkpoint: str | None = option(
        None,
        "The same as --resume, by its name in transformers: a folder, or True for auto. Give one "
        "of the two.",
        "folder or True",
    )
    full_determinism: bool = option(
        False,
        "Bit-identical runs on a GPU too, by slower kernels of a fixed order. On a CPU runs are "
        "bit-identical without it.",
        "true or false",
    )

    def __post_init__(self) -> None:
        """Settle precision and device matters, then let transformers do its own checks."""
        has_cuda = torch.cuda.is_available() and not self.use_cpu
        self._settle_precision(has_cuda=has_cuda)
        if not has_cuda:
            self.dataloader_pin_memory = False  # torch warns that it has nothing to pin for
        if getattr(self, "accelerator_config", None) is None:
            # Dispatching would make rank 0 load for all; copies overlap only when not blocking.
            self.accelerator_config = {"dispatch_batches": False, "non_blocking": has_cuda}
        if self.restart_epochs != "auto":
            check_positive("restart_epochs", self.restart_epochs)
        if self.restart_multiplier < 1:
            raise UsageError("--restart_multiplier must be at least 1")
        self._check_ranges()
        self._settle_resume()
        self.report_to = words_of(self.report_to)
        super().__post_init__()

    def _check_ranges(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:  # NaN is not, either
                raise UsageError(f"--{name} {value}: at least {least}")
        if self.max_steps < 1 and self.max_steps != -1:
            raise UsageError(
                f"--max_steps {self.max_steps}: at least 1, or -1 for --num_train_epochs"
            )
        if not self.num_train_epochs > 0:
            raise UsageError(f"--num_train_epochs {self.num_train_epochs}: above 0")

    def _settle_resume(self) -> None:
        other = self.resume_from_checkpoint
        if other is None:
            return
        other = "auto" if str(other).lower() in ("true", "auto") else str(other)
        if self.resume not in ("auto", other):
            raise UsageError(
                f"--resume {self.resume} contradicts --resume_from_checkpoint {other}; they are "
                "the same, give one"
            )
        self.resume = other

    def _settle_precision(self, *, has_cuda: bool) -> None:
        flags = [name for name in ("fp16", "bf16") if getattr(self, name)]
        if len(flags) == 2:
            raise UsageError("--fp16 and --bf16 exclude each other; give one")
        if flags and self.precision not in ("auto", flags[0]):
            raise UsageError(f"--{flags[0]} contradicts --precision {self.precision}; give one")
        wanted = flags[0] if flags else self.precision
        if wanted == "auto":
            wanted = "fp16" if has_cuda else "fp32"
        elif wanted != "fp32" and not has_cuda:
            given = f"--{wanted}" if flags else f"--precision {wanted}"
            raise UsageError(
                f"{given} needs a CUDA GPU and none is visible here. Leave it out (--precision "
                "auto trains in fp32 on a CPU), or check the driver with nvidia-smi"
            )
        self.fp16, self.bf16 = wanted == "fp16", wanted == "bf16"

    @property
    def n_gpu(self) -> int:
        """At most 1: one process trains on one GPU, never with `DataParallel`."""
        return min(1, int(super().n_gpu))
