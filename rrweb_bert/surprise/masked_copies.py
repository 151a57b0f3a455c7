"""Which ids of a window are hidden together, so that few passes ask for every event once.

A window is copied `num_copies` times, and copy j hides the events j, j + num_copies, ... whole: an
event is judged by all events around it but those that are hidden beside it, and a window costs
`num_copies` passes however many events it holds::

    events     E0  E1  E2  E3  E4  E5          num_copies = 3
    copy 0     --  E1  E2  --  E4  E5
    copy 1     E0  --  E2  E3  --  E5
    copy 2     E0  E1  --  E3  E4  --

Letters in shapes: n ids of a session, e events of it, m hidden ids of a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_bert.session_ids import INTERACTION_HEADS
from rrweb_tokenizer import EncodedSession
from rrweb_tokenizer.session_windows import SessionWindow, cut_windows
from rrweb_tokenizer.structural_vocab import MASK_ID, MAX_VOCAB_SIZE, STRUCTURAL_IDS

__all__ = ["MESSAGE_HEADS", "MaskedCopy", "masked_copies", "scored_events"]

MESSAGE_HEADS: Final = (
    *("[EV_Meta]", "[EV_Custom]", "[EV_Plugin]", "[EV_Annotation]", "[EV_UNKNOWN]"),
    *("[IS_Log]", "[TAB]"),
)
"""Heads of what is told beside the visitor's actions: addresses, logs, requests, notes, windows."""

_IS_SCORED: Final = np.zeros(MAX_VOCAB_SIZE, dtype=bool)
_IS_SCORED[[STRUCTURAL_IDS[head] for head in (*INTERACTION_HEADS, *MESSAGE_HEADS)]] = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskedCopy:
    """A window with some of its events hidden.

    Attributes:
        ids: (T,) int64, `[MASK]` where hidden, without [CLS] and [SEP].
        places: (m,) int64, ascending offsets of the hidden ids in `ids`.
        targets: (m,) int64, what they are.
        events: (m,) int64, the numbers of their events in the session.
    """

    ids: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]


def scored_events(session: EncodedSession) -> npt.NDArray[np.int64]:
    """The numbers of the events that get a score, ascending: actions and messages.

    Pages and their changes are what a visitor acts on; they are read, but not judged: most of
    their ids are text of the page, which a model knows of sites that it has seen.
    """
    heads = session.ids[session.event_starts.astype(np.int64)]
    return np.flatnonzero(_IS_SCORED[heads])


def masked_copies(
    session: EncodedSession,
    *,
    window_ids: int,
    stride: int,
    num_copies: int,
    max_event_ids: int,
) -> Iterator[MaskedCopy]:
    """The copies of a session's windows in which every scored event is hidden exactly once.

    Windows without a scored event are left out.

    Args:
        session: what to score.
        window_ids: the most ids of a window.
        stride: the fewest ids that neighbouring windows share; an event that stands in two is
            hidden where it is farther from an edge.
        num_copies: how many passes a window costs at most.
        max_event_ids: how many of an event's first ids are hidden; the rest of longer ones, texts
            mostly, is neither hidden nor judged.
    """
    scored = scored_events(session)
    windows = cut_windows(session, window_ids, stride)
    num_events = len(session.event_starts)
    best_room = np.full(num_events, -1, dtype=np.int64)
    home = np.full(num_events, -1, dtype=np.int64)
    for number, window in enumerate(windows):
        events, room = _room(window, len(session.ids))
        is_better = room > best_room[events]
        best_room[events[is_better]] = room[is_better]
        home[events[is_better]] = number
    for number, window in enumerate(windows):
        spans = window.event_spans
        is_here = np.isin(spans[:, 0], scored) & (home[spans[:, 0]] == number)
        chosen = spans[is_here]
        for first in range(min(num_copies, len(chosen))):
            yield _copy(session, window, chosen[first::num_copies], max_event_ids)


def _room(
    window: SessionWindow, num_ids: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The events whose heads are in a window, and how far each is from an edge that cuts."""
    events, starts, stops = window.event_spans.T
    length = window.stop - window.start
    before = starts if window.start else np.full(len(starts), length)
    after = length - stops if window.stop < num_ids else np.full(len(stops), length)
    # The first event of a window may have begun before it; its home is where its head is.
    has_head = np.ones(len(events), dtype=bool)
    if len(events) and window.start:
        has_head[0] = starts[0] > 0
    return events[has_head], np.minimum(before, after)[has_head]


def _copy(
    session: EncodedSession,
    window: SessionWindow,
    spans: npt.NDArray[np.int64],
    max_event_ids: int,
) -> MaskedCopy:
    ids = session.ids[window.start : window.stop].astype(np.int64)
    lengths = np.minimum(spans[:, 2] - spans[:, 1], max_event_ids)
    # The offsets of each event's ids, one event after another.
    within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    places = np.repeat(spans[:, 1], lengths) + within
    targets = ids[places]
    ids[places] = MASK_ID
    return MaskedCopy(
        ids=ids, places=places, targets=targets, events=np.repeat(spans[:, 0], lengths)
    )
