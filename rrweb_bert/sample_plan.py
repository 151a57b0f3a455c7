"""The plan of a run without data: the embedded sample, small enough to watch it learn.

It shows that everything works; it does not make a model that is good for anything.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Any, Final

__all__ = ["announcement", "next_steps", "sample_defaults", "sample_directory"]

_COMMON: Final[dict[str, Any]] = {
    "output_dir": "./checkpoints_sample",
    "group_by": "site",
    "lr_scheduler_type": "cosine_with_restarts",
}
# Two CPU cores: 40 steps of the tiny model in about a minute; the demo learning rate is 40 times
# the reference's, since 40 steps are all there is.
_CPU: Final[dict[str, Any]] = {
    **_COMMON,
    "model_size": "tiny",
    "window_tokens": 512,
    "samples_per_epoch": 1280,
    "max_steps": 40,
    "learning_rate": 2e-3,
    "warmup_steps": 0.1,
    "logging_steps": 5,
    "eval_steps": 10,
    "save_steps": 10,
    "dataloader_num_workers": 0,
}
# One H100: 300 steps of the base model in about a minute.
_CUDA: Final[dict[str, Any]] = {
    **_COMMON,
    "model_size": "base",
    "samples_per_epoch": 9600,
    "max_steps": 300,
    "learning_rate": 1e-4,
    "warmup_steps": 0.1,
    "logging_steps": 10,
    "eval_steps": 100,
    "save_steps": 100,
}


def sample_defaults(explicit: Collection[str], *, has_cuda: bool) -> dict[str, Any]:
    """The sample's defaults by flag name; the names in `explicit` were given and stay out."""
    plan = dict(_CUDA if has_cuda else _CPU)
    if "num_train_epochs" in explicit:
        del plan["max_steps"]
    return {name: value for name, value in plan.items() if name not in explicit}


def sample_directory() -> Path:
    """The folder of the embedded recordings."""
    return Path(str(resources.files("data_prep") / "sample"))


def announcement(*, num_steps: int, model_size: str, window_tokens: int, output_dir: str) -> str:
    """What a run without `--data_dir` says before it starts."""
    return (
        "=" * 80 + "\n"
        "DEMONSTRATION: no --data_dir was given, so this trains on the embedded sample.\n"
        f"  plan: {model_size} model, windows of {window_tokens} ids, {num_steps} steps, "
        "a demo learning rate\n"
        f"  output: {output_dir}\n"
        "  It shows that everything works; the model is of no other use. For a real run:\n"
        "  python train_mlm.py --data_dir FOLDER_OF_RECORDINGS\n" + "=" * 80
    )


def next_steps() -> str:
    """What a run without `--data_dir` says when it is finished."""
    return (
        "That was the sample: its model shows that everything works, no more. "
        "Next, step by step in docs/tutorial.md:\n"
        "  a model of your own recordings: python train_mlm.py --data_dir FOLDER\n"
        "  a search with the model that comes with the package: "
        "python -m rrweb_bert embed FOLDER, then index, then search --text WORDS"
    )
