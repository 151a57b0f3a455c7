"""Command line, file and preset -> four dataclasses.

What is given twice is taken from the flag, then from the file, then from the preset; the rest has
the defaults of the reference job, or of the sample's plan where no data is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from .argument_parser import ArgumentParser
from .config_file import parse_config, read_config
from .data_arguments import DataArguments
from .model_arguments import ModelArguments, RunArguments
from .options import UsageError
from .presets import preset_file
from .sample_plan import sample_defaults
from .training_arguments import RRWebTrainingArguments

__all__ = [
    "Arguments",
    "DataArguments",
    "ModelArguments",
    "RRWebTrainingArguments",
    "RunArguments",
    "UsageError",
    "parse_arguments",
]

# Flags that say the same thing: who gives one of them overrules all that stand lower.
_RIVALS: Final = (
    frozenset(("precision", "fp16", "bf16")),
    frozenset(("resume", "resume_from_checkpoint")),
    frozenset(("max_steps", "num_train_epochs")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """All arguments of a run.

    Attributes:
        explicit: names of those that a flag or the file gives, without dashes.
        sources: name -> "flag", the file, "preset NAME" or "sample plan"; the others are defaults.
        values: name -> value as given or by default, of plain types.
        is_sample: no data was named, so the embedded sample and its plan are used.
    """

    run: RunArguments
    model: ModelArguments
    data: DataArguments
    training: RRWebTrainingArguments
    explicit: frozenset[str]
    sources: Mapping[str, str]
    values: Mapping[str, Any]
    is_sample: bool


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Parse a command line and the file and preset that it names.

    Raises:
        UsageError: an unknown name or a value that cannot be; the message says what to change.
    """
    parser = ArgumentParser()
    if {"-h", "--help"} & set(argv):
        parser.parse_args(["--help"])  # here, since it shows the defaults of the real job
    argv = _with_config_flag(argv)
    flags = parser.given(argv)
    layers = {"flag": flags}
    if "config" in flags:
        layers[flags["config"]] = read_config(Path(flags["config"]), parser.options())
    preset = _first("preset", layers)
    if preset is not None:
        text = preset_file(preset).read_text(encoding="utf-8")
        layers[f"preset {preset}"] = parse_config(text, f"preset {preset}", parser.options())
    given, sources = _merge(layers)
    explicit = frozenset(n for n, source in sources.items() if not source.startswith("preset "))
    is_sample = given.get("data_dir") is None
    if is_sample:
        has_cuda = torch.cuda.is_available() and not given.get("use_cpu")
        plan = sample_defaults(given.keys(), has_cuda=has_cuda)
        sources = dict.fromkeys(plan, "sample plan") | sources
        given = plan | given
    defaults = {name: value for name, value in given.items() if sources[name] != "flag"}
    parser.set_defaults(**defaults)
    values = vars(parser.parse_args(argv))
    parser.set_defaults(**_dependent_defaults(explicit, values))
    values = dict(vars(parser.parse_args(argv)))
    try:
        run, model, data, training = parser.parse_args_into_dataclasses(
            argv, look_for_args_file=False
        )
    except UsageError:
        raise
    except ValueError as error:  # transformers' own checks; their text names the flags
        raise UsageError(str(error)) from error
    return Arguments(
        run=run,
        model=model,
        data=data,
        training=training,
        explicit=explicit,
        sources=sources,
        values=values,
        is_sample=is_sample,
    )


def _with_config_flag(argv: Sequence[str]) -> list[str]:
    """The command line with a file that stands first put behind its flag."""
    words = list(argv)
    if not words or words[0].startswith("-"):
        return words
    if any(word.split("=")[0] == "--config" for word in words):
        raise UsageError(f"{words[0]} and --config both name a file; give one")
    return ["--config", *words]


def _first(name: str, layers: Mapping[str, Mapping[str, Any]]) -> Any:
    return next((layer[name] for layer in layers.values() if name in layer), None)


def _merge(
    layers: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Any], dict[str, str]]:
    """What is given, and by whom; earlier layers win."""
    given: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers.items():
        settled = set(given) | {name for names in _rivals_of(given) for name in names}
        for name, value in layer.items():
            if name not in settled:
                given[name], sources[name] = value, source
    return given, sources


def _rivals_of(names: Iterable[str]) -> list[frozenset[str]]:
    present = set(names)
    return [rivals for rivals in _RIVALS if rivals & present]


def _dependent_defaults(explicit: frozenset[str], values: dict[str, Any]) -> dict[str, Any]:
    """Defaults that follow a given flag, so that one flag is enough to change both of a pair."""
    defaults: dict[str, Any] = {}

    def follow(name: str, source: str) -> None:
        if name not in explicit and source in explicit:
            defaults[name] = values[source]

    if "per_device_eval_batch_size" not in explicit:
        defaults["per_device_eval_batch_size"] = values["per_device_train_batch_size"]
    follow("eval_steps", "save_steps")
    follow("save_steps", "eval_steps")
    if "no" in (values["eval_strategy"], values["save_strategy"]):
        if "load_best_model_at_end" not in explicit:
            defaults["load_best_model_at_end"] = False
    else:
        follow("save_strategy", "eval_strategy")
        follow("eval_strategy", "save_strategy")
    return defaults
