"""Arguments from a YAML or JSON file: the names of the flags, and their values.

::

    # comments are allowed
    data_dir: corpus
    training:              # groups (run, model, data, training) are optional
      learning_rate: 5e-5
      report_to: [wandb, tensorboard]

Values are read as the flag would read them, so that `5e-5` is a number and `no` is the word that
`eval_strategy` takes. Nothing but these names is accepted, each once.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import yaml
from transformers import TrainingArguments
from transformers.hf_argparser import string_to_bool

from .argument_parser import DATACLASSES
from .data_arguments import DataArguments
from .model_arguments import ModelArguments, RunArguments
from .options import UsageError, did_you_mean
from .training_arguments import RRWebTrainingArguments

__all__ = ["GROUPS", "parse_config", "read_config"]

GROUPS: Final = {
    "run": RunArguments,
    "model": ModelArguments,
    "data": DataArguments,
    "training": RRWebTrainingArguments,
}
"""Names under which arguments may stand together -> whose they are."""

_MAX_BYTES: Final = 1 << 20
_NULL: Final = "tag:yaml.org,2002:null"
_NOT_IN_A_FILE: Final = ("config", "local_rank")
# A value may claim any of YAML's types by a tag, and not be of it.
_BAD_VALUES: Final = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError)
_MAPPINGS: Final = frozenset((*TrainingArguments._VALID_DICT_FIELDS, "liger_kernel_config"))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Of plain types alone, and `1e-5` is a number, as in JSON and YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_config(path: Path, options: Mapping[str, argparse.Action]) -> dict[str, Any]:
    """The arguments in a file, by flag name.

    Args:
        path: YAML or JSON, at most 1 MiB.
        options: the known flags.

    Raises:
        UsageError: the file cannot be read, or holds something else; names file and line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--config {path} cannot be read: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise UsageError(f"--config {path} is larger than 1 MiB; that is no list of arguments")
    return parse_config(content, str(path), options)


def parse_config(
    content: bytes | str, name: str, options: Mapping[str, argparse.Action]
) -> dict[str, Any]:
    """As `read_config`, of a text; `name` stands for it in messages."""
    try:
        root = yaml.compose(content, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise UsageError(f"{name}{line}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: this is not YAML: {error}") from error
    except RecursionError:
        raise UsageError(f"{name}: nested too deeply for a list of arguments") from None
    if root is None:
        return {}
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, node, members in _entries(root, name, options):
        line = key.start_mark.line + 1
        argument = key.value
        if argument in lines:
            raise UsageError(f"{name}:{line}: {argument} stands in line {lines[argument]} already")
        lines[argument] = line
        if argument not in members:
            raise UsageError(f"{name}:{line}: {_misplaced(argument, members, options)}")
        values[argument] = _value(node, options[argument], f"{name}:{line}: {argument}")
    return values


def _entries(
    root: yaml.Node, name: str, options: Mapping[str, argparse.Action]
) -> Iterator[tuple[yaml.ScalarNode, yaml.Node, Collection[str]]]:
    """Each argument's key and value, and which arguments may stand there."""
    everywhere = [option for option in options if option not in _NOT_IN_A_FILE]
    for key, node in _pairs(root, name):
        if key.value not in GROUPS or key.value in options:
            yield key, node, everywhere
            continue
        members = {field.name for field in dataclasses.fields(GROUPS[key.value])}
        if node.tag != _NULL:  # a group may be empty
            for inner_key, inner in _pairs(node, name):
                yield inner_key, inner, members - {*_NOT_IN_A_FILE}


def _pairs(node: yaml.Node, name: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{name}:{line}: arguments are written as NAME: VALUE, one a line")
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(f"{name}:{key.start_mark.line + 1}: a name of an argument is a word")
        yield key, value


def _misplaced(
    argument: str, members: Collection[str], options: Mapping[str, argparse.Action]
) -> str:
    if argument in _NOT_IN_A_FILE:
        return f"{argument} cannot stand in a file"
    if argument in options:
        return f"{argument} belongs to another group"
    return f"there is no argument {argument}{did_you_mean(argument, members)}"


def _value(node: yaml.Node, option: argparse.Action, where: str) -> Any:
    """The value of an argument, of the type that its flag gives."""
    if node.tag == _NULL and isinstance(node, yaml.ScalarNode) and node.style is None:
        if option.dest not in _OPTIONAL:
            raise UsageError(f"{where} cannot be null")
        return None
    if option.dest in _MAPPINGS and isinstance(node, yaml.MappingNode):
        try:
            return _Loader("").construct_document(node)
        except _BAD_VALUES as error:
            raise UsageError(f"{where} has a value that cannot be read: {error}") from error
    if option.nargs == "+" and isinstance(node, yaml.SequenceNode):
        return [_scalar(member, option, where) for member in node.value]
    value = _scalar(node, option, where)
    return [value] if option.nargs == "+" else value


def _scalar(node: yaml.Node, option: argparse.Action, where: str) -> Any:
    wanted = _wanted(option)
    if not isinstance(node, yaml.ScalarNode):
        kind = "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
        raise UsageError(f"{where} takes {wanted}, not {kind}")
    text = _text(node.value, where)
    if option.choices is not None:
        names = [str(choice) for choice in option.choices]
        if text not in names:
            hint = did_you_mean(text, names)
            raise UsageError(f"{where} takes one of {', '.join(names)}, not {text!r}{hint}")
        return text
    if option.type in (None, str):
        return text
    # In quotation marks it is a text, and numbers and truth values are none.
    problem = UsageError(f"{where} takes {wanted}, not {text!r}")
    if node.style is not None or option.type is None:
        raise problem
    try:
        value = _convert(option.type, text)
    except (ValueError, TypeError, argparse.ArgumentTypeError):
        raise problem from None
    if isinstance(value, float) and not math.isfinite(value):
        raise problem
    return value


def _text(text: str, where: str) -> str:
    """A text; JSON writes characters beyond U+FFFF as two halves, which belong together."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise UsageError(f"{where} holds half a character: {text!r}") from None


def _convert(convert: Any, text: str) -> Any:
    if convert is string_to_bool:
        # YAML's words for true and false, of which the flag knows all but two.
        return convert({"on": "true", "off": "false"}.get(text.lower(), text))
    return convert(text)


def _wanted(option: argparse.Action) -> str:
    if option.type is string_to_bool:
        return "true or false"
    kinds: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        None: "a text",
    }
    return kinds.get(option.type, "another kind of value")


def _optional_names() -> frozenset[str]:
    names = set()
    for kind in DATACLASSES:
        for name, hint in get_type_hints(kind).items():
            if type(None) in get_args(hint):
                names.add(name)
    return frozenset(names)


_OPTIONAL: Final = _optional_names()
