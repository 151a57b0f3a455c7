"""Names -> model, tokenizer, device and precision of a `SessionEncoder`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from data_prep.hub_reach import is_here, local_files_only
from rrweb_tokenizer import RRWebTokenizer

from . import model_files
from .modeling_rrweb_bert import RRWebBertForMaskedLM

__all__ = ["Precision", "find_device", "find_precision", "load_model", "load_tokenizer"]

Precision = Literal["auto", "fp32", "fp16", "bf16"]


def load_model(path: str | Path) -> RRWebBertForMaskedLM:
    """The weights of a folder or a name on the Hub, in float32.

    Raises:
        ValueError: they cannot be loaded; names them.
    """
    try:
        return model_files.load_model(path, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        where = "" if is_here(path) else "there is no such folder here, and from the Hub: "
        raise ValueError(f"{path} cannot be loaded as a model: {where}{error}") from error


def load_tokenizer(path: str | Path) -> RRWebTokenizer:
    """The tokenizer saved with a model; the package's own where a folder holds none.

    Raises:
        ValueError: it cannot be loaded; names it.
    """
    folder = Path(path)
    if is_here(path) and folder.is_dir() and not (folder / "tokenizer_config.json").is_file():
        return RRWebTokenizer()
    try:
        is_cached = local_files_only(path, "tokenizer_config.json")
        tokenizer: RRWebTokenizer = RRWebTokenizer.from_pretrained(path, local_files_only=is_cached)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} holds a tokenizer that cannot be loaded: {error}") from error
    return tokenizer


def find_device(device: str | torch.device) -> torch.device:
    """The device of a name; "auto" is the first CUDA GPU where there is one, else the CPU.

    Raises:
        ValueError: there is none of that name.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"{device} is no device: auto, cpu, cuda or cuda:NUMBER") from error
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type == "cuda" and (found.index or 0) >= num_gpus:
        raise ValueError(f"{device}: {num_gpus} CUDA GPUs are visible here; take auto or cpu")
    return found


def find_precision(precision: Precision, device: torch.device) -> Literal["fp32", "fp16", "bf16"]:
    """What "auto" stands for on a device: fp16 on CUDA GPUs, else fp32.

    Raises:
        ValueError: there is no such precision.
    """
    if precision == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if precision not in ("fp32", "fp16", "bf16"):
        raise ValueError(f"precision {precision!r} is none of auto, fp32, fp16, bf16")
    return precision
