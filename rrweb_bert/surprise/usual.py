"""How surprising sessions usually are, so that a session's score says something by itself.

A score of 5 bits is high for one model and low for another, and grows with a session's length: the
rarest three of many events are rarer. So the norms of a model hold the scores of the sessions that
they were measured on, beside the nats of their events: events are compared with events of their
kind, then sessions with sessions of about their length.

Letters in shapes: e scored events of a session.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rrweb_bert.surprise.moments import NUM_TOP, SessionSurprise, find_moments, session_score
from rrweb_bert.surprise.norms import Norms, SessionScores, fit_norms
from rrweb_bert.surprise.scoring import EventScores, ScoringOptions
from rrweb_tokenizer.telling.wording import counted

__all__ = ["Usual", "norms_of_sessions", "score_of", "usual_scores"]


def norms_of_sessions(
    scored: Iterable[tuple[npt.NDArray[np.float64], EventScores]],
    options: ScoringOptions,
    *,
    weights_sha256: str = "",
    about: str = "",
) -> Norms:
    """A reference that is stored with a model: of events, and of the sessions that they are of.

    Args:
        scored: of each session when its scored events were, (e,) ms, and their scores.
        options: with which they were scored.
        weights_sha256: of the model.
        about: what sessions they are, in a few words.
    """
    sessions = list(scored)
    norms = fit_norms((each for _, each in sessions), options, weights_sha256=weights_sha256)
    if not sessions:
        return replace(norms, about=about)
    measured = SessionScores(
        num_events=np.array([len(each.events) for _, each in sessions], dtype=np.int64),
        scores=np.array([score_of(times_ms, each, norms) for times_ms, each in sessions]),
    )
    return replace(norms, session_scores=measured, about=about)


def score_of(times_ms: npt.NDArray[np.float64], scores: EventScores, norms: Norms) -> float:
    """The score of a session: the mean bits of its rarest moments.

    Args:
        times_ms: (e,) when its scored events were.
        scores: of these events.
        norms: by which they are judged.
    """
    rarity = norms.rarity(scores)
    return session_score(
        abs(float(np.log2(rarity[place]))) for place, _ in find_moments(times_ms, rarity, NUM_TOP)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What is usual, for a session or for all.

    Attributes:
        low, high: between which scores the middle half lies.
        share_below: how many score less than the session, 0 to 1; None without one.
        num_compared: how many sessions these figures are of.
        num_sessions: how many sessions the norms are of.
        about: what sessions they were; may be empty.
    """

    low: float
    high: float
    share_below: float | None
    num_compared: int
    num_sessions: int
    about: str

    def __str__(self) -> str:
        about = f" ({self.about})" if self.about else ""
        length = f"the {self.num_compared:,} nearest in length of " if self._is_part else ""
        told = (
            f"Usual scores: {self.low:.1f} to {self.high:.1f}, the middle half of {length}"
            f"{counted(self.num_sessions, 'session')}{about}"
        )
        if self.share_below is None:
            return told
        if self.share_below in (0.0, 1.0):
            return f"{told}; {'all score' if self.share_below else 'none scores'} lower"
        # Neither end is reached by rounding alone.
        return f"{told}; {min(max(round(100 * self.share_below), 1), 99)}% score lower"

    @property
    def _is_part(self) -> bool:
        return self.num_compared < self.num_sessions

    def as_json(self) -> dict[str, Any]:
        """What is usual as JSON types."""
        return asdict(self) | {"low": round(self.low, 3), "high": round(self.high, 3)}


def usual_scores(norms: Norms | None, session: SessionSurprise | None = None) -> Usual | None:
    """What scores are usual for a session, or for all; None where the norms do not know.

    Args:
        norms: a model's.
        session: that is told; sessions of about as many events are compared with it.
    """
    if norms is None or norms.session_scores is None:
        return None
    scores = norms.session_scores.like(None if session is None else session.num_scored)
    low, high = np.quantile(scores, (0.25, 0.75)).tolist()
    return Usual(
        low=low,
        high=high,
        share_below=None if session is None else float((scores < session.score).mean()),
        num_compared=len(scores),
        num_sessions=len(norms.session_scores.scores),
        about=norms.about,
    )
