"""The entries used last, up to a number of them and a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["LruCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Keeps what was asked for last. What is kept changes nothing but the time things take."""

    def __init__(self, max_entries: int, max_bytes: int | None = None) -> None:
        """Start empty.

        Args:
            max_entries: At most so many; 0 keeps nothing.
            max_bytes: At most so many bytes, as `put` is told them; no bound where None.
        """
        self.num_bytes = 0
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return an entry, which is then the last one used; None where it is not kept."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, num_bytes: int = 0) -> None:
        """Keep an entry, and drop those that were used longest ago where there are too many."""
        if key in self._entries:
            self.num_bytes -= self._entries.pop(key)[1]
        self._entries[key] = (value, num_bytes)
        self.num_bytes += num_bytes
        while self._entries and self._is_full():
            _, (_, dropped_bytes) = self._entries.popitem(last=False)
            self.num_bytes -= dropped_bytes

    def _is_full(self) -> bool:
        is_heavy = self._max_bytes is not None and self.num_bytes > self._max_bytes
        return is_heavy or len(self._entries) > self._max_entries
