"""Remembered answers in bounded memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

__all__ = ["IdsMemo", "Memo"]

_MAX_CHARS: Final = 4_096
# What Python takes for a character at most, for an id in a list, for an entry with list and key.
_CHAR_BYTES: Final = 4
_ID_BYTES: Final = 40
_ENTRY_BYTES: Final = 400

_Answer = TypeVar("_Answer")


class Memo(Generic[_Answer]):
    """Remembers recent answers in two generations, the older dropped when the younger is full.

    Not locked: where threads share one, an answer may be worked out twice.

    Args:
        max_bytes: Bound on what `put` was told of the answers kept; 0 remembers nothing.
    """

    __slots__ = ("_max_bytes", "_num_bytes", "_old", "_young")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes // 2
        self._young: dict[Hashable, _Answer] = {}
        self._old: dict[Hashable, _Answer] = {}
        self._num_bytes = 0

    def get(self, key: Hashable) -> _Answer | None:
        """The answer to a question, None when it is not known; not to be changed."""
        answer = self._young.get(key)
        return self._old.get(key) if answer is None else answer

    def put(self, key: Hashable, answer: _Answer, num_bytes: int) -> None:
        """Remembers an answer; one larger than half the bound is not kept.

        Args:
            key: The question.
            answer: The answer, not None.
            num_bytes: About how much memory the two take.
        """
        if self._num_bytes + num_bytes > self._max_bytes:
            self._old, self._young, self._num_bytes = self._young, {}, 0
        if num_bytes <= self._max_bytes:
            self._young[key] = answer
            self._num_bytes += num_bytes


class IdsMemo(Memo[list[int]]):
    """Remembers ids by the text they were made of; texts of more than 4,096 characters are not."""

    __slots__ = ()

    def put_ids(self, key: Hashable, ids: list[int], num_chars: int) -> None:
        """Remembers ids, which must not be changed after; `num_chars` is the size of the key."""
        if num_chars <= _MAX_CHARS:
            self.put(key, ids, _CHAR_BYTES * num_chars + _ID_BYTES * len(ids) + _ENTRY_BYTES)
