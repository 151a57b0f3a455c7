"""What the command lines of all packages share: a parser that helps, and the exit statuses.

Exit status: 0 done, 1 found problems or failed on the way, 2 cannot run as asked (a wrong call, or
input that the user has to change), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NoReturn

__all__ = [
    "CANNOT_RUN",
    "DONE",
    "FOUND_PROBLEMS",
    "STOPPED",
    "CommandParser",
    "did_you_mean",
    "exit_status",
    "none_of",
]

DONE: Final = 0
FOUND_PROBLEMS: Final = 1
CANNOT_RUN: Final = 2
STOPPED: Final = 130

_EXAMPLE: Final = "example:\n  "
_MAX_NAMED: Final = 12


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error message that names the nearest known word, if one is near."""
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]}?" if close else ""


def none_of(value: str, choices: Collection[str]) -> str:
    """The error message of a value that is none of the choices."""
    named = f"the {len(choices)} names that --help lists"
    if len(choices) <= _MAX_NAMED:
        named = ", ".join(choices)
    return f"{value!r} is none of {named}{did_you_mean(value, choices)}"


class CommandParser(argparse.ArgumentParser):
    """A parser with commands or of one: short usage, and errors that name what may be meant.

    Attributes:
        commands: name -> parser, of those added by `add_command`.
    """

    def __init__(self, **settings: Any) -> None:
        """As `argparse.ArgumentParser`; options cannot be abbreviated."""
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, **settings)
        self.commands: dict[str, CommandParser] = {}
        self._choices: argparse._SubParsersAction[CommandParser] | None = None

    def add_command(self, name: str, summary: str) -> CommandParser:
        """Add a command, and return its parser, to which `example` and options are added.

        Args:
            name: As it is typed.
            summary: The line that the help of all commands prints.
        """
        if self._choices is None:
            self._positionals.title = "commands (--help of each tells more)"
            self._choices = self.add_subparsers(dest="command", required=True, metavar="COMMAND")
        command = self._choices.add_parser(name, help=summary, description=summary)
        command.set_defaults(parser=command)
        self.commands[name] = command
        return command

    def set_example(self, words: str) -> None:
        """Let the help end with a call: what stands behind the program's name, a line or more."""
        calls = [f"{self.prog} {line}".rstrip() for line in words.splitlines()]
        self.epilog = _EXAMPLE + "\n  ".join(calls)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments in `words`; of a command, its parser is among them as `parser`.

        What is misspelt is told first: it may be what seems to be missing.
        """
        self._check_names(words)
        parsed, left = self.parse_known_args(words)
        if left:
            asked: CommandParser = getattr(parsed, "parser", self)
            asked.error(f"one argument too many: {left[0]}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and leave the process with status 2."""
        self.print_usage(sys.stderr)
        self.exit(CANNOT_RUN, f"{self.prog}: error: {message}\n")

    def _check_names(self, words: Sequence[str]) -> None:
        """Leave the process where a command or an option is none that there is."""
        if self.commands:
            if not words:
                self.print_help(sys.stderr)
                self.exit(CANNOT_RUN, f"\n{self.prog}: error: name a command\n")
            if words[0] in self.commands:
                self.commands[words[0]]._check_names(words[1:])
                return
            if not words[0].startswith("-"):
                self.error(f"no such command: {none_of(words[0], self.commands)}")
        known = [option for action in self._actions for option in action.option_strings]
        for word in words:
            if word == "--":
                return
            name = word.partition("=")[0]
            if _looks_like_an_option(word) and name not in known:
                self.error(f"unknown argument {name}{did_you_mean(name, known)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is not None and value not in choices:
            raise argparse.ArgumentError(action, none_of(str(value), [str(c) for c in choices]))


def exit_status(
    work: Callable[[], int],
    *,
    refusals: tuple[type[Exception], ...],
    shown: Callable[[str], str],
    only_tells: bool = False,
) -> int:
    """Do the work of a command and return its exit status, errors told in a line.

    Args:
        work: Returns the status where all goes well.
        refusals: What it raises for what the user has to change.
        shown: Makes the text of such an error harmless to a terminal.
        only_tells: It does nothing but print, so a reader who goes away has seen enough.
    """
    # A terminal that cannot show a character shows another one instead.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        status = work()
        sys.stdout.flush()
    except refusals as error:
        print(f"error: {shown(str(error))}", file=sys.stderr)
        return CANNOT_RUN
    except BrokenPipeError:
        # What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE if only_tells else FOUND_PROBLEMS
    except KeyboardInterrupt:
        print("stopped; the same command goes on, or starts again", file=sys.stderr)
        return STOPPED
    return status


def _looks_like_an_option(word: str) -> bool:
    """As argparse has it: not a dash alone, a number below 0, or words with a space."""
    if not word.startswith("-") or word == "-" or " " in word:
        return False
    try:
        float(word)
    except ValueError:
        return True
    return False


class _Formatter(argparse.HelpFormatter):
    """Usage of what must be given, defaults where there are some, examples as they are typed."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        actions, groups = list(actions), [group for group in groups if group.required]
        alternatives = [action for group in groups for action in group._group_actions]
        needed = [a for a in actions if not a.option_strings or a.required or a in alternatives]
        if any("--help" not in action.option_strings for action in actions if action not in needed):
            needed.append(argparse.Action([], "options", metavar="[options]"))
        super().add_usage(usage, needed, groups, prefix)

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):  # the names, and no heading of their own
            return "".join(map(self._format_action, action._get_subactions()))
        return super()._format_action(action)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        is_told = not action.option_strings or "default" in text or action.required
        nothing: tuple[Any, ...] = (None, "", [], argparse.SUPPRESS)
        if is_told or action.default is False or action.default in nothing:  # 0 is something
            return text
        return f"{text} (default %(default)s)".lstrip()

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_EXAMPLE) else super()._fill_text(text, width, indent)
