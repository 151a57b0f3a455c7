"""Whether a command could run as it stands: its program's own parser takes it, its files exist.

Nothing is run. A program of ours is imported and its `main` called, with argparse changed to stop
at the moment when it has understood the whole command line.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import io
import re
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

from documentation.blocks import ROOT

from rrweb_bert.arguments import UsageError, parse_arguments

PACKAGES = ("data_prep", "rrweb_bert", "rrweb_tokenizer")

NOT_CHECKED = {
    ".": "of the reader's shell",
    "cp": "of the reader's shell",
    "exit": "of the reader's shell",
    "grep": "of the reader's shell",
    "mkdir": "of the reader's shell",
    "nvidia-smi": "needs a GPU",
    "npm": "needs Node.js and a registry",
    "ps": "of the reader's shell",
    "sbatch": "needs Slurm",
    "scontrol": "needs Slurm",
    "tail": "of the reader's shell",
}
"""Programs that are not ours and that a test cannot ask, each with the reason; bash reads them."""

MODULES_NOT_CHECKED = {
    "build": "fetches what it builds with",
    "venv": "part of Python",
}
"""The same for `python -m`."""

PASSES_ON = {"benchmarks/text_bert_baseline.py"}
"""Scripts that hand what they do not know to the parser of train_mlm.py."""

_PREFIXES = {"nohup": 1, "srun": 1, "time": 1, "nice": 1}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


class WrongCommandError(AssertionError):
    """The command would not run; the text says why."""


class IncompleteCommandError(WrongCommandError):
    """The command lacks an argument; what it has is right."""


class _ParsedError(BaseException):
    """Stops a program that has understood its command line; no program catches it."""

    def __init__(self, others: list[str]) -> None:
        self.others = others


def check_command(words: Sequence[str]) -> None:
    """Check one command.

    Raises:
        WrongCommandError: its program is unknown, or does not take it.
    """
    words = _shorn(words)
    if not words:
        return
    program, arguments = words[0], words[1:]
    # `NAME...` is as many as one likes, `...` whatever else.
    arguments = [word.removesuffix("...") for word in arguments if word != "..."]
    arguments = [word.replace("$SLURM_ARRAY_TASK_ID", "0") for word in arguments]
    check = _CHECKS.get(program)
    if check is not None:
        check(arguments)
    elif program not in NOT_CHECKED and not ("/" in program and (ROOT / program).is_file()):
        raise WrongCommandError(
            f"{program}: no check knows this program; add one, or a reason to NOT_CHECKED"
        )


def _shorn(words: Sequence[str]) -> list[str]:
    """Without assignments and programs that start others."""
    words = list(words)
    while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] in _PREFIXES):
        words = words[1:]
    return words


def _python(arguments: list[str]) -> None:
    while arguments and arguments[0] in {"-u"}:
        arguments = arguments[1:]
    if arguments[:1] == ["-m"]:
        module, rest = arguments[1], arguments[2:]
        if module in _CHECKS:
            _CHECKS[module](rest)
        elif module.split(".")[0] in PACKAGES:
            others = _parse(rest, lambda: runpy.run_module(module, run_name="__main__"), module)
            if others:
                raise WrongCommandError(f"{module}: unknown arguments {' '.join(others)}")
        elif module not in MODULES_NOT_CHECKED:
            raise WrongCommandError(f"python -m {module}: no check knows it")
    else:
        _script(arguments)


def _script(arguments: list[str]) -> None:
    if not arguments:
        raise WrongCommandError("no script is named")
    script, rest = arguments[0], arguments[1:]
    path = ROOT / script
    if not path.is_file():
        raise WrongCommandError(f"{script} is not in the repository")
    if script == "train_mlm.py":
        _train_mlm(rest)
        return
    with mock.patch.object(sys, "path", [str(path.parent), *sys.path]):
        others = _parse(rest, lambda: runpy.run_path(str(path), run_name="__main__"), script)
    if script in PASSES_ON:
        _train_mlm(others)
    elif others:
        raise WrongCommandError(f"{script}: unknown arguments {' '.join(others)}")


def _train_mlm(arguments: list[str]) -> None:
    if "--help" in arguments:
        return
    try:
        parse_arguments(arguments)
    except UsageError as error:
        raise WrongCommandError(f"train_mlm.py: {error}") from error


def _parse(arguments: list[str], start: Callable[[], object], name: str) -> list[str]:
    """Let a program parse its arguments, and return those that its parser left."""
    complaints = io.StringIO()
    with (
        mock.patch.object(sys, "argv", [name, *arguments]),
        _stopping_parsers(),
        contextlib.redirect_stderr(complaints),
        warnings.catch_warnings(),
    ):
        # runpy warns of modules that are imported already: those of other tests.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            start()
        except _ParsedError as parsed:
            return parsed.others
        except SystemExit as ended:
            if ended.code == 0:  # --help
                return []
            raise _complaint(name, arguments, complaints) from None
    raise WrongCommandError(f"{name} ran to its end without parsing anything")


@contextlib.contextmanager
def _stopping_parsers() -> Iterator[None]:
    known = argparse.ArgumentParser.parse_known_args
    all_of_them = argparse.ArgumentParser.parse_args
    depth = {"known": 0, "all": 0}

    def parse_known_args(self, args=None, namespace=None, **options):
        depth["known"] += 1
        try:
            result = known(self, args, namespace, **options)
        finally:
            depth["known"] -= 1
        if not depth["known"] and not depth["all"]:
            raise _ParsedError(result[1])
        return result

    def parse_args(self, args=None, namespace=None):
        depth["all"] += 1
        try:
            all_of_them(self, args, namespace)
        finally:
            depth["all"] -= 1
        raise _ParsedError([])

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_known_args", parse_known_args),
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args),
        _no_abbreviations(),
    ):
        yield


def _no_abbreviations() -> contextlib.AbstractContextManager[object]:
    """A cut-off name of an option is a misspelt one here."""
    return mock.patch.object(argparse.ArgumentParser, "_get_option_tuples", return_value=[])


def _complaint(name: str, arguments: list[str], complaints: io.StringIO) -> WrongCommandError:
    """What a parser says; those of others name missing arguments before unknown options."""
    says = f"{name}: {_last_words(complaints)}"
    if not re.search(
        r"arguments are required|is required|no such command: 'COMMAND'|name a command", says
    ):
        return WrongCommandError(says)
    usage = re.split(r"[\s\[\](),|]+", complaints.getvalue())
    is_ours = "options" in usage  # stands for all of them
    for word in [] if is_ours else arguments:
        if word.startswith("--") and word.partition("=")[0] not in usage:
            return WrongCommandError(f"{name}: unrecognized argument {word}")
    return IncompleteCommandError(says)


def _last_words(complaints: io.StringIO) -> str:
    """What a parser says below its usage."""
    return complaints.getvalue().strip().rpartition("error: ")[2]


def _launcher(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """A program that starts training in several processes."""
    complaints = io.StringIO()
    with contextlib.redirect_stderr(complaints), _no_abbreviations():
        try:
            parsed = parser.parse_args(arguments)
        except SystemExit:
            raise _complaint(parser.prog, arguments, complaints) from None
    _script([parsed.training_script, *parsed.training_script_args])


def _torchrun(arguments: list[str]) -> None:
    from torch.distributed.run import get_args_parser

    _launcher(get_args_parser(), arguments)


def _accelerate(arguments: list[str]) -> None:
    from accelerate.commands.launch import launch_command_parser

    if arguments[:1] != ["launch"]:
        raise WrongCommandError(f"accelerate {arguments[:1]}: only launch is known here")
    _launcher(launch_command_parser(), arguments[1:])


def _setup() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def _pip(arguments: list[str]) -> None:
    extras = _setup()["options.extras_require"]
    for word in arguments:
        found = re.fullmatch(r"(?:\.|rrweb-bert|[\w/.-]+\.whl)\[(?P<extras>[\w,-]+)\]", word)
        for extra in found["extras"].split(",") if found else []:
            if extra not in extras:
                raise WrongCommandError(f"pip: setup.cfg has no extra {extra}")
    if arguments[:1] != ["install"]:
        raise WrongCommandError(f"pip {arguments[:1]}: only install is known here")


def _pytest(arguments: list[str]) -> None:
    markers = re.findall(r"^(\w+):", _setup()["tool:pytest"]["markers"], re.MULTILINE)
    expected = None
    for word in arguments:
        if expected == "-m":
            unknown = set(re.findall(r"\w+", word)) - {"and", "or", "not", *markers}
            if unknown:
                raise WrongCommandError(f"pytest: no marker {', '.join(unknown)}")
        elif (
            expected is None
            and not word.startswith("-")
            and not (ROOT / word.split("::")[0]).exists()
        ):
            raise WrongCommandError(f"pytest: {word} does not exist")
        expected = word if word in {"-m", "-k", "-n"} else None


def _make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in (word for word in arguments if not word.startswith("-")):
        if not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE):
            raise WrongCommandError(f"make: no target {target}")


def _cd(arguments: list[str]) -> None:
    if not all((ROOT / folder).is_dir() for folder in arguments):
        raise WrongCommandError(f"cd: {' '.join(arguments)} is not in the repository")


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "accelerate": _accelerate,
    "cd": _cd,
    "make": _make,
    "pip": _pip,
    "pytest": _pytest,
    "python": _python,
    "python3": _python,
    "torchrun": _torchrun,
}
