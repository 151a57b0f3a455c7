"""Model FLOPs utilisation: the work that the model needs, over what the device could do.

The work is counted from the shapes alone, forward and backward (6 FLOPs a weight and id):

    encoder   6 * 12 layers' weights in matrix products     base: 510 MFLOP an id
    attention 12 * layers * hidden * window                 base at 2,048 ids: 226 MFLOP
    head      6 * (hidden^2 + hidden * vocabulary) at the masked share of ids alone

What an implementation computes beyond that (rows of padding, values computed again) does not count.
"""

from __future__ import annotations

from typing import Final

import torch
from transformers import BertConfig

__all__ = ["device_peak_flops", "flops_per_token", "peak_flops", "utilisation"]

# Part of the device's name -> dense peak of matrix products in fp16 and bf16 with sums in fp32,
# without sparsity, in TFLOP/s; the first that fits counts. From NVIDIA's data sheets and white
# papers of each architecture (they often print twice the value, "with sparsity").
_PEAK_TFLOPS: Final = (
    ("GH200", 989.4),
    ("H200 NVL", 835.5),
    ("H200", 989.4),
    ("H100 NVL", 835.5),
    ("H100 PCIe", 756.0),
    ("H100", 989.4),
    ("A100", 312.0),
    ("A40", 149.7),
    ("A30", 165.0),
    ("A10", 125.0),
    ("L40S", 362.0),
    ("L4", 121.0),
    ("GeForce RTX 4090", 165.2),
    ("GeForce RTX 3090", 71.0),
    ("V100S", 130.0),
    ("V100-SXM", 125.0),
    ("V100-PCIE", 112.0),
    ("T4", 65.0),
)
# These have no bf16 in their tensor cores.
_FP16_ONLY: Final = ("V100", "T4")


def flops_per_token(config: BertConfig, *, window_tokens: int, mlm_probability: float) -> float:
    """FLOPs of forward and backward for one id of a full window.

    >>> config = BertConfig(vocab_size=12520)
    >>> round(flops_per_token(config, window_tokens=2048, mlm_probability=0.15) / 1e6)
    745
    """
    hidden, layers = config.hidden_size, config.num_hidden_layers
    weights = layers * (4 * hidden * hidden + 2 * hidden * config.intermediate_size)
    attention = 12 * layers * hidden * window_tokens
    head = 6 * (hidden * hidden + hidden * config.vocab_size) * mlm_probability
    return float(6 * weights + attention + head)


def peak_flops(device_name: str, precision: str) -> float | None:
    """Peak FLOP/s of a GPU in "fp16" or "bf16"; None where it is not known.

    >>> peak_flops("NVIDIA H100 80GB HBM3", "fp16")
    989400000000000.0
    """
    if precision not in ("fp16", "bf16"):
        return None
    for part, tflops in _PEAK_TFLOPS:
        if _is_part(part, device_name):
            if precision == "bf16" and part.startswith(_FP16_ONLY):
                return None
            return tflops * 1e12
    return None


def device_peak_flops(device: torch.device, precision: str) -> float | None:
    """Peak FLOP/s of a device in a precision; None on a CPU and where it is not known."""
    if device.type != "cuda":
        return None
    return peak_flops(torch.cuda.get_device_name(device), precision)


def utilisation(
    config: BertConfig,
    *,
    device: torch.device,
    precision: str,
    tokens_per_second: float,
    window_tokens: int,
    mlm_probability: float,
) -> dict[str, float]:
    """`mfu` (0 to 1) of one device, empty where its peak is not known.

    Args:
        config: of the model.
        device: where it trains.
        precision: "fp16", "bf16" or "fp32".
        tokens_per_second: ids that this device trains on in a second.
        window_tokens: length of the windows.
        mlm_probability: share of the ids that are predicted.
    """
    peak = device_peak_flops(device, precision)
    if peak is None:
        return {}
    flops = flops_per_token(config, window_tokens=window_tokens, mlm_probability=mlm_probability)
    return {"mfu": flops * tokens_per_second / peak}


def _is_part(part: str, name: str) -> bool:
    """Whether the words of `part` stand in `name`: "A10" is no part of "A100", nor of "A10G"."""
    words, wanted = name.replace("-", " ").split(), part.replace("-", " ").split()
    if wanted[0] == "GeForce":  # "RTX 3090 Ti" and "RTX 4090 Laptop GPU" are other chips
        return words[-len(wanted) :] == wanted
    if wanted[-1] == "SXM":  # SXM2, SXM4: the form of the socket
        return wanted[0] in words and any(word.startswith("SXM") for word in words)
    return any(words[i : i + len(wanted)] == wanted for i in range(len(words)))
