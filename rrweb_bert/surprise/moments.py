"""Scored events of a session -> moments: when, how unusual, and the lines that tell them.

Events that follow one another within a second or two are one moment to a person, so the rarest
event takes its neighbours with it, then the rarest of what is left, and so on.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrweb_bert.surprise.norms import Norms
from rrweb_bert.surprise.scoring import EventScores
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS
from rrweb_tokenizer.telling.records import Event
from rrweb_tokenizer.telling.told import verbs_of
from rrweb_tokenizer.telling.wording import clock
from rrweb_tokenizer.transcript import Entry, entries, text_lines

__all__ = [
    "NUM_TOP",
    "ONE_IN",
    "Moment",
    "SessionSurprise",
    "event_lines",
    "find_moments",
    "session_entries",
    "session_score",
    "session_surprise",
]

REACH_MS: Final = 2000.0
"""Events up to so long before or after the rarest one belong to its moment."""

ONE_IN: Final = 50
"""A moment stands out when its rarest event is one in so many of its kind, or rarer."""

NUM_TOP: Final = 3
"""A session is worth watching for so many of its moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A short time in which something unusual happened.

    Attributes:
        event: the number of its rarest event in the session.
        head: the kind of that event, a token.
        time_ms: when, epoch ms.
        elapsed_ms: since the session's first event.
        rarity: the share of events of that kind that are so little expected, 0 to 1.
        nats: the surprise of that event.
        line: what happened, as in a transcript, without the time.
        num_events: how many scored events the moment holds.
    """

    event: int
    head: str
    time_ms: float
    elapsed_ms: float
    rarity: float
    nats: float
    line: str
    num_events: int

    @property
    def bits(self) -> float:
        """How unusual: 1 for every other event of its kind, 10 for one in 1,024."""
        return abs(math.log2(self.rarity))

    @property
    def reason(self) -> str:
        """Why it stands out, in words."""
        share = f"{100 * (1 - self.rarity):.1f}"
        share = "over 99.9" if share == "100.0" else share
        return f"less expected than {share}% of its kind ({', '.join(verbs_of(self.head))})"

    @property
    def stands_out(self) -> bool:
        """Whether it is rare enough to be told unasked."""
        return self.rarity * ONE_IN <= 1.0

    def as_json(self) -> dict[str, Any]:
        """The moment as JSON types."""
        return {
            "time_ms": self.time_ms,
            "elapsed_ms": round(self.elapsed_ms, 3),
            "clock": clock(self.elapsed_ms),
            "event": self.event,
            "head": self.head,
            "bits": round(self.bits, 3),
            "rarity": self.rarity,
            "nats": round(self.nats, 3),
            "num_events": self.num_events,
            "stands_out": self.stands_out,
            "line": self.line,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionSurprise:
    """A session, judged.

    Attributes:
        name: its file, or its name in a file of several.
        score: bits of its most unusual moments, by which sessions are ordered.
        moments: rarest first.
        num_scored: how many events have a score.
        duration_ms: from the first event to the last.
    """

    name: str
    score: float
    moments: tuple[Moment, ...]
    num_scored: int
    duration_ms: float


def session_surprise(
    name: str,
    session: EncodedSession,
    scores: EventScores,
    norms: Norms,
    tokenizer: RRWebTokenizer,
    *,
    max_moments: int,
) -> SessionSurprise:
    """Judge a scored session."""
    rarity = norms.rarity(scores)
    times_ms = session.event_times_ms
    chosen = find_moments(times_ms[scores.events], rarity, max(max_moments, NUM_TOP))
    lines = event_lines(session, tokenizer, [int(scores.events[place]) for place, _ in chosen])
    start_ms = float(times_ms[0]) if len(times_ms) else 0.0
    totals = scores.nats.sum(axis=1)
    moments = [
        Moment(
            event=int(scores.events[place]),
            head=STRUCTURAL_TOKENS[int(scores.heads[place])],
            time_ms=float(times_ms[scores.events[place]]),
            elapsed_ms=float(times_ms[scores.events[place]]) - start_ms,
            rarity=float(rarity[place]),
            nats=float(totals[place]),
            line=line,
            num_events=num_events,
        )
        for (place, num_events), line in zip(chosen, lines, strict=True)
    ]
    return SessionSurprise(
        name=name,
        score=session_score(moment.bits for moment in moments),
        moments=tuple(moments[:max_moments]),
        num_scored=len(scores.events),
        duration_ms=float(times_ms[-1] - times_ms[0]) if len(times_ms) else 0.0,
    )


def find_moments(
    times_ms: npt.NDArray[np.float64], rarity: npt.NDArray[np.float64], max_moments: int
) -> list[tuple[int, int]]:
    """The rarest events that are more than `REACH_MS` apart, and how many events each stands for.

    With times 0, 500 and 9000 and rarities 0.1, 0.01 and 0.5: `[(1, 2), (2, 1)]`.

    Args:
        times_ms: (e,) when the events were.
        rarity: (e,) how rare they are; of equals, the earlier one comes first.
        max_moments: how many are wanted.
    """
    is_free = np.ones(len(times_ms), dtype=bool)
    chosen: list[tuple[int, int]] = []
    for place in np.argsort(rarity, kind="stable").tolist():
        if len(chosen) >= max_moments:
            break
        if not is_free[place]:
            continue
        is_near = is_free & (np.abs(times_ms - times_ms[place]) <= REACH_MS)
        is_near[place] = True  # a time that is no number is near to nothing
        is_free &= ~is_near
        chosen.append((place, int(is_near.sum())))
    return chosen


def session_score(moment_bits: Iterable[float]) -> float:
    """How much a session is worth watching: the mean of its most unusual moments' bits.

    One moment alone may be chance, and a mean over all would favour short sessions.
    """
    top = heapq.nlargest(NUM_TOP, moment_bits)
    return sum(top) / NUM_TOP


def event_lines(
    session: EncodedSession, tokenizer: RRWebTokenizer, events: Sequence[int]
) -> list[str]:
    """What the transcript says of some events, without the time."""
    wanted = set(events)
    told: dict[int, str] = {}
    for entry in session_entries(session, tokenizer):
        record = entry.record
        # An event that is cut by a keyframe is told in parts; the first has the head.
        if isinstance(record, Event) and record.index in wanted and record.index not in told:
            line = " ".join(next(text_lines([entry])).split())
            told[record.index] = line.partition(" ")[2]
    return [told.get(event, "") for event in events]


def session_entries(session: EncodedSession, tokenizer: RRWebTokenizer) -> list[Entry]:
    """The transcript of a session, with the recording's own times."""
    return entries(
        session.ids.tolist(),
        tokenizer.text_model.decode_plain,
        event_starts=session.event_starts.tolist(),
        event_times_ms=session.event_times_ms.tolist(),
    )
