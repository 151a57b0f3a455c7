"""`arguments.yaml` in the output folder: with it the run can be repeated.

It holds every argument of ours, and those of `TrainingArguments` that differ from transformers' own
default; what "auto" became stands in place of it. Secrets are left out.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from pathlib import Path
from typing import Any, Final

import yaml
from transformers import TrainingArguments

from .arguments import Arguments, RRWebTrainingArguments
from .config_file import GROUPS
from .durable import write_atomically

__all__ = ["ARGUMENTS_FILE", "resolved", "write_arguments"]

ARGUMENTS_FILE: Final = "arguments.yaml"

_HEAD: Final = """\
# The arguments of this run. It is repeated with: train_mlm.py {name} --output_dir ANOTHER_FOLDER
# Relative paths are relative to the folder that the command was started in.
"""
_NEVER: Final = frozenset(("config", "preset", "dry_run", "resume", "resume_from_checkpoint"))
# transformers' own defaults of these may change from release to release, and with them the curve.
_ALWAYS: Final = frozenset(
    ("seed", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm", "optim")
)


def write_arguments(arguments: Arguments, output_dir: Path) -> None:
    """Write `arguments.yaml`, replacing an older one in one step."""
    text = _HEAD.format(name=ARGUMENTS_FILE) + yaml.safe_dump(
        resolved(arguments), sort_keys=False, allow_unicode=True
    )
    output_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(output_dir / ARGUMENTS_FILE, text)


def resolved(arguments: Arguments) -> dict[str, dict[str, Any]]:
    """The arguments by group, of plain types, without secrets."""
    values = {name: _plain(value) for name, value in arguments.values.items()}
    training = arguments.training
    values["precision"] = "fp16" if training.fp16 else "bf16" if training.bf16 else "fp32"
    values["fp16"] = values["bf16"] = False
    if values["model_size"] == "auto":
        values["model_size"] = "base"
    groups: dict[str, dict[str, Any]] = {}
    for group, kind in GROUPS.items():
        names = [field.name for field in dataclasses.fields(kind) if field.init]
        kept = {name: values[name] for name in names if _is_kept(name, values[name], kind)}
        if kept:
            groups[group] = kept
    return groups


def _is_kept(name: str, value: Any, kind: type) -> bool:
    if name in _NEVER or name.endswith("_token"):
        return False
    is_ours = kind is not RRWebTrainingArguments or name in RRWebTrainingArguments.__annotations__
    if is_ours or name in _ALWAYS:
        return True
    return value is not None and value != _plain(_stock_default(name))


def _stock_default(name: str) -> Any:
    field = TrainingArguments.__dataclass_fields__[name]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _plain(value: Any) -> Any:
    """A value as YAML writes it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value
