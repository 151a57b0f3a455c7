"""What a record says, before it is laid out; and an event's fields, taken one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rrweb_tokenizer.telling.phrases import ACTIONS, VERBS
from rrweb_tokenizer.telling.records import Field, Span, Token
from rrweb_tokenizer.telling.wording import token_phrase

__all__ = ["Fields", "Raw", "Told", "action_of", "mark", "verbs_of"]

Raw = Callable[[Span], str]
"""Gives the tokens of a span as they are."""

_F = TypeVar("_F", bound=Field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a record says; empty strings where it says nothing.

    Attributes:
        action: the verb, or what happens.
        target: the element, page or field it happens to.
        place: where in the viewport.
        details: all else, in order.
    """

    action: str
    target: str = ""
    place: str = ""
    details: tuple[str, ...] = ()


class Fields:
    """The fields of an event that are not told yet: `left`, in order."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.left = list(fields)

    def take(self, kind: type[_F]) -> _F | None:
        """The first field of a kind, None where there is none left."""
        for number, found in enumerate(self.left):
            if isinstance(found, kind):
                del self.left[number]
                return found
        return None

    def take_token(self, *prefixes: str) -> str | None:
        """The name of the first token whose name begins so."""
        for number, found in enumerate(self.left):
            if isinstance(found, Token) and found.name.startswith(prefixes):
                del self.left[number]
                return found.name
        return None

    def take_all(self, kind: type[_F]) -> list[_F]:
        """All fields of a kind, in order."""
        found: list[_F] = []
        while (one := self.take(kind)) is not None:
            found.append(one)
        return found

    def take_next(self, kind: type[_F]) -> _F | None:
        """The field in front, when it is of a kind."""
        return self.take(kind) if self.left and isinstance(self.left[0], kind) else None

    def take_next_token(self, prefix: str) -> Token | None:
        """The token in front, when its name begins so."""
        found = self.left[0] if self.left else None
        if isinstance(found, Token) and found.name.startswith(prefix):
            del self.left[0]
            return found
        return None


def action_of(head: str) -> str:
    """The verb of a head; its name where there is none."""
    return ACTIONS.get(head, head)


def verbs_of(head: str) -> tuple[str, ...]:
    """The verbs that events of a head are told by: their kind, in words."""
    return VERBS.get(head) or (action_of(head),)


def mark(name: str) -> str:
    """A token by its phrase; its name where there is none."""
    return token_phrase(Token(name=name, start=0, stop=0))
