"""A misspelt flag of `train_mlm.py` is told at once, before the seconds that its imports take.

The flags are those of four dataclasses, one of which is transformers' own and cannot be imported
without torch. So their names are read in the sources. Whatever cannot be told from these is left
to the parser itself: it may refuse what is let through here, never the other way round.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from data_prep.plain_text import without_controls

from .options import UsageError, unknown_argument

__all__ = ["check_flags", "known_flags", "stop_at_unknown_flags"]

_OURS: Final = (
    ("model_arguments.py", ("RunArguments", "ModelArguments")),
    ("data_arguments.py", ("DataArguments",)),
    ("training_arguments.py", ("RRWebTrainingArguments",)),
)
_THEIRS: Final = "TrainingArguments"
_FLAG: Final = re.compile(r"--[\w-]+")


def stop_at_unknown_flags(argv: Sequence[str]) -> None:
    """Leave the process with status 2 where a flag is unknown."""
    try:
        check_flags(argv)
    except UsageError as error:
        print(f"error: {without_controls(str(error))}", file=sys.stderr)
        sys.exit(2)


def check_flags(argv: Sequence[str]) -> None:
    """See that there are the flags of a command line; values are not looked at.

    Raises:
        UsageError: there is one that the parser does not know; names the nearest.
    """
    if {"-h", "--help"} & set(argv):
        return
    known = known_flags()
    if known is None:
        return
    for word in argv:
        if word == "--":  # what follows is no flag
            return
        if word.startswith("--") and " " not in word and not _may_be(word.split("=")[0], known):
            raise UsageError(unknown_argument(word, known))


def _may_be(flag: str, known: frozenset[str]) -> bool:
    """Whether it is known, or the opposite of one; which have one, a source may tell in part."""
    if flag == "--help":
        return True
    opposites = (flag.replace(no, "--", 1) for no in ("--no_", "--no-") if flag.startswith(no))
    return flag in known or any(opposite in known for opposite in opposites)


def known_flags() -> frozenset[str] | None:
    """All flags as they may be spelt; None where the sources are not as they were expected."""
    spec = find_spec("transformers")
    if spec is None or spec.origin is None:
        return None
    # Fields of ours replace those of transformers that have the same name.
    wanted = [(Path(spec.origin).parent / "training_args.py", _THEIRS)]
    wanted += [(Path(__file__).parent / file, name) for file, names in _OURS for name in names]
    fields: dict[str, ast.expr | None] = {}
    for path, name in wanted:
        found = _class_of(path, name)
        if found is None:
            return None
        fields.update(_fields_of(found))
    return frozenset(flag for name, value in fields.items() for flag in _flags_of(name, value))


def _class_of(path: Path, name: str) -> ast.ClassDef | None:
    """A class whose fields all stand in its own body, or in that of transformers' class."""
    for node in _parsed(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            bases = {ast.unparse(base) for base in node.bases}
            return node if bases <= {_THEIRS} and not _has_nested_fields(node) else None
    return None


def _has_nested_fields(dataclass: ast.ClassDef) -> bool:
    """Whether fields stand in an `if` or the like, so that the source alone does not tell them."""
    return any(
        isinstance(part, ast.AnnAssign)
        for node in dataclass.body
        if not isinstance(node, (ast.AnnAssign, ast.FunctionDef))
        for part in ast.walk(node)
    )


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _fields_of(dataclass: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """Names of fields, each with the expression of its default."""
    for node in dataclass.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value


def _flags_of(name: str, value: ast.expr | None) -> Iterator[str]:
    """As `HfArgumentParser` makes them: with _ and with -, aliases, the opposite of what is on."""
    names = [name]
    if any(isinstance(default, ast.Constant) and default.value is True for default in _at(value)):
        names.append(f"no_{name}")
    for each in names:
        yield from (f"--{each}", f"--{each.replace('_', '-')}")
    if value is not None:
        texts = (part.value for part in ast.walk(value) if isinstance(part, ast.Constant))
        yield from (text for text in texts if isinstance(text, str) and _FLAG.fullmatch(text))


def _at(value: ast.expr | None) -> Iterator[ast.expr | None]:
    """Where a default may stand: `= DEFAULT`, `= option(DEFAULT, ...)`, `= field(default=...)`."""
    yield value
    if isinstance(value, ast.Call):
        yield from value.args[:1]
        yield from (word.value for word in value.keywords if word.arg == "default")
