"""How the layers run on this machine: chosen by what it can do, and said in one line.

| layers | where | what |
|---|---|---|
| fused | CUDA GPUs from compute capability 8.0 with Triton | our kernels between the products |
| compiled | `--compile on`; older CUDA GPUs with Triton | torch.compile, layer by layer |
| eager | CPUs; `--compile off`; everything else | transformers' own layers |

All three compute the same function and write the same checkpoints.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch.backends.cuda import (
    SDPAParams,
    can_use_cudnn_attention,
    can_use_efficient_attention,
    can_use_flash_attention,
)
from torch.nn.attention import SDPBackend

from .fused_encoder import is_supported
from .modeling_rrweb_bert import RRWebBertForMaskedLM, kernel_order

__all__ = ["Acceleration", "accelerate", "choose_layers", "fix_order_of_sums"]

Layers = Literal["fused", "compiled", "eager"]
CompileMode = Literal["auto", "on", "off"]

# Triton's kernels need 8.0, torch.compile for GPUs 7.0.
_FUSED_CAPABILITY: Final = (8, 0)
_COMPILED_CAPABILITY: Final = (7, 0)
_NAMES: Final = {
    SDPBackend.CUDNN_ATTENTION: "cuDNN",
    SDPBackend.FLASH_ATTENTION: "FlashAttention-2",
    SDPBackend.EFFICIENT_ATTENTION: "memory-efficient",
    SDPBackend.MATH: "plain (slow: it stores all scores)",
}
_CHECKS: Final = {
    SDPBackend.CUDNN_ATTENTION: can_use_cudnn_attention,
    SDPBackend.FLASH_ATTENTION: can_use_flash_attention,
    SDPBackend.EFFICIENT_ATTENTION: can_use_efficient_attention,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """What runs: a kind of layers and why, the attention kernel, the precision."""

    layers: Layers
    reason: str
    attention: str
    precision: str

    def describe(self) -> str:
        """One line for the log."""
        return (
            f"attention: {self.attention}; layers: {self.layers} ({self.reason}); "
            f"precision: {self.precision}"
        )


def choose_layers(
    mode: CompileMode, *, capability: tuple[int, int] | None, has_triton: bool, is_plain: bool
) -> tuple[Layers, str]:
    """Which layers to run, and why.

    Args:
        mode: the `--compile` flag.
        capability: compute capability of the CUDA device; None is no such device.
        has_triton: whether the `triton` package is there.
        is_plain: whether the configuration is one that the fused layers implement.
    """
    if mode == "on":
        return "compiled", "--compile on"
    if mode == "off":
        return "eager", "--compile off"
    if capability is None:
        return "eager", "no CUDA device"
    name = f"compute capability {capability[0]}.{capability[1]}"
    if not has_triton:
        return "eager", "the triton package is missing"
    if capability < _COMPILED_CAPABILITY:
        return "eager", f"{name}, below 7.0"
    if capability < _FUSED_CAPABILITY:
        return "compiled", f"{name}, below 8.0"
    if not is_plain:
        return "compiled", "the configuration has layers that are not fused"
    return "fused", f"Triton kernels, {name}"


def accelerate(
    model: RRWebBertForMaskedLM,
    mode: CompileMode,
    *,
    device: torch.device,
    precision: str,
    window_tokens: int,
) -> Acceleration:
    """Set the layers of `model` for `device`, and return what was chosen.

    Args:
        model: is changed in place; it need not be on the device yet.
        mode: the `--compile` flag.
        device: where it will train.
        precision: "fp16", "bf16" or "fp32".
        window_tokens: length of the training windows.
    """
    is_cuda = device.type == "cuda"
    layers, reason = choose_layers(
        mode,
        capability=torch.cuda.get_device_capability(device) if is_cuda else None,
        has_triton=importlib.util.find_spec("triton") is not None,
        is_plain=is_supported(model.config),
    )
    if layers == "compiled":
        model.compile_layers()
    if layers == "fused":
        from . import fused_kernels  # needs Triton, which is not everywhere

        model.fused_kernels = fused_kernels
    attention = "torch's own for CPUs"
    if is_cuda:
        attention = _attention_kernel(model, device, precision, window_tokens)
    return Acceleration(layers=layers, reason=reason, attention=attention, precision=precision)


def fix_order_of_sums() -> None:
    """Let torch take only kernels that add in a fixed order: `--full_determinism`.

    Call it before `accelerate`, which names the attention kernel. On a Hopper GPU that becomes
    FlashAttention-2, since the backward of cuDNN's adds in the order in which its blocks finish.
    """
    # cuBLAS reads it when it starts; without it torch refuses matrix products.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # Every tensor is written before it is read; filling it first would only take time.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - untyped


def _attention_kernel(
    model: RRWebBertForMaskedLM, device: torch.device, precision: str, window_tokens: int
) -> str:
    """The name of the kernel that torch will take for full windows."""
    config = model.config
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    heads = config.num_attention_heads
    shape = (1, heads, window_tokens, config.hidden_size // heads)
    query = torch.empty(shape, dtype=dtype, device=device, requires_grad=True)
    dropout = config.attention_probs_dropout_prob
    parameters = SDPAParams(query, query, query, None, dropout, False, False)
    for backend in kernel_order(device):
        check = _CHECKS.get(backend)
        if check is None or check(parameters, False):
            return _NAMES[backend]
    raise AssertionError("the plain kernel is last and always possible")
