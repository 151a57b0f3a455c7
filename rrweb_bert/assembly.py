"""Arguments -> the parts of a run: corpus, tokenizer, model, steps, record."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from transformers import set_seed

from data_prep.encoding import tokenizer_hashes
from data_prep.held_out import StreamedCorpus, open_streamed
from data_prep.hub_reach import is_here, local_files_only
from data_prep.prepare import PreparedCorpus, open_or_prepare
from rrweb_tokenizer import RRWebTokenizer

from .acceleration import accelerate, fix_order_of_sums
from .arguments import Arguments, UsageError
from .callbacks import say
from .data_arguments import PREPARING
from .model_files import load_config, load_model
from .modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from .run_record import RunRecord
from .sample_plan import sample_directory

__all__ = [
    "StepPlan",
    "build_model",
    "check_corpus",
    "check_start_model",
    "load_tokenizer",
    "open_corpus",
    "record_of",
    "settle_steps",
    "streamed_corpus",
]

EVALUATION_SEED: Final = 0
"""Windows of every evaluation, whatever `--seed` is: `eval_loss` compares between runs."""

_Loaded = TypeVar("_Loaded")

# Flags that bend the curve; a run that differs in one of them is another run.
_CURVE_FLAGS: Final = (
    "learning_rate",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "label_smoothing_factor",
    "warmup_steps",
    "restart_epochs",
    "restart_multiplier",
    "seed",
    "data_seed",
    "max_steps",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """How many optimizer steps a run has, and how many windows each of them takes."""

    windows_per_step: int
    num_steps: int
    is_demonstration: bool
    spoken: dict[str, str] = field(default_factory=dict)
    """`max_steps` and `windows_per_step` in the flags that the user gave."""

    @property
    def num_samples(self) -> int:
        """Windows of the whole run."""
        return self.windows_per_step * self.num_steps


def load_tokenizer(arguments: Arguments) -> RRWebTokenizer:
    """The tokenizer that was named, or the shipped one.

    Raises:
        UsageError: the folder holds none.
    """
    name = arguments.data.tokenizer_name_or_path
    if name is None:
        return RRWebTokenizer()
    try:
        is_cached = local_files_only(name, "tokenizer_config.json")
        tokenizer: RRWebTokenizer = RRWebTokenizer.from_pretrained(name, local_files_only=is_cached)
    except (OSError, ValueError) as error:
        where = "" if is_here(name) else "there is no such folder here, and from the Hub: "
        raise UsageError(
            f"--tokenizer_name_or_path {name} cannot be loaded: {where}{error}"
        ) from error
    return tokenizer


def open_corpus(arguments: Arguments, tokenizer: RRWebTokenizer) -> PreparedCorpus:
    """The prepared corpus, made on first use.

    Raises:
        DataError: there is nothing to train on; the message names the remedy.
        UsageError: the corpus was prepared with another tokenizer.
    """
    data, options = arguments.data, arguments.data.prepare_options()
    if data.streaming:
        with arguments.training.main_process_first(local=False, desc="holding sessions out"):
            return streamed_corpus(arguments).held_out
    folder = sample_directory() if data.data_dir is None else data.data_dir
    cache_dir = None if data.cache_dir is None else Path(data.cache_dir)
    with arguments.training.main_process_first(local=False, desc="preparing the corpus"):
        corpus = open_or_prepare(folder, cache_dir=cache_dir, options=options)
    check_corpus(corpus, tokenizer)
    note_without_effect(arguments, corpus)
    return corpus


def note_without_effect(arguments: Arguments, corpus: PreparedCorpus) -> None:
    """Name the given flags that a prepared corpus, made with other ones, cannot heed."""
    data_dir = arguments.data.data_dir
    if data_dir is None or Path(data_dir).resolve() != corpus.path.resolve():
        return
    wanted, prepared = arguments.data.prepare_options().deciding(), corpus.identity.options
    names = [
        f"--{name}"
        for name in PREPARING
        if name in arguments.explicit and wanted.get(name) != prepared.get(name)
    ]
    if names:
        say(
            f"note: {data_dir} is a prepared corpus, on which {', '.join(names)} has no effect; "
            "it stays as `prepare` was told to make it"
        )


def check_corpus(corpus: PreparedCorpus, tokenizer: RRWebTokenizer) -> None:
    """Refuse a corpus of other ids.

    Raises:
        UsageError: it was prepared with another tokenizer.
    """
    prepared_with = {k: v for k, v in corpus.identity.tokenizer.items() if k != "code"}
    if prepared_with != tokenizer_hashes(tokenizer):
        raise UsageError(
            f"{corpus.path} was prepared with another tokenizer. Prepare it again, or name that "
            "tokenizer with --tokenizer_name_or_path"
        )


def streamed_corpus(arguments: Arguments) -> StreamedCorpus:
    """What `--streaming` trains and evaluates on; the held-out sessions are tokenised once."""
    data = arguments.data
    return open_streamed(
        str(data.data_dir),
        data.prepare_options(),
        cache_dir=None if data.cache_dir is None else Path(data.cache_dir),
        cache_sessions=data.cache_sessions,
        cache_bytes=data.cache_bytes,
    )


def settle_steps(arguments: Arguments) -> StepPlan:
    """Turn epochs into steps: a stream has no length, so `max_steps` and "epoch" are set here."""
    training = arguments.training
    windows_per_step = (
        training.per_device_train_batch_size
        * training.world_size
        * training.gradient_accumulation_steps
    )
    steps_per_epoch = arguments.data.samples_per_epoch / windows_per_step
    steps_as_given = f"--max_steps {training.max_steps}"
    if training.max_steps <= 0:
        training.max_steps = max(1, math.ceil(training.num_train_epochs * steps_per_epoch))
        steps_as_given = (
            f"--num_train_epochs {training.num_train_epochs:g} ({training.max_steps} steps of "
            f"{windows_per_step} windows)"
        )
    for what in ("eval", "save", "logging"):
        if getattr(training, f"{what}_strategy") == "epoch":
            strategy = type(getattr(training, f"{what}_strategy"))
            setattr(training, f"{what}_strategy", strategy("steps"))
            setattr(training, f"{what}_steps", max(1, round(steps_per_epoch)))
    return StepPlan(
        windows_per_step=windows_per_step,
        num_steps=training.max_steps,
        is_demonstration=arguments.is_sample,
        spoken={
            "max_steps": steps_as_given,
            "windows_per_step": f"{windows_per_step} (--per_device_train_batch_size "
            f"{training.per_device_train_batch_size} x --gradient_accumulation_steps "
            f"{training.gradient_accumulation_steps} x {training.world_size} processes)",
        },
    )


def build_model(
    arguments: Arguments, vocab_size: int, *, report: Callable[[str], None] = say
) -> RRWebBertForMaskedLM:
    """A new model from `--seed`, or the named weights, with the layers that are fast here.

    `check_start_model` comes first.

    Args:
        arguments: of the run.
        vocab_size: of its tokenizer.
        report: takes a line about the layers.

    Raises:
        UsageError: the named weights cannot be loaded.
    """
    options, window_tokens = arguments.model, arguments.data.window_tokens
    set_seed(arguments.training.seed)
    if arguments.training.full_determinism:
        fix_order_of_sums()
    if options.model_name_or_path is None:
        config = model_config(
            "base" if options.model_size == "auto" else options.model_size,
            window_tokens=window_tokens,
            hidden_dropout=options.hidden_dropout,
            attention_dropout=options.attention_dropout,
            vocab_size=vocab_size,
        )
        model = RRWebBertForMaskedLM(config)
    else:
        model = _loaded(load_model, options.model_name_or_path)
    model.mlm_probability = arguments.data.mlm_probability
    training = arguments.training
    precision = "fp16" if training.fp16 else "bf16" if training.bf16 else "fp32"
    # With --torch_compile the Trainer compiles the whole model itself.
    acceleration = accelerate(
        model,
        "off" if training.torch_compile else options.compile,
        device=training.device,
        precision=precision,
        window_tokens=window_tokens,
    )
    report(acceleration.describe())
    return model


def check_start_model(arguments: Arguments, vocab_size: int) -> None:
    """See that the model to start from, where one is named, is there and fits; weights come later.

    Raises:
        UsageError: it is not there, is none of ours, has too few positions or other ids.
    """
    name, window_tokens = arguments.model.model_name_or_path, arguments.data.window_tokens
    if name is None:
        return
    config = _loaded(load_config, name)
    if config.max_position_embeddings < window_tokens:
        raise UsageError(
            f"{name} has {config.max_position_embeddings} positions, fewer than --window_tokens "
            f"{window_tokens}"
        )
    if config.vocab_size != vocab_size:
        raise UsageError(
            f"{name} has a vocabulary of {config.vocab_size:,} ids, the tokenizer one of "
            f"{vocab_size:,}. Name the tokenizer that it was trained with: --tokenizer_name_or_path"
        )


def _loaded(load: Callable[[str], _Loaded], name: str) -> _Loaded:
    try:
        return load(name)
    except (OSError, ValueError) as error:
        where = "" if is_here(name) else "there is no such folder here, and from the Hub: "
        raise UsageError(f"--model_name_or_path {name} cannot be loaded: {where}{error}") from error


def record_of(
    arguments: Arguments,
    plan: StepPlan,
    *,
    corpus: PreparedCorpus,
    tokenizer: RRWebTokenizer,
    model: RRWebBertForMaskedLM,
) -> RunRecord:
    """What makes this run this run."""
    data, training = arguments.data, arguments.training
    config = model.config
    identity: dict[str, Any] = {
        "corpus": corpus.fingerprint,
        "tokenizer": _hash(tokenizer_hashes(tokenizer)),
        "windows_per_step": plan.windows_per_step,
        "samples_per_epoch": data.samples_per_epoch,
        "window_tokens": data.window_tokens,
        "sampling": data.sampling,
        "mlm_probability": data.mlm_probability,
        "model_name_or_path": arguments.model.model_name_or_path,
        "layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "heads": config.num_attention_heads,
        "hidden_dropout": config.hidden_dropout_prob,
        "attention_dropout": config.attention_probs_dropout_prob,
        "optim": str(getattr(training.optim, "value", training.optim)),
        "lr_scheduler": str(getattr(training.lr_scheduler_type, "value", "")),
        "lr_scheduler_kwargs": training.lr_scheduler_kwargs or None,
    }
    identity |= {name: getattr(training, name) for name in _CURVE_FLAGS}
    size = f"--model_size {arguments.model.model_size}"
    spoken = {
        **plan.spoken,
        "corpus": f"{corpus.fingerprint} (--data_dir {data.data_dir or 'not given: the sample'})",
        **{name: f"{identity[name]} ({size})" for name in ("layers", "hidden_size", "heads")},
    }
    return RunRecord(identity=identity, spoken=spoken)


def name_other_gpus(num_processes: int) -> None:
    """Name the `torchrun` command where GPUs are visible that this process does not use."""
    num_gpus = torch.cuda.device_count()
    if num_gpus > 1 and num_processes == 1:
        say(
            f"note: {num_gpus} GPUs are visible and one is used. For all of them: "
            f"torchrun --nproc_per_node {num_gpus} train_mlm.py ..."
        )


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
