"""What the argument modules share: a field with help and unit, and the error of a wrong call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field
from enum import Enum
from typing import Any

from rrweb_tokenizer.command_line import did_you_mean

__all__ = [
    "UsageError",
    "check_positive",
    "check_share",
    "did_you_mean",
    "option",
    "shown",
    "unknown_argument",
    "words_of",
]


class UsageError(ValueError):
    """The command cannot run as given; the message says what to change."""


def option(default: Any, help_text: str, unit: str, *aliases: str) -> Any:
    """A dataclass field that becomes a flag.

    Args:
        default: is shown behind the help; a list is copied for each instance.
        help_text: sentences without a %.
        unit: what the value counts or is, as "windows" or "folder"; stands in brackets.
        *aliases: further spellings, with dashes.
    """
    metadata: dict[str, Any] = {"help": f"{help_text} [{unit}]"}
    if aliases:
        metadata["aliases"] = list(aliases)
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def check_share(name: str, value: float) -> None:
    """Refuse what is no share.

    Raises:
        UsageError: `value` is not in [0, 1).
    """
    if not 0 <= value < 1:
        raise UsageError(f"--{name} is a share: at least 0 and below 1, not {value}")


def check_positive(name: str, text: str) -> float:
    """The number in `text`.

    Raises:
        UsageError: it is none, or not above 0.
    """
    try:
        value = float(text)
    except ValueError:
        raise UsageError(f"--{name} is auto or a number, not {text!r}") from None
    if not value > 0:
        raise UsageError(f"--{name} must be above 0, not {text}")
    return value


def words_of(value: str | Sequence[str] | None) -> list[str]:
    """The words of a list flag, which may also be given with commas: "a,b" and ["a", "b"]."""
    given = [value] if isinstance(value, str) else list(value or [])
    return [word for part in given for word in part.replace(",", " ").split()]


def shown(value: Any) -> str:
    """A value as one would give it: 10.0 is 10, True is true, a list its words."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return " ".join(map(shown, value)) or "none"
    return "none" if value in (None, "") else str(value)


def unknown_argument(word: str, known: Collection[str]) -> str:
    """The error of a command line with a flag that there is not."""
    hint = did_you_mean(word, known)
    return f"unknown argument {word}{hint or '.'} See --help"
