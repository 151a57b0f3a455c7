"""How surprising sessions usually are, so that a session's score says something by itself.

A score of 5 bits is high for one model and low for another, and grows with a session's length. So
the norms of a model hold the scores of the sessions that they were measured on, beside the nats of
their events: first events are compared with events, then sessions with sessions.

Letters in shapes: e scored events of a session.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rrweb_bert.surprise.moments import NUM_TOP, find_moments, session_score
from rrweb_bert.surprise.norms import Norms, fit_norms, quantiles_of
from rrweb_bert.surprise.scoring import EventScores, ScoringOptions

__all__ = ["norms_of_sessions", "score_of", "told_usual"]


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
    scores = np.array([score_of(times_ms, each, norms) for times_ms, each in sessions])
    return replace(norms, session_scores=quantiles_of(scores) if sessions else None, about=about)


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


def told_usual(norms: Norms, score: float | None = None) -> str:
    """What scores are usual, and where one stands; "" where the norms do not know.

    Args:
        norms: a model's.
        score: of the session that is told.
    """
    usual = norms.usual_scores()
    if usual is None:
        return ""
    about = f" ({norms.about})" if norms.about else ""
    told = (
        f"Usual scores: {usual[0]:.1f} to {usual[1]:.1f}, the middle half of "
        f"{norms.num_sessions:,} sessions{about}"
    )
    below = None if score is None else norms.share_below(score)
    if below is None:
        return told
    if below in (0.0, 1.0):
        return f"{told}; none of them scores {'higher' if below else 'lower'}"
    # Neither end is reached by rounding alone.
    return f"{told}; {min(max(round(100 * below), 1), 99)}% of them score lower"
