"""How long a training step takes on this device, and how much memory: a few of them, measured.

The steps run on random ids: neither time nor memory depends on what the ids are. On a GPU the whole
batch runs; on a CPU as much of it as a few seconds allow, and the rest follows from the formulas
(work in proportion to the FLOPs of `mfu.flops_per_token`, stored values as a + b times the window).
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from rrweb_tokenizer.structural_vocab import NUM_STRUCTURAL

from .collator import mask_window
from .mfu import flops_per_token
from .modeling_rrweb_bert import RRWebBertForMaskedLM

__all__ = ["StepTiming", "measure_steps"]

_GPU_WARM_UP, _GPU_STEPS = 4, 10
_CPU_STEPS: Final = 3
# A core makes about 20 to 50 GFLOP/s in this model: so much work is a second or a few.
_CPU_FLOPS: Final = 1e11
_PRECISIONS: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}
_ADAM_BYTES: Final = 16  # a parameter's weight, gradient and two moments, in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTiming:
    """What an optimizer step is made of, on one device.

    Attributes:
        fastest_s: seconds of a pass, forward and backward, over the windows that the device takes
            at once: the fastest one measured.
        slowest_s: the slowest one.
        update_s: seconds of clipping and AdamW, once a step.
        cpu_share: of the time that its threads could have had, what the process got: below 1 where
            other programs run; 1 on a GPU.
        memory_bytes: peak memory of a step.
        fits: False where the device ran out of memory; the times are then 0.
        method: how all this was found, for people.
    """

    fastest_s: float
    slowest_s: float
    update_s: float
    cpu_share: float
    memory_bytes: float
    fits: bool
    method: str


def measure_steps(
    model: RRWebBertForMaskedLM,
    *,
    device: torch.device,
    precision: str,
    window_tokens: int,
    num_windows: int,
) -> StepTiming:
    """Train a model, which is of no use afterwards, for a few steps.

    Args:
        model: accelerated for the device.
        device: where it will train.
        precision: "fp16", "bf16" or "fp32".
        window_tokens: length of a window.
        num_windows: that the device takes at once.
    """
    if device.type == "cuda":
        return _measure_gpu(model, device, precision, window_tokens, num_windows)
    return _measure_cpu(model, window_tokens, num_windows)


def _measure_gpu(
    model: RRWebBertForMaskedLM,
    device: torch.device,
    precision: str,
    window_tokens: int,
    num_windows: int,
) -> StepTiming:
    stepper = _Stepper(model.to(device).train(), device, precision)
    torch.cuda.reset_peak_memory_stats(device)
    fits = True
    try:
        batch = _batch(model, num_windows, window_tokens, device)
        for _ in range(_GPU_WARM_UP):
            stepper.step(batch)
        stepper.forget()
        for _ in range(_GPU_STEPS):
            stepper.step(batch)
    except torch.OutOfMemoryError:
        fits = False
    memory_bytes = torch.cuda.max_memory_allocated(device)
    if not fits:
        return StepTiming(
            fastest_s=0,
            slowest_s=0,
            update_s=0,
            cpu_share=1,
            memory_bytes=memory_bytes,
            fits=False,
            method=f"{num_windows} windows of {window_tokens} ids at once",
        )
    return StepTiming(
        fastest_s=min(stepper.passes_s),
        slowest_s=max(stepper.passes_s),
        update_s=sum(stepper.updates_s) / len(stepper.updates_s),
        cpu_share=1,
        memory_bytes=memory_bytes,
        fits=True,
        method=f"{_GPU_STEPS} steps of random ids, measured here",
    )


def _measure_cpu(model: RRWebBertForMaskedLM, window_tokens: int, num_windows: int) -> StepTiming:
    device = torch.device("cpu")
    model.train()

    def flops(tokens: int) -> float:
        return tokens * flops_per_token(
            model.config, window_tokens=tokens, mlm_probability=model.mlm_probability
        )

    tokens = window_tokens
    while tokens > 64 and flops(tokens) > _CPU_FLOPS:
        tokens //= 2
    windows = max(1, min(num_windows, int(_CPU_FLOPS / flops(tokens))))
    stored = [_stored_bytes(model, length) for length in (tokens // 2, tokens)]
    stepper = _Stepper(model, device, "fp32")
    batch = _batch(model, windows, tokens, device)
    stepper.step(batch)
    stepper.forget()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(_CPU_STEPS):
        stepper.step(batch)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    scale = flops(window_tokens) * num_windows / (flops(tokens) * windows)
    method = f"{_CPU_STEPS} steps of {windows} x {tokens} random ids, measured here"
    if (windows, tokens) != (num_windows, window_tokens):
        method += f" and scaled to {num_windows} x {window_tokens} by their work"
    a_window = _extrapolated(*stored, tokens=tokens, window_tokens=window_tokens)
    return StepTiming(
        fastest_s=min(stepper.passes_s) * scale,
        slowest_s=max(stepper.passes_s) * scale,
        update_s=sum(stepper.updates_s) / len(stepper.updates_s),
        cpu_share=min(1.0, cpu_s / (wall_s * torch.get_num_threads())),
        memory_bytes=_ADAM_BYTES * model.num_parameters() + a_window * num_windows,
        fits=True,
        method=method,
    )


def _extrapolated(at_half: int, at_whole: int, *, tokens: int, window_tokens: int) -> float:
    """Bytes at `window_tokens`, of a * T + b * T^2 known at `tokens // 2` and `tokens`.

    >>> _extrapolated(5 + 25, 10 + 100, tokens=10, window_tokens=20)
    420.0
    """
    half = tokens // 2
    square = (at_whole - at_half * tokens / half) / (tokens * tokens - half * tokens)
    linear = at_whole / tokens - square * tokens
    return linear * window_tokens + square * window_tokens**2


def _batch(
    model: RRWebBertForMaskedLM, num_windows: int, window_tokens: int, device: torch.device
) -> dict[str, Tensor]:
    rng = np.random.default_rng(0)
    vocab_size = model.config.vocab_size
    ids = rng.integers(NUM_STRUCTURAL, vocab_size, (num_windows, window_tokens))
    labels = np.stack([mask_window(row, rng, mlm_probability=model.mlm_probability) for row in ids])
    batch = {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}
    return {name: value.to(device) for name, value in batch.items()}


class _Stepper:
    """Makes optimizer steps as the trainer does, and takes their times."""

    def __init__(self, model: RRWebBertForMaskedLM, device: torch.device, precision: str) -> None:
        self._model, self._device = model, device
        self._dtype = _PRECISIONS.get(precision)
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
        self._scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.forget()

    def forget(self) -> None:
        """Drop the times so far, those of the warm-up."""
        self.passes_s: list[float] = []
        self.updates_s: list[float] = []

    def step(self, batch: dict[str, Tensor]) -> None:
        """Forward, backward and update."""
        started = self._clock()
        with self._autocast():
            loss = self._model(**batch).loss
        self._scaler.scale(loss).backward()
        middle = self._clock()
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
        self.passes_s.append(middle - started)
        self.updates_s.append(self._clock() - middle)

    def _clock(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._dtype is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._dtype)


def _stored_bytes(model: RRWebBertForMaskedLM, window_tokens: int) -> int:
    """Bytes that the forward pass of one window keeps for the backward pass."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    stored: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in parameters:
            stored[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        loss = model(**_batch(model, 1, window_tokens, torch.device("cpu"))).loss
    del loss
    return sum(stored.values())
