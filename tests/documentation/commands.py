"""The commands that a shell block holds, and what it shows of their output."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

_SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "(", ")", ";;"})
_KEYWORDS = frozenset("if then else elif fi for while until do done ! { }".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line of a console block, and the lines that are shown below it."""

    source: str
    output: str


def console_commands(text: str) -> list[Command]:
    """What stands behind each `$ `, and what it printed."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line.removeprefix('> ')}", [])
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"a console block begins with `$ `, not with {line!r}")
    return [Command(source=source, output="\n".join(lines)) for source, lines in found]


def simple_commands(source: str) -> list[list[str]]:
    """The words of each command of a piece of shell, redirections and keywords left out.

    >>> simple_commands("A=1 pip install -e . && tail -f out > x 2>&1 &")
    [['A=1', 'pip', 'install', '-e', '.'], ['tail', '-f', 'out']]
    """
    commands: list[list[str]] = []
    for line in source.replace("\\\n", " ").splitlines():
        commands += _commands_of_line(line)
    return [words for words in map(_without_keywords, commands) if words]


def _commands_of_line(line: str) -> list[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.commenters = "#"
    # Brackets, braces and the like are parts of words in a shell, too.
    lexer.wordchars += "~-./*?=:,+%^@![]{}$"
    commands: list[list[str]] = [[]]
    skip_target = False
    for word in lexer:
        if skip_target:
            skip_target = False
        elif word in _SEPARATORS:
            commands.append([])
        elif set(word) <= set("<>&"):
            skip_target = True
            # 2>&1: what stands before the mark is a number of a stream, not an argument.
            if commands[-1] and commands[-1][-1] in {"0", "1", "2"}:
                commands[-1].pop()
        else:
            commands[-1].append(word)
    return commands


def _without_keywords(words: list[str]) -> list[str]:
    while words and words[0] in _KEYWORDS:
        words = words[1:]
    return words
