"""Pieces of sessions -> whole sessions, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from rrweb_tokenizer.forms.found import FoundSession, NotARecording, is_json

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

    is_continued: bool = False

    def add(self, piece: FoundSession, *, is_line: bool) -> int:
        """Take over the piece's parts and return how many bytes they are."""
        segment = piece.segment or 0
        added = 0
        for part in piece.parts:
            added += len(part) + 1
            # Lines come in their order, so one list can grow; numbered segments may not.
            if is_line and part[:1] == b"{" and is_json(part):
                if self.growing is None:
                    self.growing = bytearray(b"[")
                    self.blocks.append((segment, self.growing))
                else:
                    self.growing += b","
                self.growing += part
            else:
                self.close()
                self.blocks.append((segment, part))
        self.num_bytes += added
        return added

    def close(self) -> None:
        if self.growing is not None:
            self.growing += b"]"
            self.growing = None

    def parts(self) -> list[bytes]:
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
        are_lines: Pieces come in order, one event or one list each.
    """

    def __init__(self, max_bytes: int = MAX_JOINED_BYTES, *, are_lines: bool = False) -> None:
        self._max_bytes, self._are_lines = max_bytes, are_lines
        self._open: dict[tuple[str, str], _Open] = {}
        self._order: dict[tuple[str, str], int] = {}
        self._num_out: dict[tuple[str, str], int] = {}
        self._num_bytes = 0

    def add(self, piece: FoundSession) -> Iterator[FoundSession]:
        """Take a piece; yields sessions that have to go out to make room.

        Raises:
            NotARecording: one session alone is larger than the bound.
        """
        key = (piece.record, piece.window)
        self._order.setdefault(key, len(self._order))
        session = self._open.pop(key, None) or _Open(piece)
        self._open[key] = session  # the last one touched stands last
        self._num_bytes += session.add(piece, is_line=self._are_lines)
        if session.num_bytes > self._max_bytes:
            raise NotARecording(
                f"a session of more than {self._max_bytes:,} bytes; one that is put together from "
                "lines, rows or segments must fit"
            )
        while self._num_bytes > self._max_bytes:
            oldest = next(iter(self._open))
            yield self._out(oldest)

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
