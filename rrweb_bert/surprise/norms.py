"""How surprising events of each kind usually are, so that a click is compared with clicks.

An address costs a model more nats than a blur, whatever the visitor does. So an event's nats are
turned into its place among those of its kind: `rarity` 0.01 says that one in a hundred clicks of
the reference sessions is as little expected. The reference is stored beside the model's weights as
`surprise_norms.json`: quantiles of each kind, the scores of the sessions (`usual`), and with which
options they were measured.

Letters in shapes: e events, q quantiles of a kind, s sessions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.errors import DataError
from data_prep.files import sha256_of, write_text_atomically
from rrweb_bert.surprise.scoring import EventScores, ScoringOptions
from rrweb_tokenizer.structural_vocab import NUM_STRUCTURAL, STRUCTURAL_IDS, STRUCTURAL_TOKENS
from rrweb_tokenizer.telling.reader import printable

__all__ = ["NORMS_FILE", "KindNorm", "Norms", "SessionScores", "fit_norms", "weights_hash"]

NORMS_FILE: Final = "surprise_norms.json"
_FORMAT: Final = 1
_LEVELS: Final = np.concatenate([np.arange(0.0, 0.99, 0.01), [0.99, 0.995, 0.999, 1.0]])
_MIN_EVENTS: Final = 30  # kinds with fewer are compared with all events
_MIN_SESSIONS: Final = 30
_ANY: Final = "any"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KindNorm:
    """The nats of the events of one kind.

    Attributes:
        num_events: how many there were.
        quantiles: (q,) float64, ascending, at the fractions of `_LEVELS`.
    """

    num_events: int
    quantiles: npt.NDArray[np.float64]

    def rarity(self, nats: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """(e,) the share of events that are as surprising or more, above 0: 1 / (n + 1) at least.

        Values beyond the largest of the reference fall on from there with the spread of its upper
        half, so that they keep an order.
        """
        below = np.interp(nats, self.quantiles, _LEVELS)
        smallest = 1 / (self.num_events + 1)
        top = self.quantiles[-1]
        spread = max(top - float(np.interp(0.5, _LEVELS, self.quantiles)), 1e-9)
        beyond = 1 + np.maximum(nats - top, 0.0) / spread
        share: npt.NDArray[np.float64] = np.maximum(1 - below, smallest) / beyond
        return share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionScores:
    """The scores of the reference's sessions.

    Attributes:
        num_events: (s,) int64, how many events of each have a score.
        scores: (s,) float64.
    """

    num_events: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    def like(self, num_events: int | None) -> npt.NDArray[np.float64]:
        """The scores of the third of the sessions that are most like one in length, 30 at least.

        Args:
            num_events: of that session; None for the scores of all.
        """
        if num_events is None:
            return self.scores
        distance = np.abs(np.log1p(self.num_events) - np.log1p(num_events))
        chosen = max(_MIN_SESSIONS, len(self.scores) // 3)
        return self.scores[np.argsort(distance, kind="stable")[:chosen]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Norms:
    """The reference of a model.

    Attributes:
        kinds: by head token, and `any` for all events together.
        options: how events were hidden.
        num_sessions: of how many sessions.
        weights_sha256: of the model; "" where the norms are of the sessions themselves.
        session_scores: of these sessions; None where they were not measured.
        about: what sessions they were, in a few words; may be empty.
    """

    kinds: Mapping[str, KindNorm]
    options: ScoringOptions
    num_sessions: int
    weights_sha256: str = ""
    session_scores: SessionScores | None = None
    about: str = ""

    def rarity(self, scores: EventScores) -> npt.NDArray[np.float64]:
        """(e,) how rare it is that an event of its kind is so little expected, 0 to 1."""
        nats = scores.nats.sum(axis=1)
        rarity = np.ones(len(nats))
        for head in np.unique(scores.heads).tolist():
            norm = self.kinds.get(STRUCTURAL_TOKENS[head], self.kinds[_ANY])
            is_kind = scores.heads == head
            rarity[is_kind] = norm.rarity(nats[is_kind])
        return rarity

    def save(self, path: Path) -> None:
        """Write the file in one step."""
        content: dict[str, Any] = {
            "format": _FORMAT,
            "weights_sha256": self.weights_sha256,
            "num_sessions": self.num_sessions,
        }
        if self.about:
            content["about"] = self.about
        if self.session_scores is not None:
            content["session_scores"] = {
                "num_events": self.session_scores.num_events.tolist(),
                "scores": _written(self.session_scores.scores),
            }
        content |= {
            "options": asdict(self.options),
            "kinds": {
                kind: {
                    "num_events": norm.num_events,
                    "quantiles": _written(norm.quantiles),
                }
                for kind, norm in self.kinds.items()
            },
        }
        write_text_atomically(path, json.dumps(content, indent=None, sort_keys=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Norms:
        """Read what `save` wrote.

        Raises:
            DataError: the file is something else, or damaged.
        """
        try:
            return cls._parse(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is no table of surprise norms ({error}); make it again with "
                "`python -m rrweb_bert surprise-norms`"
            ) from error

    @classmethod
    def _parse(cls, content: dict[str, Any]) -> Norms:
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r} is not {_FORMAT}")
        known = {member.name for member in fields(ScoringOptions)}
        if set(content["options"]) != known:
            raise ValueError(f"options are not {', '.join(sorted(known))}")
        kinds = {str(kind): _parse_kind(kind, norm) for kind, norm in content["kinds"].items()}
        if _ANY not in kinds:
            raise ValueError(f'no kind "{_ANY}"')
        return cls(
            kinds=kinds,
            options=ScoringOptions(**{k: int(v) for k, v in content["options"].items()}),
            num_sessions=int(content["num_sessions"]),
            weights_sha256=str(content["weights_sha256"]),
            session_scores=(
                _parse_scores(content["session_scores"]) if "session_scores" in content else None
            ),
            about=printable(str(content.get("about", ""))),
        )


def fit_norms(
    sessions: Iterable[EventScores], options: ScoringOptions, *, weights_sha256: str = ""
) -> Norms:
    """The norms of scored sessions.

    Args:
        sessions: their scores; without any event, every event counts as usual.
        options: with which they were scored.
        weights_sha256: of the model, for a reference that is stored.
    """
    nats: dict[int, list[npt.NDArray[np.float64]]] = {}
    num_sessions = 0
    for scores in sessions:
        num_sessions += 1
        totals = scores.nats.sum(axis=1)
        for head in np.unique(scores.heads).tolist():
            nats.setdefault(head, []).append(totals[scores.heads == head])
    by_kind = {
        STRUCTURAL_TOKENS[head]: np.concatenate(parts) for head, parts in sorted(nats.items())
    }
    all_nats = np.concatenate([np.zeros(0), *by_kind.values()])
    kinds = {_ANY: _norm_of(all_nats)}
    kinds |= {kind: _norm_of(each) for kind, each in by_kind.items() if len(each) >= _MIN_EVENTS}
    return Norms(
        kinds=kinds, options=options, num_sessions=num_sessions, weights_sha256=weights_sha256
    )


def weights_hash(model_dir: Path) -> str:
    """A hash of a model's weight files, by which norms know the model that they were measured of.

    Raises:
        DataError: the folder holds none.
    """
    files = sorted(model_dir.glob("*.safetensors"))
    if not files:
        raise DataError(f"{model_dir} holds no model.safetensors: give the folder of a model")
    if len(files) == 1:
        return sha256_of(files[0])
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()


def _norm_of(nats: npt.NDArray[np.float64]) -> KindNorm:
    values = np.quantile(nats, _LEVELS) if len(nats) else np.zeros(len(_LEVELS))
    return KindNorm(num_events=len(nats), quantiles=values)


def _written(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


def _parse_kind(kind: str, norm: dict[str, Any]) -> KindNorm:
    if kind != _ANY and STRUCTURAL_IDS.get(kind, NUM_STRUCTURAL) >= NUM_STRUCTURAL:
        raise ValueError(f"kind {kind!r} is no token")
    quantiles = np.array(norm["quantiles"], dtype=np.float64)
    if quantiles.shape != _LEVELS.shape or not np.isfinite(quantiles).all():
        raise ValueError(f"{kind}: {len(_LEVELS)} finite quantiles are expected")
    if (np.diff(quantiles) < 0).any() or int(norm["num_events"]) < 0:
        raise ValueError(f"{kind}: quantiles must ascend, and num_events be a count")
    return KindNorm(num_events=int(norm["num_events"]), quantiles=quantiles)


def _parse_scores(found: dict[str, Any]) -> SessionScores:
    num_events = np.array(found["num_events"], dtype=np.int64)
    scores = np.array(found["scores"], dtype=np.float64)
    if num_events.ndim != 1 or num_events.shape != scores.shape or not len(scores):
        raise ValueError("session_scores: as many num_events as scores are expected")
    if (num_events < 0).any() or not np.isfinite(scores).all():
        raise ValueError("session_scores: counts and finite scores are expected")
    return SessionScores(num_events=num_events, scores=scores)
