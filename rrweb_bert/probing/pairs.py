"""What `probe` and `retrieve` have in common: models, corpora, labels, how windows are encoded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from joblib import Parallel, delayed

from data_prep.errors import DataError
from data_prep.prepare import PrepareOptions, open_or_prepare

from ..options import UsageError
from .hidden_states import comparing_encoder, untrained_encoder
from .labels import read_labels
from .state_cache import cached_window_states
from .unit_states import UnitStates
from .units import Sessions, load_sessions

__all__ = ["Pair", "Probed", "find_pairs", "judged", "open_pair"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A model, the corpus that is probed, and the one whose train split it was trained on."""

    model: str
    data: Path
    trained_on: Path | None = None

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.model}:{self.data}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probed:
    """A pair, opened: sessions, labels, and what the encoders made of all windows."""

    pair: Pair
    sessions: Sessions
    labels: list[dict[str, Any] | None]
    tokenizer: Any
    trained: UnitStates
    untrained: dict[str, UnitStates]


def find_pairs(arguments: argparse.Namespace) -> list[Pair]:
    """The models and corpora that were named; recordings are prepared once, into the cache.

    Raises:
        UsageError: a pair is not MODEL:CORPUS.
        DataError: there is no such corpus.
    """
    options = PrepareOptions(
        group_by=arguments.group_by, reader=arguments.reader, recogniser=arguments.recogniser
    )
    data = open_or_prepare(arguments.data, options=options).path
    pairs = [Pair(model=arguments.model, data=data, trained_on=arguments.trained_on)]
    for text in arguments.pairs:
        model, colon, corpus = text.rpartition(":")
        if not colon or not model or not corpus:
            raise UsageError(f"--pairs {text}: not MODEL:CORPUS")
        pairs.append(Pair(model=model, data=Path(corpus)))
    return pairs


def open_pair(pair: Pair, arguments: argparse.Namespace, fields: list[str]) -> Probed:
    """Sessions, labels and vectors of a pair.

    Args:
        pair: which.
        arguments: of the command line.
        fields: of the labels that are needed.

    Raises:
        UsageError: the model cannot be loaded.
        DataError: corpus and labels do not fit.
    """
    sessions = load_sessions(pair.data, window_ids=arguments.window_ids, trained_on=pair.trained_on)
    names = [row.session_id for row in sessions.rows]
    fields = fields + ([arguments.group] if arguments.group else [])
    labels = read_labels(arguments.labels, names, fields)
    if arguments.group:
        sessions = _regrouped(sessions, labels, arguments.group)
    try:
        encoder = comparing_encoder(
            pair.model,
            window_ids=arguments.window_ids,
            device=arguments.device,
            precision=arguments.precision,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    found: dict[str, UnitStates] = {}
    encoders = {"": encoder}
    encoders |= {f"seed {s}": untrained_encoder(encoder, s) for s in range(arguments.untrained)}
    for name, each in encoders.items():
        found[name] = cached_window_states(
            each,
            sessions,
            folder=arguments.cache_dir,
            batch_size=arguments.batch_size,
            seed=arguments.seed,
        )
    return Probed(
        pair=pair,
        sessions=sessions,
        labels=labels,
        tokenizer=encoder.tokenizer,
        trained=found.pop(""),
        untrained=found,
    )


def judged(
    arguments: argparse.Namespace, fields: list[str], judge: Callable[[Probed], Result]
) -> list[tuple[str, Result]]:
    """The name of each pair and what `judge` finds in it.

    Vectors are made one pair after the other; `--num_proc` pairs are judged at once.

    Raises:
        UsageError: see `find_pairs` and `open_pair`.
        DataError: see there; `judge` may raise its own.
    """

    def opened() -> Iterator[Probed]:
        for pair in find_pairs(arguments):
            print(pair.name, file=sys.stderr, flush=True)
            yield open_pair(pair, arguments, fields)

    names = [pair.name for pair in find_pairs(arguments)]
    found = Parallel(n_jobs=arguments.num_proc)(delayed(judge)(each) for each in opened())
    return list(zip(names, found, strict=True))


def _regrouped(sessions: Sessions, labels: list[dict[str, Any] | None], field: str) -> Sessions:
    """The sessions grouped by a label; those without one keep the corpus's group."""
    groups = np.array(
        [
            group if one is None or one.get(field) is None else str(one[field])
            for group, one in zip(sessions.groups, labels, strict=True)
        ]
    )
    seen, unseen = set(groups[sessions.is_seen]), set(groups[~sessions.is_seen])
    if seen & unseen:
        raise DataError(
            f"--group {field}: {sorted(seen & unseen)[0]!r} is both among the groups that the "
            "model was trained on and among the others; prepare the corpus with this grouping"
        )
    return replace(sessions, groups=groups)
