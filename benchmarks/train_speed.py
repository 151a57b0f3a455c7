"""The ladder of training speed: one row a lever, against the stock model in the same run.

python benchmarks/train_speed.py                       the ladder (one H100: about 4 minutes)
python benchmarks/train_speed.py --rows sizes growth   how cost grows, and other model sizes
python benchmarks/train_speed.py --rows cpu            tiny and mini on a CPU
python benchmarks/train_speed.py --list                every row

A step is what the Trainer does without its bookkeeping: autocast, loss, backward, GradScaler with
fp16, gradient clipping, AdamW. Ids and masks are synthetic; the times are medians of CUDA events.
Rows run in a worker process: one that fails or hangs is reported and passed over.
MFU is (6 x weights of the encoder + attention) x tokens/s over the measured peak of a large matrix
product on an H100 (773 TFLOP/s in fp16, 798 in bf16), for every row alike.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

PEAK_TFLOPS = {"fp16": 773.0, "bf16": 798.0, "fp32": 773.0}
MASKED_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One configuration.

    Attributes:
        model: "stock" is transformers' BertForMaskedLM, "ours" RRWebBertForMaskedLM.
        layers: "eager", "compiled" (torch.compile, one by one) or "fused" (our kernels).
        head: "dense" predicts every position, "sparse" the masked ones.
        mask: pass an attention mask of ones.
    """

    name: str
    group: str
    model: str = "ours"
    layers: str = "fused"
    head: str = "sparse"
    mask: bool = False
    precision: str = "fp16"
    size: str = "base"
    batch: int = 32
    window: int = 2048
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    optimizer: str = "fused"
    clipping: str = "inside"
    backend: str = "cudnn"
    recompute_gelu: bool = False
    sync_every_step: bool = False


def ladder() -> list[Row]:
    """Rows from the stock model to the default, one lever more each; then levers on top."""
    stock = Row(name="stock BertForMaskedLM, sdpa, mask of ones", group="ladder", model="stock",
                layers="eager", head="dense", mask=True, optimizer="foreach",
                clipping="apart")  # fmt: skip
    eager = Row(name="+ fused optimizer", group="ladder", layers="eager", head="dense",
                clipping="apart")  # fmt: skip
    default = Row(name="+ fused layers and loss (default)", group="ladder")
    no_dropout = replace(default, name="attention dropout 0", attention_dropout=0.0)
    return [
        stock,
        replace(stock, name="+ no mask", mask=False),
        replace(eager, model="stock"),
        replace(eager, name="+ cuDNN attention first", head="dense"),
        replace(eager, name="+ head on masked positions", head="sparse"),
        replace(eager, name="+ layers compiled (instead of fused)", head="sparse",
                layers="compiled"),
        default,
        replace(default, name="the same, bf16", precision="bf16"),
        no_dropout,
        replace(no_dropout, name="attention dropout 0, bf16", precision="bf16"),
        replace(no_dropout, name="attention dropout 0, layers compiled", layers="compiled"),
        replace(no_dropout, name="attention dropout 0, layers compiled, bf16", layers="compiled",
                precision="bf16"),
        replace(no_dropout, name="all dropout 0, bf16", precision="bf16", hidden_dropout=0.0),
        replace(default, name="GELU computed again in backward", recompute_gelu=True),
        replace(default, name="FlashAttention-2 instead of cuDNN", backend="flash"),
        replace(no_dropout, name="attention dropout 0, FlashAttention-2", backend="flash"),
        replace(default, name="clipping apart from the optimizer", clipping="apart"),
        replace(default, name="optimizer not fused", optimizer="foreach", clipping="apart"),
        replace(default, name="loss read every step", sync_every_step=True),
    ]  # fmt: skip


def growth() -> list[Row]:
    """Cost over the length of windows and the batch size."""
    base = Row(name="", group="growth")
    rows = [
        replace(base, name=f"{window} ids, batch {65536 // window}", window=window,
                batch=65536 // window)
        for window in (512, 1024, 2048)
    ]  # fmt: skip
    rows += [replace(base, name=f"2048 ids, batch {b}", batch=b) for b in (8, 16, 64)]
    return rows


def sizes() -> list[Row]:
    """Other model sizes."""
    return [
        Row(name="mini", group="sizes", size="mini"),
        Row(name="mini, bf16", group="sizes", size="mini", precision="bf16"),
        Row(name="large, batch 16", group="sizes", size="large", batch=16),
        Row(name="large, batch 16, bf16", group="sizes", size="large", batch=16, precision="bf16"),
    ]


def on_cpu() -> list[Row]:
    """Small models in fp32 on whatever CPU this is; times are CPU seconds of all threads."""
    rows = []
    for size, batch, window in (("tiny", 4, 512), ("mini", 2, 512)):
        stock = Row(name=f"{size}: stock", group="cpu", model="stock", layers="eager",
                    head="dense", precision="fp32", size=size, batch=batch, window=window,
                    optimizer="foreach", mask=True, clipping="apart")  # fmt: skip
        rows += [
            stock,
            replace(stock, name=f"{size}: + no mask, fused optimizer", mask=False,
                    optimizer="fused"),
            replace(stock, name=f"{size}: + head on masked positions (default)", mask=False,
                    optimizer="fused", model="ours", head="sparse"),
            replace(stock, name=f"{size}: + layers compiled", mask=False, optimizer="fused",
                    model="ours", head="sparse", layers="compiled"),
        ]  # fmt: skip
    return rows


ALL_ROWS = ladder() + growth() + sizes() + on_cpu()


def main() -> None:
    """Runs the asked-for rows in worker processes and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("--rows", nargs="+", default=["ladder"], help="groups or row numbers")
    parser.add_argument("--steps", type=int, default=30, help="timed steps a row")
    parser.add_argument("--seconds", type=float, default=90, help="time-out of a row")
    parser.add_argument("--out", type=Path, help="also append the results here, JSON lines")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    wanted = [
        i
        for i, row in enumerate(ALL_ROWS)
        if row.group in arguments.rows or str(i) in arguments.rows
    ]
    if arguments.list:
        for i in wanted if arguments.rows != ["ladder"] else range(len(ALL_ROWS)):
            print(i, ALL_ROWS[i])
    elif arguments.worker:
        for i in wanted:
            print(json.dumps({"row": i} | measure(ALL_ROWS[i], arguments.steps)), flush=True)
    else:
        results = supervise(wanted, arguments)
        print_table(results)


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Help as it is written above."""


def supervise(wanted: list[int], arguments: argparse.Namespace) -> dict[int, dict[str, Any]]:
    """Results by row; a worker that dies or takes too long loses its row, not the others."""
    results: dict[int, dict[str, Any]] = {}
    left = list(wanted)
    while left:
        command = [sys.executable, __file__, "--worker", "--steps", str(arguments.steps)]
        worker = subprocess.Popen(
            [*command, "--rows", *map(str, left)], stdout=subprocess.PIPE, text=True
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_forward, args=(worker.stdout, lines), daemon=True).start()
        while left:
            try:
                line = lines.get(timeout=arguments.seconds)
            except queue.Empty:
                line = None
            if line is not None and not line.startswith('{"row"'):
                continue
            failed = {"row": left[0], "error": f"failed, or took over {arguments.seconds:.0f} s"}
            result = failed if line is None else json.loads(line)
            results[left.pop(0)] = result
            note(result, arguments.out)
            if line is None:
                break
        worker.kill()
        worker.wait()
    return results


def _forward(stream: Any, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def note(result: dict[str, Any], out: Path | None) -> None:
    """Progress on stderr, and in a file."""
    name = ALL_ROWS[result["row"]].name
    print(f"{name}: {result.get('ms', result.get('error'))}", file=sys.stderr, flush=True)
    if out is not None:
        with out.open("a") as file:
            file.write(json.dumps(asdict(ALL_ROWS[result["row"]]) | result) + "\n")


def build(row: Row) -> Any:
    """The model of a row on its device, in training mode."""
    import torch
    from torch.nn.attention import SDPBackend
    from transformers import BertForMaskedLM

    import rrweb_bert.modeling_rrweb_bert as modeling
    from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config

    first = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
    modeling._HOPPER_ORDER.sort(key=lambda kernel: kernel is not first[row.backend])
    config = model_config(
        row.size,
        window_tokens=row.window,
        hidden_dropout=row.hidden_dropout,
        attention_dropout=row.attention_dropout,
    )
    torch.manual_seed(0)
    device = "cuda" if row.group != "cpu" else "cpu"
    if row.model == "stock":
        return BertForMaskedLM(config).to(device).train()
    model = RRWebBertForMaskedLM(config).to(device).train()
    if row.layers == "compiled":
        model.compile_layers()
    if row.layers == "fused":
        from rrweb_bert import fused_kernels

        model.fused_kernels = fused_kernels
    model.recompute_gelu = row.recompute_gelu
    return model


def loss_of(model: Any, row: Row, ids: Any, labels: Any) -> Any:
    """The loss of one batch, with the head of the row."""
    import torch
    from torch.nn.functional import cross_entropy

    mask = torch.ones_like(ids) if row.mask else None
    if row.head == "sparse" or row.model == "stock":
        return model(ids, attention_mask=mask, labels=labels).loss
    with model._kernels(ids):
        logits = model.cls(model.bert(ids, attention_mask=mask).last_hidden_state)
    return cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), labels.reshape(-1))


def stepper(row: Row) -> Any:
    """A function that does one training step."""
    import torch

    from rrweb_bert.clipping import ClippingOptimizer

    model = build(row)
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=5e-5, weight_decay=0.01,
        fused=row.optimizer == "fused", foreach=row.optimizer == "foreach",
    )  # fmt: skip
    clipping = ClippingOptimizer(optimizer) if row.clipping == "inside" else None
    scaler = torch.amp.GradScaler(device.type, enabled=row.precision == "fp16")
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[row.precision]
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, model.config.vocab_size, (row.batch, row.window), generator=generator)
    chosen = torch.rand(ids.shape, generator=generator) < MASKED_SHARE
    labels = torch.where(chosen, ids, -100).to(device)
    ids = torch.where(chosen, 4, ids).to(device)

    def step() -> Any:
        with torch.autocast(device.type, dtype=dtype, enabled=row.precision != "fp32"):
            loss = loss_of(model, row, ids, labels)
        scaler.scale(loss).backward()
        if row.clipping == "inside":
            clipping.clip(model.parameters(), 1.0, scaler if scaler.is_enabled() else None)
        else:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        if row.sync_every_step:
            loss.item()
        return loss.detach()

    return step, model


def measure(row: Row, num_steps: int) -> dict[str, Any]:
    """Milliseconds a step, tokens/s, MFU, peak memory, and the last loss."""
    import gc

    import torch

    try:
        step, model = stepper(row)
        result = _timed(step, row, num_steps)
        result["mfu"] = mfu(model.config, row, result["tokens_per_second"])
    except torch.cuda.OutOfMemoryError:
        result = {"error": "out of memory"}
    step = model = None
    gc.collect()
    torch._dynamo.reset()
    if row.group != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return result


def _timed(step: Any, row: Row, num_steps: int) -> dict[str, Any]:
    import torch

    is_cuda = row.group != "cpu"
    started = time.perf_counter()
    loss = step()
    first = float(loss)
    warm_s = time.perf_counter() - started
    for _ in range(4 if is_cuda else 1):
        step()
    times = []
    if is_cuda:
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(num_steps + 1)]
        torch.cuda.synchronize()
        marks[0].record()
        for mark in marks[1:]:
            loss = step()
            mark.record()
        torch.cuda.synchronize()
        times = [a.elapsed_time(b) for a, b in itertools.pairwise(marks)]
    else:
        for _ in range(max(3, num_steps // 3)):
            before = time.process_time()
            loss = step()
            times.append(1000 * (time.process_time() - before))
    ms = statistics.median(times)
    return {
        "ms": round(ms, 2),
        "tokens_per_second": round(1000 * row.batch * row.window / ms),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if is_cuda else None,
        "first_step_s": round(warm_s, 1),
        "first_loss": round(first, 4),
        "last_loss": round(float(loss), 4),
    }


def mfu(config: Any, row: Row, tokens_per_second: float) -> float:
    """Model FLOPs utilisation by the yardstick above, 0 to 1."""
    layers, hidden = config.num_hidden_layers, config.hidden_size
    weights = layers * (4 * hidden * hidden + 2 * hidden * config.intermediate_size)
    flops = 6 * weights + 12 * layers * hidden * row.window
    return round(flops * tokens_per_second / (PEAK_TFLOPS[row.precision] * 1e12), 4)


def print_table(results: dict[int, dict[str, Any]]) -> None:
    """Markdown, in the order of the rows."""
    print("| configuration | ms/step | k tok/s | MFU | peak GiB | first step s | loss |")
    print("|---|---|---|---|---|---|---|")
    for i in sorted(results):
        result, name = results[i], ALL_ROWS[i].name
        if "error" in result:
            print(f"| {name} | {result['error']} | | | | | |")
            continue
        print(
            f"| {name} | {result['ms']:.1f} | {result['tokens_per_second'] / 1000:.1f} "
            f"| {result['mfu']:.1%} | {result['peak_gib']} | {result['first_step_s']} "
            f"| {result['last_loss']:.3f} |"
        )


if __name__ == "__main__":
    main()
