"""Command line -> three dataclasses; every flag of `TrainingArguments` works beside ours.

The defaults are the reference job: base model, 10 epochs of 90,000 windows of 2,048 ids, batch 32.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

import torch
from transformers import HfArgumentParser, TrainingArguments

from .sample_plan import sample_defaults

__all__ = [
    "Arguments",
    "DataArguments",
    "ModelArguments",
    "RRWebTrainingArguments",
    "UsageError",
    "parse_arguments",
]


class UsageError(ValueError):
    """The command cannot run as given; the message says what to change."""


def _option(default: Any, help_text: str, *aliases: str) -> Any:
    metadata: dict[str, Any] = {"help": help_text}
    if aliases:
        metadata["aliases"] = list(aliases)
    return field(default=default, metadata=metadata)


@dataclass
class ModelArguments:
    """Which model is trained."""

    preset: Literal["default", "fast"] = _option(
        "default",
        "A named set of defaults; flags that are given win over it. fast: --attention_dropout 0, "
        "a fifth faster on an H100 and another training (the reference has 0.1).",
    )
    model_size: Literal["auto", "tiny", "mini", "base", "large"] = _option(
        "auto",
        "Shape of a new model: tiny (2 layers, 128 wide), mini (4, 256), base (12, 768), large "
        "(24, 1024). auto is base, but tiny for the embedded sample on a CPU.",
    )
    model_name_or_path: str | None = _option(
        None, "Start from these BERT weights instead of new ones: a folder or hub name. None: new."
    )
    hidden_dropout: float = _option(
        0.1, "Dropout probability (0 to 1) of embeddings and layer outputs of a new model."
    )
    attention_dropout: float = _option(
        0.1, "Dropout probability (0 to 1) of attention weights of a new model."
    )
    compile: Literal["auto", "on", "off"] = _option(
        "auto",
        "How the layers run. auto: fused Triton kernels on CUDA GPUs from compute capability 8.0, "
        "torch.compile on older ones, as they are on a CPU; on: torch.compile; off: as they are.",
    )

    def __post_init__(self) -> None:
        """Refuse probabilities that are none."""
        for name in ("hidden_dropout", "attention_dropout"):
            _check_share(name, getattr(self, name))


@dataclass
class DataArguments:
    """Which windows it is trained on."""

    data_dir: str | None = _option(
        None,
        "Folder of rrweb recordings (prepared once into a cache) or a folder that `python -m "
        "data_prep prepare` wrote. None: the embedded sample with its own small plan.",
    )
    cache_dir: str | None = _option(
        None, "Folder for prepared corpora. None: the user's cache folder; it is printed."
    )
    group_by: Literal["auto", "file", "site"] = _option(
        "auto", "What a split must not share: auto is the user or visitor if named, else the file."
    )
    test_fraction: float = _option(0.05, "Share (0 to 1) of groups set aside for testing, first.")
    validation_fraction: float = _option(
        0.1, "Share (0 to 1) of the other groups used for validation."
    )
    num_proc: int | None = _option(None, "Processes that prepare recordings. None: all cores.")
    streaming: bool = _option(
        False,
        "Tokenise recordings in the loader workers as they are drawn, instead of preparing all of "
        "them first: starts at once, takes no disk, makes far fewer windows a second.",
    )
    cache_sessions: int = _option(
        2_000, "Tokenised sessions that each loader worker keeps with --streaming."
    )
    cache_bytes: int = _option(
        256 << 20, "Bytes that they may take together, in each loader worker."
    )
    samples_per_epoch: int = _option(90_000, "Windows drawn in one epoch.")
    window_tokens: int = _option(2048, "Ids in one window, [CLS] and [SEP] included.")
    sampling: Literal["session", "length"] = _option(
        "session", "Draw sessions equally often (session) or in proportion to their ids (length)."
    )
    mlm_probability: float = _option(
        0.15,
        "Share (0 to 1) of ids that are to be predicted; 80/10/10 of them become [MASK], "
        "a random id, themselves.",
    )
    tokenizer_name_or_path: str | None = _option(
        None, "Folder of another RRWebTokenizer. None: the one that comes with the package."
    )

    def __post_init__(self) -> None:
        """Refuse sizes and shares that make no sense."""
        for name in ("test_fraction", "validation_fraction", "mlm_probability"):
            _check_share(name, getattr(self, name))
        if self.streaming and self.data_dir is None:
            raise UsageError("--streaming needs --data_dir; the embedded sample needs none")
        if self.streaming and self.sampling == "length":
            raise UsageError(
                "--sampling length needs the lengths of all sessions, which --streaming does not "
                "know before it has read them; prepare the recordings, or leave it out"
            )
        if min(self.cache_sessions, self.cache_bytes) < 0:
            raise UsageError("--cache_sessions and --cache_bytes must not be negative")
        if self.samples_per_epoch < 1:
            raise UsageError("--samples_per_epoch must be at least 1 window")
        if self.window_tokens < 8:
            raise UsageError("--window_tokens must be at least 8 ids")


@dataclass
class RRWebTrainingArguments(TrainingArguments):  # type: ignore[misc]
    """`TrainingArguments` with the reference job's defaults and five flags of ours."""

    output_dir: str | None = _option(
        "./checkpoints_production", "Folder of checkpoints, history and the best model."
    )
    per_device_train_batch_size: int = _option(32, "Windows a step and device in training.")
    per_device_eval_batch_size: int = _option(
        32, "Windows a step and device in evaluation. If not given: as in training."
    )
    num_train_epochs: float = _option(10.0, "Epochs of --samples_per_epoch windows.")
    learning_rate: float = _option(5e-5, "Peak learning rate of AdamW.")
    weight_decay: float = _option(0.01, "AdamW weight decay; none on biases and LayerNorm.")
    lr_scheduler_type: str = _option(
        "cosine_with_restarts", "Shape of the learning rate over the run."
    )
    warmup_steps: float = _option(
        0.01,
        "Steps of linear warm-up; a number below 1 is a share of all steps. 0 is the reference.",
        "--warmup",
    )
    logging_steps: float = _option(50, "Steps between two log lines.")
    logging_nan_inf_filter: bool = _option(
        False, "Hide losses that are no number. False: they stop the run, and no step waits."
    )
    eval_strategy: str = _option("steps", "When to evaluate: no, steps, epoch.")
    eval_steps: float | None = _option(1000, "Steps between evaluations.")
    save_strategy: str = _option("steps", "When to save a checkpoint.")
    save_steps: float = _option(1000, "Steps between checkpoints.")
    save_total_limit: int | None = _option(3, "Checkpoints kept; the best is always among them.")
    load_best_model_at_end: bool = _option(True, "End with the model of the lowest eval_loss.")
    metric_for_best_model: str | None = _option("eval_loss", "What best means.")
    greater_is_better: bool | None = _option(False, "Whether a larger metric is better.")
    dataloader_num_workers: int = _option(4, "Processes that make batches; 0: the main one.")
    loader_timeout: float | None = _option(
        None,
        "Seconds to wait for a batch before a loader worker counts as hanging, which ends the run; "
        "0 waits for ever. None: 45, more for millions of sessions; 600 with --streaming.",
    )
    remove_unused_columns: bool = _option(
        False, "Drop columns the model does not name. False: masks need sample_index."
    )
    ignore_data_skip: bool = _option(
        True, "On resume do not re-read old batches. True: the stream starts at the right one."
    )
    ddp_find_unused_parameters: bool | None = _option(
        False, "Look for weights without gradients in each step. False: there are none."
    )
    ddp_broadcast_buffers: bool | None = _option(
        False, "Copy buffers between processes before each step. False: no weight depends on one."
    )
    include_num_input_tokens_seen: str = _option(
        "no", "Count ids seen: no, all, non_padding. no: tokens/s comes without a GPU stall."
    )
    report_to: str = _option(
        "none", "Trackers, for example wandb (project rrweb-bert-production unless WANDB_PROJECT)."
    )
    precision: Literal["auto", "fp16", "bf16", "fp32"] = _option(
        "auto", "Number format of the matrix work: auto is fp16 with CUDA, else fp32."
    )
    restart_epochs: str = _option(
        "auto", "Epochs of the first cosine cycle: a number; auto is the smaller of 10 and all."
    )
    restart_multiplier: float = _option(2, "Each cycle is this many times as long as the last.")
    resume: str = _option(
        "auto",
        "auto continues the run in --output_dir if there is one; never refuses to; a checkpoint "
        "folder continues from that one.",
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
            _positive("restart_epochs", self.restart_epochs)
        if self.restart_multiplier < 1:
            raise UsageError("--restart_multiplier must be at least 1")
        if self.resume_from_checkpoint is not None and self.resume == "auto":
            self.resume = self.resume_from_checkpoint
        super().__post_init__()

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
            raise UsageError(
                f"--{wanted} needs a CUDA GPU and none is visible here. Leave it out (--precision "
                "auto trains in fp32 on a CPU), or check the driver with nvidia-smi"
            )
        self.fp16, self.bf16 = wanted == "fp16", wanted == "bf16"

    @property
    def n_gpu(self) -> int:
        """At most 1: one process trains on one GPU, never with `DataParallel`."""
        return min(1, int(super().n_gpu))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """A parsed command line.

    Attributes:
        explicit: names of the flags that were given, without dashes.
        is_sample: no data was named, so the embedded sample and its plan are used.
    """

    model: ModelArguments
    data: DataArguments
    training: RRWebTrainingArguments
    explicit: frozenset[str]
    is_sample: bool


class _Parser(HfArgumentParser):  # type: ignore[misc]
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. See --help")


PRESETS: Final[dict[str, dict[str, Any]]] = {"default": {}, "fast": {"attention_dropout": 0.0}}
"""Preset name -> flags that it sets."""

_DATACLASSES = (ModelArguments, DataArguments, RRWebTrainingArguments)


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Parse a command line; flags that were given win over any plan of ours.

    Raises:
        UsageError: an unknown flag or a value that cannot be; the message says what to change.
    """
    parser = _parser()
    if {"-h", "--help"} & set(argv):
        parser.parse_args(["--help"])  # here, since it shows the defaults of the real job
    explicit = _explicit_flags(argv)
    is_sample = "data_dir" not in explicit
    has_cuda = torch.cuda.is_available() and "use_cpu" not in explicit
    if is_sample:
        parser.set_defaults(**sample_defaults(explicit, has_cuda=has_cuda))
    parser.set_defaults(**PRESETS.get(vars(parser.parse_known_args(argv)[0])["preset"], {}))
    given = vars(parser.parse_known_args(argv)[0])
    parser.set_defaults(**_dependent_defaults(explicit, given))
    try:
        model, data, training = parser.parse_args_into_dataclasses(
            list(argv), look_for_args_file=False
        )
    except UsageError:
        raise
    except ValueError as error:  # transformers' own checks; their text names the flags
        raise UsageError(str(error)) from error
    return Arguments(
        model=model, data=data, training=training, explicit=explicit, is_sample=is_sample
    )


def _parser() -> _Parser:
    return _Parser(_DATACLASSES, prog="train_mlm.py", allow_abbrev=False)


def _explicit_flags(argv: Sequence[str]) -> frozenset[str]:
    """Names of the flags that `argv` gives."""
    parser = _parser()
    parser.set_defaults(**dict.fromkeys(vars(parser.parse_known_args([])[0]), _NOT_GIVEN))
    namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UsageError(f"unknown argument {unknown[0]}{hint}. See --help")
    return frozenset(name for name, value in vars(namespace).items() if value is not _NOT_GIVEN)


_NOT_GIVEN = object()


def _dependent_defaults(explicit: frozenset[str], values: dict[str, Any]) -> dict[str, Any]:
    """Defaults that follow a given flag, so that one flag is enough to change both of a pair."""
    defaults: dict[str, Any] = {}

    def follow(name: str, source: str) -> None:
        if name not in explicit and source in explicit:
            defaults[name] = values[source]

    if "per_device_eval_batch_size" not in explicit:
        defaults["per_device_eval_batch_size"] = values["per_device_train_batch_size"]
    follow("eval_steps", "save_steps")
    follow("save_steps", "eval_steps")
    if "no" in (values["eval_strategy"], values["save_strategy"]):
        if "load_best_model_at_end" not in explicit:
            defaults["load_best_model_at_end"] = False
    else:
        follow("save_strategy", "eval_strategy")
        follow("eval_strategy", "save_strategy")
    return defaults


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UsageError(f"--{name} is a share: at least 0 and below 1, not {value}")


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"--{name} is auto or a number, not {text!r}") from None
    if value <= 0:
        raise UsageError(f"--{name} must be above 0, not {text}")
    return value
