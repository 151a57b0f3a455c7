"""The parser of `train_mlm.py`, and its help: our flags by subject, transformers' own last."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

from transformers import HfArgumentParser

from rrweb_tokenizer.command_line import none_of

from .data_arguments import PREPARING, DataArguments
from .model_arguments import ModelArguments, RunArguments
from .options import UsageError, shown, unknown_argument
from .training_arguments import RRWebTrainingArguments

__all__ = ["DATACLASSES", "HELP_GROUPS", "ArgumentParser"]

DATACLASSES: Final = (RunArguments, ModelArguments, DataArguments, RRWebTrainingArguments)

HELP_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "the run": (
        *("config", "preset", "dry_run", "output_dir", "resume", "resume_from_checkpoint"),
        "report_to",
    ),
    "the model": (
        *("model_size", "model_name_or_path", "hidden_dropout", "attention_dropout"),
        *("precision", "compile"),
    ),
    "the recordings": (
        *("data_dir", "cache_dir", *PREPARING, "tokenizer_name_or_path", "num_proc", "streaming"),
        *("cache_sessions", "cache_bytes"),
    ),
    "windows and masks": ("window_tokens", "samples_per_epoch", "sampling", "mlm_probability"),
    "optimisation": (
        *("per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs"),
        *("max_steps", "learning_rate", "weight_decay", "lr_scheduler_type", "warmup_steps"),
        *("restart_epochs", "restart_multiplier"),
    ),
    "log, evaluation, checkpoints": (
        *("logging_steps", "eval_strategy", "eval_steps", "per_device_eval_batch_size"),
        *("save_strategy", "save_steps", "save_total_limit", "load_best_model_at_end"),
        *("metric_for_best_model", "greater_is_better"),
    ),
    "rarely changed": (
        *("dataloader_num_workers", "logging_nan_inf_filter", "remove_unused_columns"),
        *("ignore_data_skip", "include_num_input_tokens_seen", "full_determinism"),
        *("loader_timeout", "ddp_find_unused_parameters", "ddp_broadcast_buffers"),
    ),
}
"""Subject -> names of the flags that have a default or a meaning of ours."""

_USAGE: Final = "train_mlm.py [CONFIG.yaml] [--flag value ...]"
_DESCRIPTION: Final = (
    "Pre-train BERT on rrweb session recordings with masked-language modelling. What is given "
    "twice is taken from the flag, then from the file, then from the preset. Flags may be spelt "
    "with - for _. In brackets: what a value counts or is."
)
_MAX_CHOICES: Final = 8
_OTHERS: Final = "all other flags of transformers.TrainingArguments"


class _Formatter(argparse.HelpFormatter):
    """Names each flag once, its opposite beside it, and its default beside its unit."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=10)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = [name for name in action.option_strings if "-" not in name.lstrip("-")]
        if action.default is True and action.nargs == "?":
            names.append(f"--no_{action.dest}")
        value = ""
        if action.nargs != 0:
            metavar = self._metavar_formatter(action, action.dest.upper())
            value = " " + self._format_args(action, "").strip() if metavar(1)[0] else ""
        is_short = action.choices is not None and len(list(action.choices)) <= _MAX_CHOICES
        return ", ".join(names) + (value if is_short else "")

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", f"default: {shown(action.default)}".replace("%", "%%")
        if text.endswith("]"):
            return f"{text[:-1]}; {default}]"
        return f"{text} [{default}]".lstrip()


class ArgumentParser(HfArgumentParser):  # type: ignore[misc]
    """Every flag of ours and of `TrainingArguments`; a wrong one raises `UsageError`."""

    def __init__(self) -> None:
        super().__init__(
            DATACLASSES,
            prog="train_mlm.py",
            usage=_USAGE,
            description=_DESCRIPTION,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving the process.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message}{'' if message.endswith('?') else '.'} See --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            told = none_of(shown(value), [shown(choice) for choice in choices])
            self.error(f"--{action.dest}: {told}")

    def options(self) -> dict[str, argparse.Action]:
        """The flags by name, each with the action that takes its value."""
        options: dict[str, argparse.Action] = {}
        for action in self._actions:
            if action.dest != "help":
                options.setdefault(action.dest, action)
        return options

    def format_help(self) -> str:
        """The help, by subject."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, actions in _sections(self.options()):
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        return str(formatter.format_help())

    def given(self, argv: Sequence[str]) -> dict[str, Any]:
        """The flags that `argv` gives, with their values.

        Raises:
            UsageError: there is an unknown one, or a value that cannot be.
        """
        parser = ArgumentParser()
        parser.set_defaults(**dict.fromkeys(self.options(), _NOT_GIVEN))
        namespace, unknown = parser.parse_known_args(argv)
        if unknown:
            raise UsageError(self._refusal(unknown[0]))
        return {name: value for name, value in vars(namespace).items() if value is not _NOT_GIVEN}

    def _refusal(self, unknown: str) -> str:
        if not unknown.startswith("-"):
            where = "a configuration file stands first, or behind --config"
            return f"unknown argument {unknown}; {where}. See --help"
        known = [option for action in self._actions for option in action.option_strings]
        return unknown_argument(unknown, known)


_NOT_GIVEN: Final = object()


def _sections(
    options: dict[str, argparse.Action],
) -> Iterator[tuple[str, list[argparse.Action]]]:
    rest = dict(options)
    for title, names in HELP_GROUPS.items():
        yield title, [rest.pop(name) for name in names]
    yield _OTHERS, list(rest.values())
