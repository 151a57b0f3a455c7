"""`--dry_run`: what a run would do, take and cost, without doing it.

Nothing is written to the output folder, to the cache, or anywhere else.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from transformers import SchedulerType

from data_prep.corpus import WINDOW_IDS, PreparedCorpus
from data_prep.inspect_report import estimate_text, size_text
from data_prep.prepare import find_prepared
from data_prep.quick_estimate import estimate_recordings
from data_prep.shards import SPLITS, SplitTable
from data_prep.windows import evaluation_plan
from rrweb_tokenizer.telling.wording import counted

from . import assembly
from .arguments import Arguments, UsageError
from .callbacks import say
from .disk_space import estimate_bytes, free_bytes
from .mfu import device_peak_flops, flops_per_token
from .modeling_rrweb_bert import RRWebBertForMaskedLM
from .plan_text import duration_range, given_lines, show, times_text
from .sample_plan import sample_directory
from .schedule import restart_steps
from .start_plan import start_of
from .step_timing import StepTiming, measure_steps
from .training import MAX_RESTART_EPOCHS

__all__ = ["dry_run", "occasions"]

# A forward pass alone is a third of forward and backward.
_EVALUATION_SHARE: Final = 1 / 3
# Measured figures of a run's first minute vary by so much from those of its hours.
_MARGIN: Final = 0.05
_BUSY: Final = 0.85


def dry_run(arguments: Arguments, plan: assembly.StepPlan) -> None:
    """Print the plan of a run, and end. Where no step is left to do, none is measured.

    Raises:
        DataError: there is nothing to train on.
        UsageError: the run could not start as asked. Where that is for what the output folder
            holds, it is shown first, then the plan as it would be in another folder, and the error
            comes last.
    """
    training = arguments.training
    output_dir = Path(training.output_dir or ".")
    say(f"DRY RUN: nothing is trained, and nothing is written to {output_dir}")
    tokenizer = assembly.load_tokenizer(arguments)
    assembly.check_start_model(arguments, tokenizer.vocab_size)
    corpus = _prepared(arguments)
    if corpus is not None:
        assembly.check_corpus(corpus, tokenizer)
    layers: list[str] = []
    model = assembly.build_model(arguments, tokenizer.vocab_size, report=layers.append)
    if training.process_index > 0:
        return
    record = None
    if corpus is not None:
        record = assembly.record_of(
            arguments, plan, corpus=corpus, tokenizer=tokenizer, model=model
        )
    start = start_of(output_dir, record, training, num_steps=plan.num_steps)
    show("start", *start.lines)
    show("arguments", *given_lines(arguments.sources, arguments.values))
    if start.is_finished:
        return
    show("data", *_data(arguments, corpus))
    show("model", _model(model), *layers)
    show("steps", *_steps(arguments, plan))
    show("learning rate", _learning_rate(arguments, plan))
    num_windows = None if corpus is None else _num_evaluated(arguments, corpus)
    show("evaluation", _evaluation(arguments, plan, num_windows))
    show("checkpoints", _checkpoints(arguments, plan, model, output_dir))
    if start.steps_left > 0:
        timing = measure_steps(
            model,
            device=training.device,
            precision=_precision(arguments),
            window_tokens=arguments.data.window_tokens,
            num_windows=training.per_device_train_batch_size,
        )
        show("memory", *_memory(arguments, timing))
        show("time", *_time(arguments, plan, timing, start.steps_left, num_windows))
    show("work", *_work(arguments, plan, model))
    if start.is_refused:
        raise UsageError("the run would be refused; why stands at start, above")


def _prepared(arguments: Arguments) -> PreparedCorpus | None:
    data = arguments.data
    if data.streaming:
        return None
    return find_prepared(
        _folder(arguments),
        cache_dir=None if data.cache_dir is None else Path(data.cache_dir),
        options=data.prepare_options(),
    )


def _folder(arguments: Arguments) -> Path | str:
    data_dir = arguments.data.data_dir
    return sample_directory() if data_dir is None else data_dir


def _data(arguments: Arguments, corpus: PreparedCorpus | None) -> Iterator[str]:
    if corpus is None:
        yield from _unprepared(arguments)
        return
    tokens = arguments.data.window_tokens
    yield f"prepared: {corpus.path}"
    yield f"windows of {tokens:,} ids, as many as cover all ids once:"
    for split in SPLITS:
        summary = corpus.splits[split]
        yield (
            f"{split} {summary.num_sessions:,} sessions, {summary.num_ids:,} ids, "
            f"{counted(_num_windows(corpus, split, tokens), 'window')}"
        )
    samples, sessions = arguments.data.samples_per_epoch, corpus.num_sessions["train"]
    how = {"session": "each training session", "length": "a training session on average"}
    which, times = how[arguments.data.sampling], times_text(samples / max(1, sessions))
    yield f"an epoch of {samples:,} windows draws {which} {times} times"


def _num_windows(corpus: PreparedCorpus, split: str, window_tokens: int) -> int:
    """Windows of so many ids, [CLS] and [SEP] among them, that cover a split without overlap."""
    num_ids = window_tokens - 2
    if num_ids == WINDOW_IDS:
        return corpus.num_windows[split]
    lengths = np.diff(SplitTable.open(corpus.path, split).id_stops, prepend=0)
    return int((-(-lengths // num_ids)).sum())


def _unprepared(arguments: Arguments) -> Iterator[str]:
    data = arguments.data
    found = estimate_recordings(_folder(arguments), data.prepare_options())
    how = "streamed" if data.streaming else "not prepared yet; the run prepares them once"
    yield f"{found.num_files:,} files, {size_text(found.num_bytes)}, {how}"
    exact = found.num_looked_at == found.num_files
    source = "all read" if exact else f"estimated from {found.num_looked_at:,} of the files"
    yield (
        f"{estimate_text(found.num_sessions)} sessions, {estimate_text(found.num_ids)} ids "
        f"({source}; 95% interval)"
    )
    if found.num_rejected:
        yield f"{found.num_rejected:,} of the files looked at hold no session that can be used"
    test, validation = data.test_fraction, (1 - data.test_fraction) * data.validation_fraction
    yield (
        f"split by {data.group_by}: about {1 - test - validation:.0%} of the groups to train, "
        f"{validation:.0%} to validation, {test:.0%} to test"
    )


def _model(model: RRWebBertForMaskedLM) -> str:
    config = model.config
    return (
        f"{model.num_parameters():,} parameters: {config.num_hidden_layers} layers, "
        f"{config.hidden_size} wide, {config.num_attention_heads} heads, {config.vocab_size:,} "
        f"ids, {config.max_position_embeddings:,} positions"
    )


def _steps(arguments: Arguments, plan: assembly.StepPlan) -> Iterator[str]:
    training, data = arguments.training, arguments.data
    tokens = plan.windows_per_step * data.window_tokens
    yield (
        f"{counted(plan.num_steps, 'optimizer step')} of "
        f"{counted(plan.windows_per_step, 'window')} "
        f"({training.per_device_train_batch_size} at once x "
        f"{training.gradient_accumulation_steps} summed up x {training.world_size} "
        f"process{'es' if training.world_size > 1 else ''}), {tokens:,} ids each"
    )
    num_epochs = f"{plan.num_samples / data.samples_per_epoch:,.4g}"
    yield (
        f"{num_epochs} epoch{'' if num_epochs == '1' else 's'} of {data.samples_per_epoch:,} "
        f"windows of {data.window_tokens:,} ids: {plan.num_samples * data.window_tokens:,} ids"
    )


def _learning_rate(arguments: Arguments, plan: assembly.StepPlan) -> str:
    training = arguments.training
    warmup = training.get_warmup_steps(plan.num_steps)
    text = f"rises to {training.learning_rate:g} in {counted(warmup, 'step')}, then "
    kind = SchedulerType(training.lr_scheduler_type)
    if kind != SchedulerType.COSINE_WITH_RESTARTS or training.lr_scheduler_kwargs:
        return f"{text}{kind.value} of transformers"
    num_epochs = plan.num_samples / arguments.data.samples_per_epoch
    first = training.restart_epochs
    epochs = min(MAX_RESTART_EPOCHS, num_epochs) if first == "auto" else float(first)
    restarts = restart_steps(
        num_warmup_steps=warmup,
        num_training_steps=plan.num_steps,
        length_in_cycles=num_epochs / epochs,
        multiplier=training.restart_multiplier,
    )
    shown = ", ".join(f"{step:,}" for step in restarts[:8]) + (", ..." if restarts[8:] else "")
    return f"{text}falls along a cosine; " + (
        f"warm restarts at steps {shown}" if restarts else "no warm restart"
    )


def _every(steps: float | None, num_steps: int) -> int:
    """Steps between two occasions; below 1 they are given as a share of the run."""
    if steps is None:
        return num_steps
    return max(1, math.ceil(steps * num_steps if steps < 1 else steps))


def occasions(strategy: Any, steps: float | None, num_steps: int, *, start: int = 0) -> int:
    """How often something happens that is done every so many steps, and at the end.

    Args:
        strategy: "no" for never.
        steps: between two occasions, counted from the run's beginning; below 1 a share of the run.
        num_steps: of the whole run.
        start: the step after which the run goes on.
    """
    if getattr(strategy, "value", strategy) == "no":
        return 0
    every = _every(steps, num_steps)
    return math.ceil(num_steps / every) - start // every if start < num_steps else 0


def _num_evaluated(arguments: Arguments, corpus: PreparedCorpus) -> int:
    table = SplitTable.open(corpus.path, "validation")
    tokens = arguments.data.window_tokens
    plan = evaluation_plan(table, assembly.EVALUATION_SEED, window_tokens=tokens)
    return plan.samples_per_epoch


def _evaluation(arguments: Arguments, plan: assembly.StepPlan, num_windows: int | None) -> str:
    training = arguments.training
    times = occasions(training.eval_strategy, training.eval_steps, plan.num_steps)
    if not times:
        return "none"
    windows = "" if num_windows is None else f" of {num_windows:,} windows, one a session"
    every = _every(training.eval_steps, plan.num_steps)
    return f"every {every:,} steps and at the end: {counted(times, 'time')}{windows}"


def _checkpoints(
    arguments: Arguments,
    plan: assembly.StepPlan,
    model: RRWebBertForMaskedLM,
    output_dir: Path,
) -> str:
    training = arguments.training
    strategy = getattr(training.save_strategy, "value", training.save_strategy)
    num_bytes = estimate_bytes(model, None)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    if strategy == "no":
        return f"none; the final model of {size_text(weights)}; {_room(output_dir, weights)}"
    steps = training.save_steps if strategy == "steps" else training.eval_steps
    times = occasions(strategy, steps, plan.num_steps)
    kept = times if training.save_total_limit is None else min(times, training.save_total_limit)
    # The new one is written before an old one goes.
    most = min(times, kept + 1) * num_bytes + weights
    return (
        f"every {_every(steps, plan.num_steps):,} steps and at the end: {times:,} of about "
        f"{size_text(num_bytes)}, {kept:,} kept; with the final model at most "
        f"{size_text(most)}; {_room(output_dir, most)}"
    )


def _room(output_dir: Path, needed: int) -> str:
    free = free_bytes(output_dir)
    # What lies there of this run is of its checkpoints and gives way to those to come.
    present = sum(path.stat().st_size for path in output_dir.glob("checkpoint-*/*"))
    return f"{size_text(free)} are free there{': too little' if free + present < needed else ''}"


def _precision(arguments: Arguments) -> str:
    training = arguments.training
    return "fp16" if training.fp16 else "bf16" if training.bf16 else "fp32"


def _memory(arguments: Arguments, timing: StepTiming) -> Iterator[str]:
    training = arguments.training
    batch = training.per_device_train_batch_size
    gib = timing.memory_bytes / 2**30
    if training.device.type == "cuda":
        total = torch.cuda.get_device_properties(training.device).total_memory / 2**30
        name = torch.cuda.get_device_name(training.device)
        if timing.fits:
            yield f"{gib:.1f} GiB at the peak of {total:.1f} on {name} (measured here)"
            return
        yield f"does NOT fit: {timing.method} need more than the {total:.1f} GiB of {name}"
        if batch > 1:
            yield (
                f"try --per_device_train_batch_size {batch // 2} --gradient_accumulation_steps "
                f"{2 * training.gradient_accumulation_steps}: the same curve with half of it"
            )
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield (
        f"about {gib:.1f} GiB beside 1 GiB of program and loaders, of {total:.1f} GiB of RAM "
        "(weights, gradients and moments counted; values stored for the backward pass counted in "
        "one window, times the batch; expect 10 to 30% more)"
    )


def _time(
    arguments: Arguments,
    plan: assembly.StepPlan,
    timing: StepTiming,
    steps_left: int,
    num_windows: int | None,
) -> Iterator[str]:
    training = arguments.training
    if not timing.fits:
        yield "not measured, since it does not fit"
        return
    times = occasions(
        training.eval_strategy,
        training.eval_steps,
        plan.num_steps,
        start=plan.num_steps - steps_left,
    )
    passes = steps_left * training.gradient_accumulation_steps
    if num_windows is not None:
        share = num_windows / (training.per_device_train_batch_size * training.world_size)
        passes += times * share * _EVALUATION_SHARE
    updates_s = steps_left * timing.update_s
    low = (timing.fastest_s * passes + updates_s) * (1 - _MARGIN)
    high = (timing.slowest_s * passes + updates_s) * (1 + _MARGIN)
    tokens = plan.windows_per_step * arguments.data.window_tokens
    rates = [
        tokens / (seconds * training.gradient_accumulation_steps + timing.update_s)
        for seconds in (timing.slowest_s, timing.fastest_s)
    ]
    yield (
        f"{duration_range(low, high)} for {counted(steps_left, 'step')} and "
        f"{counted(times, 'evaluation')}, at "
        f"{rates[0]:,.0f} to {rates[1]:,.0f} tokens/s"
    )
    if timing.cpu_share < _BUSY:
        alone = duration_range(low * timing.cpu_share, high * timing.cpu_share)
        yield (
            f"other programs leave this one {timing.cpu_share:.0%} of its threads' time; alone it "
            f"would take about {alone}"
        )
    caveats = "waiting for data, writing checkpoints and preparing recordings come on top"
    if training.world_size > 1:
        caveats += "; exchange between processes is not measured"
    yield f"({timing.method}; {caveats})"


def _work(
    arguments: Arguments, plan: assembly.StepPlan, model: RRWebBertForMaskedLM
) -> Iterator[str]:
    data, training = arguments.data, arguments.training
    per_token = flops_per_token(
        model.config, window_tokens=data.window_tokens, mlm_probability=data.mlm_probability
    )
    flops = per_token * plan.num_samples * data.window_tokens
    text = f"{flops:.3g} FLOPs in all, {per_token / 1e6:,.0f} MFLOP an id"
    peak = device_peak_flops(training.device, _precision(arguments))
    if peak is not None:
        text += f"; the peak of this device is {peak / 1e12:,.0f} TFLOP/s"
    yield text
