"""Runs the commands and the code of a page, one after another, in one folder.

Commands of ours run in this process, through their own `main`: what takes long is to import torch.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from documentation.blocks import ROOT, Block
from documentation.checking import PACKAGES, WrongCommandError, check_command
from documentation.commands import console_commands, simple_commands

import train_mlm

SHELL = {"cp", "mkdir"}
"""Programs of the reader's shell that are run as they are."""

_FIGURES = re.compile(r"-?\d[\d,.]*(?:e-?\d+)?")
# How alike two vectors are: the last digit follows the order of sums of the processor.
_LIKENESS = re.compile(r"(?<![\d:])[01]\.\d{2,3}\b")
_TIMES = re.compile(r"\d[\d,.]* (?=s\b|MB/s|[kM]?B\b|CPU|a second)|in \d+ min")
# How far a command is, every few seconds: what a fast machine never says.
_PROGRESS = re.compile(r"[a-z]+ed [\d,]+ .*, about [\d,]+ s left")
_TRAINING = re.compile(r"(?P<start>step \d+/\d+  )(?P<rest>.*)")


def run_page(
    blocks: Sequence[Block],
    *,
    replacements: Mapping[str, str],
    more: Mapping[str, Sequence[str]],
    folder: Path,
    compares: bool = False,
) -> None:
    """Run a page's blocks in their order; python blocks share their names.

    Args:
        blocks: of one page; blocks that only show something pass by.
        replacements: what stands on the page -> what takes its place before anything runs.
        more: `train_mlm.py`, or a command as `rrweb_bert push` -> arguments that make it small.
        folder: where it runs; the working directory.
        compares: the lines below a command of a console block must be what it prints, `...` for
            anything; figures of time, size on the disk and training may differ.
    """
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        text = block.text
        for old, new in replacements.items():
            text = text.replace(old, new)
        if block.file_name:
            (folder / block.file_name).write_text(text)
        elif block.language == "python":
            exec(compile(text, str(block), "exec"), names)  # noqa: S102 - our own page
        elif block.language == "bash":
            _run(block, text, more)
        elif block.language == "console":
            for command in console_commands(text):
                printed = _run(block, command.source, more)
                if compares:
                    _compare(block, command.output, printed.replace(f"{folder}/", ""))


def _run(block: Block, source: str, more: Mapping[str, Sequence[str]]) -> str:
    printed = io.StringIO()
    for words in simple_commands(source):
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = _run_words(words, more)
        assert status == 0, f"{block}: {' '.join(words)}: status {status}\n{printed.getvalue()}"
    return printed.getvalue()


def _run_words(words: list[str], more: Mapping[str, Sequence[str]]) -> int:
    if words[0] in SHELL:
        return subprocess.run(words, check=False).returncode
    if words[0] != "python":
        check_command(words)  # pip and the like: not ours to run
        return 0
    if words[1] == "train_mlm.py":
        return train_mlm.main([*words[2:], *more.get("train_mlm.py", ())])
    if words[1] == "-m" and words[2] in PACKAGES:
        main = importlib.import_module(f"{words[2]}.__main__").main
        return int(main([*words[3:], *more.get(" ".join(words[2:4]), ())]))
    if words[1].startswith("examples/"):
        return _run_script([*words[1:], *more.get(words[1], ())])
    raise WrongCommandError(f"{' '.join(words)} cannot be run here")


def _run_script(words: Sequence[str]) -> int:
    with mock.patch.object(sys, "argv", list(words)):
        try:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def _compare(block: Block, expected: str, printed: str) -> None:
    wanted, got = _comparable(expected), _comparable(printed)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(wanted, got, flags), (
        f"{block} does not print what the page says:\n{printed}"
    )


def _comparable(text: str) -> str:
    """Without figures that differ from one machine to another, and from one moment to the next."""
    lines = []
    for line in text.splitlines():
        if _PROGRESS.fullmatch(line):
            continue
        training = _TRAINING.match(line)
        if training:
            # What ends in dots ends anywhere.
            lines.append(training["start"] + _FIGURES.sub("#", training["rest"]))
        elif line.startswith("finished: ") or line.startswith("| "):
            lines.append(_FIGURES.sub("#", line))
        else:
            lines.append(_LIKENESS.sub("#", _TIMES.sub("# ", line)))
    return "".join(f"{line}\n" for line in lines)
