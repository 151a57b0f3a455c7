"""Runs the commands and the code of a page, one after another, in one folder.

A real bash reads what the page gives it. Commands of ours run in this process, through their own
`main`; those that cannot run in a test stand with their reasons in `not_run.py`.
"""

from __future__ import annotations

import configparser
import contextlib
import doctest
import importlib
import io
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from documentation.blocks import ROOT, Block
from documentation.checking import PACKAGES, WrongCommandError, check_command
from documentation.commands import console_commands
from documentation.not_run import COMMANDS, NOT_COMPARED, reason_of_block, reason_of_command
from documentation.shell import Answer, Asked, run_bash

import train_mlm

Program = Callable[[Asked, Callable[[str], str]], Answer]
"""A stand-in for a program: it is given what is asked, and what runs more shell of the page."""

_OURS = ("python", "python3", "torchrun")
_OF_THE_CLONE = ("benchmarks", "data_prep", "examples", "rrweb_bert", "tests", "train_mlm.py")

_FIGURES = re.compile(r"-?\d[\d,.]*(?:e-?\d+)?")
# How alike two vectors are: the last digit follows the order of sums of the processor.
_LIKENESS = re.compile(r"(?<![\d:])[01]\.\d{2,3}\b")
_TIMES = re.compile(r"\d[\d,.]* (?=s\b|MB/s|[kM]?B\b|CPU|a second)|in \d+ min")
# How far a command is, every few seconds: what a fast machine never says.
_PROGRESS = re.compile(r"[a-z]+ed [\d,]+ .*, about [\d,]+ s left")
_TRAINING = re.compile(r"(?P<start>step \d+/\d+  )(?P<rest>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How a page is run.

    Attributes:
        blocks: what runs, in its order; python blocks share their names.
        folder: where it runs; the working directory.
        replacements: what stands on the page -> what takes its place before anything runs.
        more: `train_mlm.py`, or a command as `rrweb_bert push` -> arguments that make it small.
        then: commands in its running text, which run at the end.
        programs: stand-ins for programs that a test does not have.
        compares: the lines below a command of a console block must be what it prints, `...` for
            anything; figures of time, size on the disk and training may differ.
    """

    blocks: Sequence[Block]
    folder: Path
    replacements: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)
    then: Sequence[str] = ()
    programs: Mapping[str, Program] = field(default_factory=dict)
    compares: bool = False

    def text_of(self, text: str) -> str:
        """With the replacements."""
        for old, new in self.replacements.items():
            text = text.replace(old, new)
        return text


def run_page(page: Page) -> None:
    """Run all blocks of a page, or those for which `not_run.py` has no reason.

    Raises:
        AssertionError: a command fails, prints something else than the page says, or is neither
            run nor has a reason; a file that the page tells its reader to write is never used.
    """
    for name in _OF_THE_CLONE:
        if not (page.folder / name).exists():
            (page.folder / name).symlink_to(ROOT / name)
    names: dict[str, Any] = {"__name__": "page"}
    unused: set[str] = set()
    for block in page.blocks:
        if reason_of_block(block):
            continue
        text = page.text_of(block.text)
        unused = {name for name in unused if Path(name).stem not in text}
        if block.file_name:
            (page.folder / block.file_name).write_text(text)
            unused.add(block.file_name)
        else:
            _run_block(page, block, text, names)
    for source in page.then:
        unused = {name for name in unused if Path(name).stem not in source}
        _run_shell(page, page.blocks[-1], page.text_of(source))
    assert not unused, f"{page.blocks[0].page}: written and not used: {', '.join(unused)}"


def _run_block(page: Page, block: Block, text: str, names: dict[str, Any]) -> None:
    if block.language == "python":
        exec(compile(text, str(block), "exec"), names)  # noqa: S102 - our own page
    elif block.language == "bash":
        _run_shell(page, block, text)
    elif block.language == "console":
        for command in console_commands(text):
            printed = _run_shell(page, block, command.source)
            if page.compares and not _is_of_other_data(block):
                _compare(block, command.output, printed.replace(f"{page.folder}/", ""))
    elif block.language == "ini":
        _run_settings(page, block, text)
    else:
        assert block.language == "text" or "{" in block.language, (
            f"{block}: what is this {block.language} for? Name its file, or give a reason"
        )


def _is_of_other_data(block: Block) -> bool:
    return any(page == block.page and text in block.text for page, text in NOT_COMPARED)


def _run_shell(page: Page, block: Block, source: str) -> str:
    def answer_to(asked: Asked) -> Answer:
        return _answer(page, block, asked)

    unavailable = {prefix.split()[0] for _, prefix in COMMANDS}
    programs = {*_OURS, *page.programs, *unavailable}
    answer = run_bash(source, answer_to, programs, scratch=page.folder / ".bin")
    assert answer.status == 0, f"{block}: status {answer.status} of\n{source}\n{answer.output}"
    return answer.output


def _answer(page: Page, block: Block, asked: Asked) -> Answer:
    words = asked.words
    if words[0] in page.programs:
        answer = page.programs[words[0]](asked, lambda source: _run_shell(page, block, source))
    elif reason_of_command(block.page, words):
        check_command(words)
        return Answer(status=0, output="")
    else:
        answer = run_words(words, page.more, asked=asked)
    assert answer.status == 0, (
        f"{block}: {' '.join(words)}: status {answer.status}\n{answer.output}"
    )
    return answer


def run_words(words: list[str], more: Mapping[str, Sequence[str]], *, asked: Asked) -> Answer:
    """Run a program of ours as a shell would, with the arguments that make it small."""
    printed = io.StringIO()
    with (
        contextlib.chdir(asked.folder),
        mock.patch.dict(os.environ, asked.environment, clear=True),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            status = _run_words(with_more(words, more))
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Answer(status=status, output=printed.getvalue())


def with_more(words: list[str], more: Mapping[str, Sequence[str]]) -> list[str]:
    """The words, and behind them what makes the command small."""
    name = re.search(r"\S+\.py|(?<=-m )\S+ \S+", " ".join(words))
    return [*words, *(more.get(name[0], ()) if name else ())]


def _run_words(words: list[str]) -> int:
    if words[0] == "torchrun":
        command = [sys.executable, "-m", "torch.distributed.run", *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr)
        return done.returncode
    arguments = [word for word in words[1:] if word != "-u"]
    if arguments[0] == "train_mlm.py":
        return train_mlm.main(arguments[1:])
    if arguments[0] == "-m" and arguments[1] in PACKAGES:
        return int(importlib.import_module(f"{arguments[1]}.__main__").main(arguments[2:]))
    if (ROOT / arguments[0]).is_file():
        return _run_script(arguments)
    raise WrongCommandError(f"{' '.join(words)}: cannot be run here, and has no reason")


def _run_script(words: Sequence[str]) -> int:
    path = ROOT / words[0]
    with (
        mock.patch.object(sys, "argv", list(words)),
        mock.patch.object(sys, "path", [str(path.parent), *sys.path]),
    ):
        runpy.run_path(str(path), run_name="__main__")
    return 0


def _run_settings(page: Page, block: Block, text: str) -> None:
    """What setuptools and systemd do with such a file: name entry points, start a command."""
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its manual says
    parser.read_string(text)
    if "options.entry_points" in parser:
        groups = parser["options.entry_points"].items()
        installed = page.folder / "of_the_reader-1.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text("Name: of-the-reader\nVersion: 1\n")
        (installed / "entry_points.txt").write_text(
            "".join(f"[{group}]{points}\n" for group, points in groups)
        )
    elif "Service" in parser:
        _run_shell(page, block, parser["Service"]["ExecStart"])
    else:
        raise AssertionError(f"{block}: what are these settings for? Give a reason")


def _compare(block: Block, expected: str, printed: str) -> None:
    # A line of dots stands for any lines, and for none.
    wanted = re.sub(r"^\.\.\.\n", "...", _comparable(expected), flags=re.MULTILINE)
    got = _comparable(printed)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(wanted, got, flags), (
        f"{block} does not print what the page says:\n{printed}"
    )


def _comparable(text: str) -> str:
    """Without figures that differ from one machine to another, and from one moment to the next."""
    lines = []
    for line in text.splitlines():
        training = _TRAINING.match(line)
        if _PROGRESS.fullmatch(line):
            continue
        if training:
            # What ends in dots ends anywhere.
            lines.append(training["start"] + _FIGURES.sub("#", training["rest"]))
        elif line.startswith("finished: ") or line.startswith("| "):
            lines.append(_FIGURES.sub("#", line))
        else:
            lines.append(_LIKENESS.sub("#", _TIMES.sub("# ", line)))
    return "".join(f"{line}\n" for line in lines)
