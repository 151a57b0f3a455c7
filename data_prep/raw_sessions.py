"""Recordings that are tokenised when they are drawn: which sessions a file holds for a split.

A file is known only when it has been read. Its sessions are decoded, which tells their groups and
with them their splits, by the same rule as in `prepare`; only one that is drawn is tokenised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.encoding import (
    EncoderFactory,
    EncodingOptions,
    PlacedSession,
    encode_placed,
    place_session,
)
from data_prep.lru import LruCache
from data_prep.manifest import Source
from data_prep.readers import Rejected, Session
from data_prep.sessions import sessions_of
from rrweb_tokenizer.collection import paused_collection

__all__ = ["CACHE_BYTES", "CACHE_SESSIONS", "RawSessions", "RawSplit", "RejectedFiles"]

CACHE_SESSIONS: Final = 2_000
CACHE_BYTES: Final = 256 << 20
# What is known of a file takes some 200 bytes.
_KNOWN_FILES: Final = 200_000
_LINES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSplit:
    """The sessions of one split of raw files; pickles to loader workers."""

    sources: tuple[Source, ...]
    encoding: EncodingOptions
    factory: EncoderFactory
    """Makes the tokenizer, once in each process; must pickle."""

    split: str = "train"
    excluded: frozenset[str] = frozenset()
    """Hashes of contents that another split holds already."""

    cache_sessions: int = CACHE_SESSIONS
    """Tokenised sessions that each process keeps, those used last."""

    cache_bytes: int = CACHE_BYTES
    """Bytes that they may take together, in each process."""


class _Ids(NamedTuple):
    ids: npt.NDArray[np.uint16]
    keyframes: npt.NDArray[np.uint32]


class RejectedFiles:
    """Counts what cannot be used, names the first ones, and then says so ever more rarely."""

    def __init__(self, report: Callable[[str], None] | None = None) -> None:
        """Start at none.

        Args:
            report: Takes each message; standard error where not given.
        """
        self.num_rejected = 0
        self._report = report or (lambda line: print(line, file=sys.stderr, flush=True))
        self._next_total = 10

    def add(self, source: Source, reason: str) -> None:
        """Count one file or session."""
        self.num_rejected += 1
        if self.num_rejected <= _LINES_SHOWN:
            self._report(f"not used, another one stands in: {source.relative}: {reason}")
        elif self.num_rejected == self._next_total:
            self._next_total *= 10
            self._report(
                f"not used so far in this process: {self.num_rejected:,} (the last: "
                f"{source.relative}: {reason})"
            )


class RawSessions:
    """Reads and tokenises the sessions of a split as they are asked for, and keeps some of them."""

    def __init__(self, split: RawSplit, rejected: RejectedFiles | None = None) -> None:
        """Make the tokenizer; nothing is read yet."""
        self.rejected = rejected or RejectedFiles()
        self._split = split
        self._encoder = split.factory()
        self._places: LruCache[int, tuple[int, ...]] = LruCache(_KNOWN_FILES)
        self._kept: LruCache[tuple[int, int], _Ids] = LruCache(
            split.cache_sessions, split.cache_bytes
        )

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self._split.sources)

    def places(self, file: int) -> tuple[int, ...]:
        """Return which of a file's sessions are of the split, by their numbers in the file."""
        known = self._places.get(file)
        if known is None:
            known = tuple(self._look_through(file))
            self._places.put(file, known)
        return known

    def session(self, file: int, place: int) -> _Ids | None:
        """Return the ids and keyframes of a session, None where it gives none."""
        kept = self._kept.get((file, place))
        if kept is not None:
            return kept
        source = self._split.sources[file]
        session = next(islice(self._sessions(source), place, None), None)
        if session is None:
            self.rejected.add(source, "it has changed since it was read first")
            return None
        placed = place_session(session, source, self._split.encoding)
        return None if isinstance(placed, str) else self._tokenised(file, place, placed)

    def _look_through(self, file: int) -> Iterator[int]:
        source, is_first = self._split.sources[file], True
        for place, session in enumerate(self._sessions(source)):
            placed = place_session(session, source, self._split.encoding)
            if isinstance(placed, str):
                self.rejected.add(source, placed)
            elif placed.split == self._split.split and (
                placed.session.sha256 not in self._split.excluded
            ):
                if is_first:  # most files hold one session, and are then read once
                    self._tokenised(file, place, placed)
                    is_first = False
                yield place

    def _sessions(self, source: Source) -> Iterator[Session | Rejected]:
        encoding = self._split.encoding
        return sessions_of(source, encoding.limits, reader=encoding.reader)

    def _tokenised(self, file: int, place: int, placed: PlacedSession) -> _Ids | None:
        with paused_collection():
            encoded = encode_placed(placed, self._encoder)
        if isinstance(encoded, str):
            self.rejected.add(self._split.sources[file], encoded)
            return None
        row, _ = encoded
        found = _Ids(row.ids, row.keyframes)
        self._kept.put((file, place), found, row.ids.nbytes + row.keyframes.nbytes)
        return found
