"""Where the milliseconds of a training step go, and how fast its parts are on their own.

python benchmarks/train_profile.py [--rows N ...]      kernels by kind, for rows of train_speed.py
python benchmarks/train_profile.py --parts             attention, matrix products, fused kernels

One H100 is expected; `--rows` takes the numbers that `train_speed.py --list` prints.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from torch.autograd import DeviceType
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from train_speed import ALL_ROWS, stepper

KINDS = (
    ("attention", ("flash", "fmha", "sdpa", "cudnn_generated", "attention", "mha")),
    ("matrix products", ("gemm", "nvjet", "cutlass", "splitk", "cublas", "s16816", "xmma")),
    ("optimizer and clipping", ("multi_tensor", "adam", "lpnorm", "amp_")),
    ("norm, dropout", ("dropout_add_norm", "layer_norm", "layernorm")),
    ("GELU", ("gelu",)),
    ("loss", ("cross_entropy", "softmax", "nll")),
    ("embedding", ("embedding", "indexselect", "index", "scatter", "sort", "scan")),
    ("copies", ("memcpy", "memset", "copy", "cat")),
)


def main() -> None:
    """Prints what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", type=int, default=[6])
    parser.add_argument("--top", type=int, default=25, help="kernels listed by name")
    parser.add_argument("--parts", action="store_true")
    arguments = parser.parse_args()
    if arguments.parts:
        measure_parts()
        return
    for number in arguments.rows:
        profile_row(number, arguments.top)


def profile_row(number: int, top: int, num_steps: int = 5) -> None:
    """GPU milliseconds a step by kind of kernel, and the kernels that take most."""
    row = ALL_ROWS[number]
    step, _ = stepper(row)
    for _ in range(4):
        step()
    torch.cuda.synchronize()
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(num_steps):
        step()
    stop.record()
    torch.cuda.synchronize()
    wall_ms = start.elapsed_time(stop) / num_steps
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(num_steps):
            step()
        torch.cuda.synchronize()
    kernels = [e for e in profile.events() if e.device_type == DeviceType.CUDA]
    first = min(kernel.time_range.start for kernel in kernels)
    span_ms = (max(kernel.time_range.end for kernel in kernels) - first) / 1000 / num_steps
    time_of: dict[str, float] = defaultdict(float)
    count_of: dict[str, int] = defaultdict(int)
    for kernel in kernels:
        time_of[kernel.name] += kernel.time_range.elapsed_us() / 1000 / num_steps
        count_of[kernel.name] += 1
    by_kind: dict[str, float] = defaultdict(float)
    for name, ms in time_of.items():
        by_kind[kind_of(name)] += ms
    busy = sum(time_of.values())
    print(
        f"\n{row.name} ({row.precision}): {wall_ms:.1f} ms a step, profiled {span_ms:.1f} ms, "
        f"GPU busy {busy:.1f} ms, {len(kernels) / num_steps:.0f} kernels"
    )
    for kind, ms in sorted(by_kind.items(), key=lambda pair: -pair[1]):
        print(f"  {kind:24} {ms:7.2f} ms  {ms / span_ms:6.1%}")
    print(f"  {'idle':24} {span_ms - busy:7.2f} ms  {1 - busy / span_ms:6.1%}")
    for name, ms in sorted(time_of.items(), key=lambda pair: -pair[1])[:top]:
        print(f"    {ms:7.3f} ms  {count_of[name] / num_steps:6.1f} x  {name[:110]}")


def kind_of(name: str) -> str:
    """The kind of a kernel, by its name."""
    lower = name.lower()
    for kind, words in KINDS:
        if any(word in lower for word in words):
            return kind
    return "other element-wise"


def median_ms(function: Callable[[], Any], repeats: int = 15) -> float:
    """Median GPU time of a call."""
    for _ in range(3):
        function()
    times = []
    for _ in range(repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop))
    return statistics.median(times)


def measure_parts() -> None:
    """Attention, matrix products and the fused kernels at the shapes of the base model."""
    measure_attention()
    measure_products()
    measure_kernels()


def measure_attention(batch: int = 32, heads: int = 12, window: int = 2048, head: int = 64) -> None:
    """Forward and backward of each attention kernel, from separate and from packed inputs."""
    flops = 4 * batch * heads * window * window * head
    backends = {
        "cuDNN": SDPBackend.CUDNN_ATTENTION,
        "FlashAttention-2": SDPBackend.FLASH_ATTENTION,
    }
    for dtype in (torch.float16, torch.bfloat16):
        packed = torch.randn(batch, window, 3, heads, head, device="cuda", dtype=dtype)
        parts = packed.permute(2, 0, 3, 1, 4).unbind(0)
        apart = [part.transpose(1, 2).contiguous().transpose(1, 2) for part in parts]
        rows = [part.contiguous() for part in parts]
        layouts = {"packed": parts, "BTHD": apart, "BHTD": rows}
        for (name, backend), p in ((b, p) for b in backends.items() for p in (0.0, 0.1)):
            for layout, tensors in layouts.items():
                inputs = [t.detach().requires_grad_() for t in tensors]
                try:
                    with sdpa_kernel(backend):
                        out = scaled_dot_product_attention(*inputs, dropout_p=p)
                        grad = torch.randn_like(out)

                        def forward(inputs: Any = inputs, p: float = p) -> None:
                            with torch.no_grad():
                                scaled_dot_product_attention(*inputs, dropout_p=p)

                        def backward(out: Any = out, inputs: Any = inputs, g: Any = grad) -> None:
                            torch.autograd.grad(out, inputs, g, retain_graph=True)

                        there, back = median_ms(forward), median_ms(backward)
                        strides = torch.autograd.grad(out, inputs, grad, retain_graph=True)
                except RuntimeError as error:
                    print(f"attention {name} {layout} dropout {p} {dtype}: {str(error)[:80]}")
                    continue
                print(
                    f"attention {name} {dtype} dropout {p} {layout}: forward {there:.2f} ms "
                    f"({flops / there / 1e9:.0f} TFLOP/s), backward {back:.2f} ms "
                    f"({2.5 * flops / back / 1e9:.0f} TFLOP/s); out {tuple(out.stride())}, "
                    f"gradient {tuple(strides[0].stride())}"
                )


def measure_products(tokens: int = 65536, hidden: int = 768, wide: int = 3072) -> None:
    """The matrix products of a layer, forward and backward."""
    for dtype in (torch.float16, torch.bfloat16):

        def new(*shape: int, dtype: torch.dtype = dtype) -> Any:
            return torch.randn(*shape, device="cuda", dtype=dtype) * 0.1

        square = new(8192, 8192)
        ms = median_ms(lambda square=square: square @ square)
        print(f"product 8192 cubed {dtype}: {2 * 8192**3 / ms / 1e9:.0f} TFLOP/s")
        del square
        for out_width, in_width in ((hidden, hidden), (3 * hidden, hidden), (wide, hidden),
                                    (hidden, wide)):  # fmt: skip
            x, w, bias = new(tokens, in_width), new(out_width, in_width), new(out_width)
            grad = new(tokens, out_width)
            calls: dict[str, Callable[[], Any]] = {
                "x Wt": lambda x=x, w=w: x @ w.t(),
                "x Wt + b": lambda x=x, w=w, bias=bias: torch.addmm(bias, x, w.t()),
                "dy W": lambda grad=grad, w=w: grad @ w,
                "dyt x": lambda grad=grad, x=x: grad.t() @ x,
                "dyt x fp32 out": lambda grad=grad, x=x: torch.mm(
                    grad.t(), x, out_dtype=torch.float32
                ),
                "(xt dy)t": lambda grad=grad, x=x: (x.t() @ grad).t(),
            }
            flops = 2 * tokens * in_width * out_width
            for name, call in calls.items():
                try:
                    ms = median_ms(call)
                except RuntimeError as error:
                    print(f"product {name}: {str(error)[:80]}")
                    continue
                print(
                    f"product {out_width} x {in_width} {dtype} {name}: {ms:.3f} ms, "
                    f"{flops / ms / 1e9:.0f} TFLOP/s"
                )


def measure_kernels(tokens: int = 65536, hidden: int = 768, wide: int = 3072) -> None:
    """The fused kernels: bytes moved a second, beside a plain copy."""
    from rrweb_bert import fused_kernels as fused

    def new(*shape: int) -> Any:
        return torch.randn(*shape, device="cuda", dtype=torch.float16)

    def report(name: str, num_values: int, call: Callable[[], Any]) -> None:
        ms = median_ms(call)
        print(f"kernel {name}: {ms * 1000:.0f} us, {2 * num_values / ms / 1e9:.2f} TB/s")

    y, residual, grad, grad2 = (new(tokens, hidden) for _ in range(4))
    up, grad_up = new(tokens, wide), new(tokens, wide)
    vectors = [torch.randn(hidden, device="cuda") for _ in range(3)]
    bias = torch.randn(wide, device="cuda")
    unit = tokens * hidden
    report("copy", 8 * unit, lambda: up.clone())
    for p in (0.0, 0.1):
        total, _, mean, rstd = fused.dropout_add_norm(
            y, vectors[0], residual, vectors[1], vectors[2], p=p, seed=3, eps=1e-12
        )
        report(f"dropout_add_norm {p}", 4 * unit, lambda p=p: fused.dropout_add_norm(
            y, vectors[0], residual, vectors[1], vectors[2], p=p, seed=3, eps=1e-12))  # fmt: skip
        report(f"dropout_add_norm_backward {p}", (5 if p else 4) * unit,
               lambda p=p, total=total, mean=mean, rstd=rstd: fused.dropout_add_norm_backward(
                   grad, grad2, total, mean, rstd, vectors[1], p=p, seed=3))  # fmt: skip
    report("bias_gelu", 8 * unit, lambda: fused.bias_gelu(up, bias))
    for again in (False, True):
        report(f"bias_gelu_backward, output {again}", (16 if again else 12) * unit,
               lambda again=again: fused.bias_gelu_backward(
                   grad_up, up, bias, with_output=again))  # fmt: skip
    report("pack_heads", 6 * unit, lambda: fused.pack_heads(y, residual, grad))
    logits = new(10432, 12520)
    targets = torch.randint(0, 12520, (10432,), device="cuda")
    _, log_sums = fused.cross_entropy(logits, targets)
    one = torch.ones((), device="cuda")
    report("cross_entropy", logits.numel(), lambda: fused.cross_entropy(logits, targets))
    report("cross_entropy_backward", 2 * logits.numel(),
           lambda: fused.cross_entropy_backward(logits, targets, log_sums, one))  # fmt: skip


if __name__ == "__main__":
    main()
