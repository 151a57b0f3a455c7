"""`--dry_run`: what a run would do, take and cost, without doing it.

Nothing is written to the output folder, to the cache, or anywhere else.
"""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from transformers import SchedulerType

from data_prep.corpus import PreparedCorpus
from data_prep.inspect_report import estimate_text, size_text
from data_prep.prepare import find_prepared
from data_prep.quick_estimate import estimate_recordings
from data_prep.shards import SPLITS, SplitTable
from data_prep.windows import evaluation_plan

from . import assembly
from .arguments import Arguments, UsageError
from .callbacks import say
from .disk_space import estimate_bytes, free_bytes
from .mfu import device_peak_flops, flops_per_token
from .modeling_rrweb_bert import RRWebBertForMaskedLM
from .resuming import check_folder, find_start
from .run_record import RunRecord
from .sample_plan import sample_directory
from .schedule import restart_steps
from .step_timing import StepTiming, measure_steps
from .training import MAX_RESTART_EPOCHS

__all__ = ["dry_run", "duration_range", "occasions"]

_WIDTH: Final = 100
_INDENT: Final = 15
# A forward pass alone is a third of forward and backward.
_EVALUATION_SHARE: Final = 1 / 3
# Measured figures of a run's first minute vary by so much from those of its hours.
_MARGIN: Final = 0.05
_BUSY: Final = 0.85


def dry_run(arguments: Arguments, plan: assembly.StepPlan) -> None:
    """Print the plan of a run, and end.

    Raises:
        DataError: there is nothing to train on.
        UsageError: the run could not start as asked. What the output folder holds is shown in the
            plan, and the error comes last.
    """
    training = arguments.training
    output_dir = Path(training.output_dir or ".")
    tokenizer = assembly.load_tokenizer(arguments)
    corpus = _prepared(arguments)
    if corpus is not None:
        assembly.check_corpus(corpus, tokenizer)
    model = assembly.build_model(arguments, tokenizer.vocab_size)
    if training.process_index > 0:
        return
    say(f"DRY RUN: nothing is trained, and nothing is written to {output_dir}")
    _show("arguments", _given(arguments))
    _show("data", *_data(arguments, corpus))
    _show("model", _model(model))
    _show("steps", *_steps(arguments, plan))
    _show("learning rate", _learning_rate(arguments, plan))
    num_windows = None if corpus is None else _num_evaluated(arguments, corpus)
    _show("evaluation", _evaluation(arguments, plan, num_windows))
    _show("checkpoints", _checkpoints(arguments, plan, model, output_dir))
    steps_left, is_refused = plan.num_steps, False
    if corpus is not None:
        record = assembly.record_of(
            arguments, plan, corpus=corpus, tokenizer=tokenizer, model=model
        )
        try:
            start, steps_left = _start(arguments, plan, record, output_dir)
        except UsageError as refusal:
            is_refused, start = True, f"REFUSED: {refusal}"
        _show("start", start)
    timing = measure_steps(
        model,
        device=training.device,
        precision=_precision(arguments),
        window_tokens=arguments.data.window_tokens,
        num_windows=training.per_device_train_batch_size,
    )
    _show("memory", *_memory(arguments, timing))
    _show("time", *_time(arguments, plan, timing, steps_left, num_windows))
    _show("work", *_work(arguments, plan, model))
    if is_refused:
        raise UsageError("the run would be refused; why stands at start, above")


def _show(title: str, *lines: str) -> None:
    for line in lines:
        for part in textwrap.wrap(line, _WIDTH - _INDENT, break_on_hyphens=False) or [""]:
            say(f"{title:<{_INDENT}}{part}".rstrip())
            title = ""


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


def _given(arguments: Arguments) -> str:
    """What differs from the defaults, and who says so."""
    given = [
        f"{name} {arguments.values[name]} ({source})"
        for name, source in arguments.sources.items()
        if name not in ("dry_run", "config", "preset") and not name.endswith("_token")
    ]
    return "; ".join(given) or "all as by default"


def _data(arguments: Arguments, corpus: PreparedCorpus | None) -> Iterator[str]:
    if corpus is None:
        yield from _unprepared(arguments)
        return
    yield f"prepared: {corpus.path}"
    for split in SPLITS:
        summary = corpus.splits[split]
        yield (
            f"{split} {summary.num_sessions:,} sessions, {summary.num_ids:,} ids, "
            f"{corpus.num_windows[split]:,} windows of 2,048 ids cover them once"
        )
    samples, sessions = arguments.data.samples_per_epoch, corpus.num_sessions["train"]
    how = {"session": "each training session", "length": "a training session on average"}
    times = samples / max(1, sessions)
    yield f"an epoch of {samples:,} windows draws {how[arguments.data.sampling]} {times:,.3g} times"


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
        f"{plan.num_steps:,} optimizer steps of {plan.windows_per_step:,} windows "
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
    text = f"rises to {training.learning_rate:g} in {warmup:,} steps, then "
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


def occasions(strategy: Any, steps: float | None, num_steps: int) -> int:
    """How often something happens that is done every so many steps, and at the end."""
    if getattr(strategy, "value", strategy) == "no":
        return 0
    return math.ceil(num_steps / _every(steps, num_steps))


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
    return f"every {every:,} steps and at the end: {times:,} times{windows}"


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
    room = f"{size_text(free_bytes(output_dir))} are free there"
    if strategy == "no":
        return f"none; the final model of {size_text(weights)}; {room}"
    steps = training.save_steps if strategy == "steps" else training.eval_steps
    times = occasions(strategy, steps, plan.num_steps)
    kept = times if training.save_total_limit is None else min(times, training.save_total_limit)
    # The new one is written before an old one goes.
    most = min(times, kept + 1)
    return (
        f"every {_every(steps, plan.num_steps):,} steps and at the end: {times:,} of about "
        f"{size_text(num_bytes)}, {kept:,} kept; with the final model at most "
        f"{size_text(most * num_bytes + weights)}; {room}"
    )


def _start(
    arguments: Arguments, plan: assembly.StepPlan, record: RunRecord, output_dir: Path
) -> tuple[str, int]:
    """Where the run would begin, and how many steps are left."""
    training = arguments.training
    check_folder(output_dir, record, training.resume)
    found = RunRecord.load(output_dir)
    if found is not None and found.is_finished:
        return "this run is finished; the same command has nothing to do", 0
    start = find_start(
        output_dir, record, training.resume, needs_best=training.load_best_model_at_end
    )
    if start is None:
        return "at the beginning", plan.num_steps
    left = plan.num_steps - start.step
    return f"after step {start.step:,}, from {start.path}; {left:,} steps are left", left


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
    times = occasions(training.eval_strategy, training.eval_steps, steps_left)
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
        f"{duration_range(low, high)} for {steps_left:,} steps and {times:,} evaluations, at "
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


def duration_range(low_s: float, high_s: float) -> str:
    """Two durations in a unit that suits both, "1.2 to 1.4 hours"; one where they are equal."""
    unit, name = 1.0, "seconds"
    for length, candidate in ((60.0, "minutes"), (3_600.0, "hours"), (86_400.0, "days")):
        if low_s >= 1.5 * length:
            unit, name = length, candidate
    low, high = (
        f"{value / unit:,.3g}" if value < 1e3 * unit else f"{value / unit:,.0f}"
        for value in (low_s, high_s)
    )
    return f"{low} {name}" if low == high else f"{low} to {high} {name}"
