"""Flags of the command itself and of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .options import check_share, option

__all__ = ["ModelArguments", "RunArguments"]


@dataclass
class RunArguments:
    """Where the arguments come from, and whether anything is done with them."""

    config: str | None = option(
        None,
        "Read arguments from this YAML or JSON file; flags win over it. It may also stand first, "
        "without the flag. Paths in it are relative to the current folder.",
        "file",
    )
    preset: Literal["reference", "fast", "a100", "gpu24gb", "cpu", "small_corpus"] | None = option(
        None,
        "Named arguments to start from; the file and flags win over them. reference: the defaults; "
        "fast: no attention dropout, a fifth faster on an H100 and another training; a100: one "
        "A100; gpu24gb: one card of 24 GB; cpu: a mini model in half an hour; "
        "small_corpus: the recipe of the shipped model, for a few hundred sessions.",
        "name",
    )
    dry_run: bool = option(
        False,
        "Print the plan (data, steps, schedule, checkpoints, memory, time) and train nothing.",
        "true or false",
    )


@dataclass
class ModelArguments:
    """Which model is trained."""

    model_size: Literal["auto", "tiny", "mini", "base", "large"] = option(
        "auto",
        "Shape of a new model: tiny (2 layers, 128 wide), mini (4, 256), base (12, 768), large "
        "(24, 1024). auto is base, but tiny for the embedded sample on a CPU.",
        "name",
    )
    model_name_or_path: str | None = option(
        None,
        "Start from these BERT weights instead of new ones. None: new ones.",
        "folder or hub name",
    )
    hidden_dropout: float = option(
        0.1,
        "Dropout probability of embeddings and layer outputs of a new model.",
        "share, 0 to 1",
    )
    attention_dropout: float = option(
        0.1, "Dropout probability of attention weights of a new model.", "share, 0 to 1"
    )
    compile: Literal["auto", "on", "off"] = option(
        "auto",
        "How the layers run. auto: fused Triton kernels on CUDA GPUs from compute capability 8.0, "
        "torch.compile on older ones, as they are on a CPU; on: torch.compile; off: as they are.",
        "word",
    )

    def __post_init__(self) -> None:
        """Refuse probabilities that are none."""
        for name in ("hidden_dropout", "attention_dropout"):
            check_share(name, getattr(self, name))
