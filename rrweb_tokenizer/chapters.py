"""The id stream of a session, written in chapters that each open with a keyframe.

A chapter holds at most 512 ids and is cut at event boundaries; an event longer than that (a page)
is cut between nodes and goes on in the next chapter. So a window that starts at any keyframe makes
sense alone::

    [KEY_HEAD][EL_0][VW_1440][VH_800][URL]... event event event
    [KEY_MID] [EL_2][VW_1440][VH_800][URL]... event event ...
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.references import References, Target
from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS, TEXT_ID_OFFSET

__all__ = ["MAX_CHAPTER_IDS", "ChapterWriter", "EncodedSession", "Part"]

MAX_CHAPTER_IDS: Final = 512
# A single node or event longer than this is cut even so; keyframes are far shorter than the rest.
_MAX_PIECE_IDS: Final = 256

Part = int | Target
"""A piece of an event before it is written: an id, or a mention of a node."""

_KEY_HEAD: Final = STRUCTURAL_IDS["[KEY_HEAD]"]
_KEY_MID: Final = STRUCTURAL_IDS["[KEY_MID]"]
_KEY_TAIL: Final = STRUCTURAL_IDS["[KEY_TAIL]"]
_KEY_CONT: Final = STRUCTURAL_IDS["[KEY_CONT]"]
_TXT: Final = STRUCTURAL_IDS["[TXT]"]
_VALUE_CLASSES: Final = frozenset(
    token_id
    for group in GROUPS
    if group.name == "value class"
    for token_id in range(group.start, group.stop)
)
_TOLD_OF_TARGETS: Final = tuple(
    STRUCTURAL_IDS[f"[MUT_{operation}]"] for operation in ("ADD", "ATTR", "TEXT", "MOVE")
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedSession:
    """A session as ids (n ids, k chapters, e written events).

    Attributes:
        ids: (n,) uint16, without [CLS] and [SEP].
        keyframes: (k,) uint32, ascending offsets of the chapters' first ids; the first is 0.
        event_starts: (e,) uint32, ascending offsets of the events' head ids.
        event_times_ms: (e,) float64, epoch ms of those events.
        num_events: how many events went in; repeats that were joined are no written events, and a
            change of window is one.
        counts: what was joined, elided or not understood, by name.
    """

    ids: npt.NDArray[np.uint16]
    keyframes: npt.NDArray[np.uint32]
    event_starts: npt.NDArray[np.uint32]
    event_times_ms: npt.NDArray[np.float64]
    num_events: int
    counts: dict[str, int] = field(default_factory=dict)


class ChapterWriter:
    """Collects ids and decides where chapters begin.

    Args:
        references: the recently-used list, emptied at every keyframe.
        keyframe: gives a keyframe's ids after its `[KEY_*]` token, from the state of that moment.
    """

    def __init__(self, references: References, keyframe: Callable[[], list[int]]) -> None:
        self._references = references
        self._keyframe = keyframe
        self._ids = array("H")
        self._keyframes = array("I")
        self._event_starts = array("I")
        self._event_times_ms = array("d")

    def write_event(self, parts: Sequence[Part], time_ms: float) -> None:
        """Writes an event whole, in a new chapter when the present one has no room for it.

        A mutation longer than a chapter is cut between its changes and goes on in the next one.
        """
        if not self._keyframes:
            self._open_chapter(_KEY_HEAD)
        before = self._references.snapshot()
        ids = self._resolve(parts)
        if len(ids) > self._room():
            self._references.restore(before)
            self._open_chapter(_KEY_MID)
            before = self._references.snapshot()
            ids = self._resolve(parts)
        self._event_starts.append(len(self._ids))
        self._event_times_ms.append(time_ms)
        if len(ids) <= self._room():
            self._ids.extend(ids)
            return
        self._references.restore(before)
        for change in _changes(parts):
            before = self._references.snapshot()
            ids = self._resolve(change)
            if len(ids) > self._room():
                self._references.restore(before)
                self._open_chapter(_KEY_CONT)
                ids = self._resolve(change)
            self._ids.extend(ids)

    def write_long_event(self, pieces: Sequence[list[int]], time_ms: float) -> None:
        """Writes an event that may run over several chapters, cut only between pieces."""
        if not self._keyframes:
            self._open_chapter(_KEY_HEAD)
        elif sum(map(len, pieces[:8])) > self._room():
            self._open_chapter(_KEY_MID)
        self._event_starts.append(len(self._ids))
        self._event_times_ms.append(time_ms)
        self._write_pieces(pieces)

    def use_references(self, references: References) -> None:
        """Turns to another window's recently-used list, which starts empty."""
        self._references = references
        references.clear()

    def append(self, ids: Sequence[int]) -> None:
        """Adds ids to the last event, in the same chapter when there is room for them."""
        self._write_pieces([list(ids)])

    def finish(self, num_events: int, counts: dict[str, int]) -> EncodedSession:
        """The session as written; the last of several keyframes becomes `[KEY_TAIL]`."""
        if len(self._keyframes) > 1 and self._ids[self._keyframes[-1]] == _KEY_MID:
            self._ids[self._keyframes[-1]] = _KEY_TAIL
        return EncodedSession(
            ids=np.array(self._ids, dtype=np.uint16),
            keyframes=np.array(self._keyframes, dtype=np.uint32),
            event_starts=np.array(self._event_starts, dtype=np.uint32),
            event_times_ms=np.array(self._event_times_ms, dtype=np.float64),
            num_events=num_events,
            counts=counts,
        )

    def _room(self) -> int:
        return MAX_CHAPTER_IDS - (len(self._ids) - self._keyframes[-1])

    def _open_chapter(self, key_id: int) -> None:
        self._references.clear()
        self._keyframes.append(len(self._ids))
        self._ids.append(key_id)
        self._ids.extend(self._keyframe())

    def _resolve(self, parts: Sequence[Part]) -> list[int]:
        ids: list[int] = []
        for part in parts:
            if isinstance(part, int):
                ids.append(part)
            else:
                ids += self._references.mention(part)
        return ids

    def _write_pieces(self, pieces: Sequence[list[int]]) -> None:
        room = self._room()
        for piece in pieces:
            for chunk in (piece,) if len(piece) <= _MAX_PIECE_IDS else _chunks(piece):
                if len(chunk) > room:
                    self._open_chapter(_KEY_CONT)
                    if chunk[0] >= TEXT_ID_OFFSET or chunk[0] in _VALUE_CLASSES:
                        self._ids.append(_TXT)  # else it would go on the keyframe's address
                    room = self._room()
                self._ids.fromlist(chunk)
                room -= len(chunk)


def _chunks(piece: list[int]) -> list[list[int]]:
    starts = range(0, len(piece), _MAX_PIECE_IDS)
    return [piece[start : start + _MAX_PIECE_IDS] for start in starts]


def _changes(parts: Sequence[Part]) -> list[Sequence[Part]]:
    """The parts of a mutation that is longer than a chapter, each beginning with its `[MUT_*]`.

    Each is told of one target, so that none comes near a chapter's length.
    """
    starts = [
        place
        for place, (part, following) in enumerate(pairwise(parts))
        if part in _TOLD_OF_TARGETS and isinstance(following, Target)
    ]
    return [parts[start:stop] for start, stop in pairwise([0, *starts, len(parts)])]
