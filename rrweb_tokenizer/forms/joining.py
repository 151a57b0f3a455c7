"""Pieces of sessions -> whole sessions, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from rrweb_tokenizer.forms.found import FoundSession, NotARecording

__all__ = ["MAX_JOINED_BYTES", "Joiner"]

MAX_JOINED_BYTES: Final = 128 << 20
"""Bytes of unfinished sessions that are held at most, unless another bound is given."""


@dataclass(slots=True)
class _Open:
    """A session that grows."""

    first: FoundSession
    blocks: list[tuple[int, bytes | bytearray]] = field(default_factory=list)
    num_bytes: int = 0
    growing: bytearray | None = None
    """The last block, where single events are still being added to it."""

    def add_part(self, segment: int, part: bytes) -> None:
        """Append a part as it is."""
        self.close()
        self.blocks.append((segment, part))
        self.num_bytes += len(part) + 1

    def add_event(self, number: int, event: bytes) -> None:
        """Append an event that is valid JSON to the list that grows."""
        if self.growing is None:
            self.growing = bytearray(b"[")
            self.blocks.append((number, self.growing))
        else:
            self.growing += b","
        self.growing += event
        self.num_bytes += len(event) + 1

    def close(self) -> None:
        """End the list that grows."""
        if self.growing is not None:
            self.growing += b"]"
            self.growing = None

    def parts(self) -> list[bytes]:
        """Return all parts by their segments."""
        self.close()
        self.blocks.sort(key=lambda block: block[0])
        return [bytes(block) for _, block in self.blocks]


class Joiner:
    """Joins pieces that have the same record and window, ordered by their segment numbers.

    Sessions come out in the order of their first pieces, at the end; earlier only when what is held
    passes `max_bytes`: then the session that was longest without a new piece goes out, and pieces
    that come for it later are a session of their own (`~2` in its record).

    Args:
        max_bytes: Bound on what is held, and thus on one joined session.
    """

    def __init__(self, max_bytes: int = MAX_JOINED_BYTES) -> None:
        self._max_bytes = max_bytes
        self._open: dict[tuple[str, str], _Open] = {}
        self._order: dict[tuple[str, str], int] = {}
        self._num_out: dict[tuple[str, str], int] = {}
        self._num_bytes = 0

    def add(self, piece: FoundSession) -> list[FoundSession]:
        """Take a piece; returns sessions that have to go out to make room.

        Raises:
            NotARecording: one session alone is larger than the bound.
        """
        session = self._session(piece.record, piece.window, piece)
        before = session.num_bytes
        for part in piece.parts:
            session.add_part(piece.segment or 0, part)
        return self._make_room(session, before)

    def add_event(
        self, number: int, event: bytes, form: str, record: str, window: str
    ) -> list[FoundSession]:
        """As `add`, for one event that is valid JSON; numbers must rise from event to event."""
        session = self._session(record, window, form)
        before = session.num_bytes
        session.add_event(number, event)
        return self._make_room(session, before)

    def _session(self, record: str, window: str, first: FoundSession | str) -> _Open:
        key = (record, window)
        session = self._open.pop(key, None)
        if session is None:
            self._order.setdefault(key, len(self._order))
            if isinstance(first, str):
                first = FoundSession(parts=[], form=first, record=record, window=window)
            session = _Open(first)
        self._open[key] = session  # the last one touched stands last
        return session

    def _make_room(self, session: _Open, num_bytes_before: int) -> list[FoundSession]:
        self._num_bytes += session.num_bytes - num_bytes_before
        if session.num_bytes > self._max_bytes:
            raise NotARecording(
                f"a session of more than {self._max_bytes:,} bytes; one that is put together from "
                "lines, rows or segments must fit"
            )
        out: list[FoundSession] = []
        while self._num_bytes > self._max_bytes:
            out.append(self._out(next(iter(self._open))))
        return out

    def finish(self, *, is_whole: bool = False) -> Iterator[FoundSession]:
        """Yield all sessions that are still held.

        Args:
            is_whole: Nothing else came out of the file, so that a single session needs no name.
        """
        is_single = is_whole and len(self._order) == 1 and not self._num_out
        for key in sorted(self._open, key=self._order.__getitem__):
            session = self._out(key)
            yield replace(session, record="", window="") if is_single else session

    def _out(self, key: tuple[str, str]) -> FoundSession:
        session = self._open.pop(key)
        self._num_bytes -= session.num_bytes
        self._num_out[key] = number = self._num_out.get(key, 0) + 1
        record = key[0] if number == 1 else f"{key[0]}~{number}"
        return replace(session.first, parts=session.parts(), record=record, segment=None)
