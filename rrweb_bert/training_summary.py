"""`training_summary.json`: what a finished run was and reached, without a word about the machine's
folders: the source of the model card, and published beside it.

Form: see `TrainingSummary`; plain JSON objects, so that anybody can read them.
"""  # noqa: D205 - the first sentence needs two lines

from __future__ import annotations

import json
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import torch
import transformers

from data_prep.corpus import PreparedCorpus

from .arguments import Arguments, UsageError
from .durable import write_atomically
from .history import TrainingHistory
from .hub_files import is_hub_name
from .run_record import RunRecord

__all__ = ["SUMMARY_FILE", "TrainingSummary", "summarise", "training_seconds"]

SUMMARY_FILE: Final = "training_summary.json"
_FORMAT: Final = 1
_HASHES: Final = ("corpus", "tokenizer")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """A run in figures.

    Attributes:
        is_demonstration: trained on the embedded sample.
        model: `num_parameters`, `layers`, `hidden_size`, `heads`, `positions`, `vocab_size`.
        hyperparameters: name of a flag or fact -> value.
        data: `fingerprint`, `num_files`, `num_rejected`, `split_by`, `splits` (split -> figures),
            `rrweb_versions` (version -> sessions; empty where not known).
        hardware: `device`, `num_devices`, `train_seconds` (steps alone), `device_hours`.
        versions: of the libraries.
        best: the row of the best evaluation, empty without one.
    """

    is_demonstration: bool
    model: dict[str, int]
    hyperparameters: dict[str, Any]
    data: dict[str, Any]
    hardware: dict[str, Any]
    versions: dict[str, str]
    best: dict[str, float]

    def save(self, folder: Path) -> None:
        """Write `training_summary.json`."""
        content = {"format": _FORMAT, **asdict(self)}
        write_atomically(folder / SUMMARY_FILE, json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The summary in a folder, None where there is none.

        Raises:
            UsageError: the file is not one of ours.
        """
        path = folder / SUMMARY_FILE
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            if content.pop("format") != _FORMAT:
                raise UsageError(f"{path} was written by another version of this program")
            return msgspec.convert(content, cls)
        except (KeyError, AttributeError, json.JSONDecodeError, msgspec.ValidationError) as error:
            raise UsageError(
                f"{path} is damaged ({error}); without it the card is not written anew"
            ) from error


def summarise(
    arguments: Arguments,
    record: RunRecord,
    corpus: PreparedCorpus,
    *,
    history: TrainingHistory,
    model: Any,
    num_epochs: float,
) -> TrainingSummary:
    """Put together what a run was and reached."""
    training = arguments.training
    config = model.config
    best = min(history.evaluation, key=lambda row: row["eval_loss"], default={})
    seconds = training_seconds(
        history, record.identity["windows_per_step"] * record.identity["window_tokens"]
    )
    return TrainingSummary(
        is_demonstration=arguments.is_sample,
        model={
            "num_parameters": int(model.num_parameters()),
            "layers": config.num_hidden_layers,
            "hidden_size": config.hidden_size,
            "heads": config.num_attention_heads,
            "positions": config.max_position_embeddings,
            "vocab_size": config.vocab_size,
        },
        hyperparameters=_hyperparameters(arguments, record, num_epochs),
        data=_data(corpus, is_sample=arguments.is_sample),
        hardware={
            "device": _device_name(training.device),
            "num_devices": training.world_size,
            "train_seconds": round(seconds, 1),
            "device_hours": round(seconds * training.world_size / 3600, 4),
        },
        versions={
            "rrweb-bert": _own_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
        best=dict(best),
    )


def training_seconds(history: TrainingHistory, tokens_per_step: int) -> float:
    """Seconds that the steps of a run took, evaluations and checkpoints left out.

    From the logged pace, so that interruptions do not count and what was trained twice after one
    counts once.
    """
    seconds, last_step = 0.0, 0.0
    for row in history.train:
        pace = row.get("tokens_per_second", 0.0)
        if pace > 0:
            seconds += (row["step"] - last_step) * tokens_per_step / pace
        last_step = row["step"]
    return seconds


def _hyperparameters(arguments: Arguments, record: RunRecord, num_epochs: float) -> dict[str, Any]:
    training = arguments.training
    values = {name: value for name, value in record.identity.items() if name not in _HASHES}
    start = values.get("model_name_or_path")
    if start is not None and not is_hub_name(start):
        values["model_name_or_path"] = "weights of an earlier run"
    return values | {
        "num_train_epochs": round(num_epochs, 4),
        "per_device_train_batch_size": training.per_device_train_batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "processes": training.world_size,
        "precision": "fp16" if training.fp16 else "bf16" if training.bf16 else "fp32",
    }


def _data(corpus: PreparedCorpus, *, is_sample: bool) -> dict[str, Any]:
    splits = {
        split: {
            "sessions": summary.num_sessions,
            "events": summary.num_events,
            "ids": summary.num_ids,
            "keyframes": summary.num_keyframes,
            "windows": corpus.num_windows.get(split, 0),
        }
        for split, summary in corpus.splits.items()
    }
    return {
        "fingerprint": corpus.fingerprint,
        "num_files": corpus.num_listed,
        "num_rejected": corpus.num_rejected,
        "split_by": str(corpus.identity.options.get("group_by", "auto")),
        "splits": splits,
        "rrweb_versions": _sample_versions() if is_sample else {},
    }


def _sample_versions() -> dict[str, int]:
    """Sessions of the embedded sample by rrweb version, which its labels tell."""
    lines = (resources.files("data_prep") / "sample_labels.jsonl").read_text().splitlines()
    return dict(sorted(Counter(json.loads(line)["rrweb"] for line in lines).items()))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def _own_version() -> str:
    try:
        return metadata.version("rrweb-bert")
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        return "from source"
