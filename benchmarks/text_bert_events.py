"""The events of recordings as they stand in the raw JSON, each with its kind: 31 of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from data_prep.readers import Rejected
from data_prep.sessions import open_sessions
from data_prep.shards import SPLITS, SplitTable
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS

EVENT_PREFIX = '{"type":3,"data":{"source":'
_INNER_SOURCES = {2: "[MI_", 7: "[ME_"}
KINDS = tuple(
    token
    for token in STRUCTURAL_TOKENS
    if token.startswith(("[IS_", "[MI_", "[ME_"))
    and token not in ("[IS_MouseInteraction]", "[IS_MediaInteraction]")
)


class Kind(NamedTuple):
    """A kind of incremental event in rrweb's own numbers; `inner` is `data.type`, else -1."""

    source: int
    inner: int = -1


def numbers_of_kinds() -> list[Kind]:
    """For each of KINDS its numbers in the JSON."""
    numbers = []
    for token in KINDS:
        if token.startswith("[IS_"):
            numbers.append(Kind(STRUCTURAL_IDS[token] - STRUCTURAL_IDS["[IS_Mutation]"]))
        else:
            source = 2 if token.startswith("[MI_") else 7
            first = "[MI_MouseUp]" if source == 2 else "[ME_Play]"
            numbers.append(Kind(source, STRUCTURAL_IDS[token] - STRUCTURAL_IDS[first]))
    return numbers


PLACE_OF_KIND = {kind: place for place, kind in enumerate(numbers_of_kinds())}


class _Inner(msgspec.Struct):
    source: int | None = None
    type: int | None = None


class _Shell(msgspec.Struct):
    type: int = -1
    timestamp: float = 0.0
    data: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """An event's JSON; `kind` is the place in KINDS, or below 0 for one that is not incremental."""

    text: str
    kind: int
    time_ms: float


@dataclass(kw_only=True)
class RawSession:
    """A session's events as JSON, in file order."""

    session_id: str
    split: str
    group: str
    sha256: str
    parts: list[bytes]
    events: list[RawEvent]

    @cached_property
    def text(self) -> str:
        """All events, joined by commas."""
        return ",".join(event.text for event in self.events)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """(e,) int64: where each event begins in `text`."""
        lengths = [len(event.text) + 1 for event in self.events]
        return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)

    def rng(self, purpose: str) -> np.random.Generator:
        """Draws that follow from the session's name alone."""
        digest = blake2b(f"{purpose} {self.session_id}".encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest, "little"))


def raw_sessions(recordings: Path, corpus: Path, *, every: int = 1) -> Iterator[RawSession]:
    """The sessions of a corpus, every n-th of each split, with the JSON that they were made of."""
    places: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        table = SplitTable.open(corpus, split)
        for number in range(0, len(table), every):
            places[table.session_id(number)] = (split, table.group(number))
    found = 0
    for session in open_sessions(recordings):
        if isinstance(session, Rejected) or session.session_id not in places:
            continue
        split, group = places[session.session_id]
        found += 1
        yield RawSession(
            session_id=session.session_id,
            split=split,
            group=group,
            sha256=session.sha256,
            parts=session.parts,
            events=[event for part in session.parts for event in _events_of(part)],
        )
    if found < len(places):
        raise SystemExit(f"{len(places) - found} sessions of {corpus} are not in {recordings}")


def _events_of(part: bytes) -> Iterator[RawEvent]:
    is_list = part.lstrip()[:1] == b"["
    for raw in msgspec.json.decode(part, type=list[msgspec.Raw]) if is_list else [part]:
        text = bytes(raw).decode("utf-8", errors="replace")
        shell = msgspec.json.decode(raw, type=_Shell)
        kind = -1 - max(0, shell.type)
        if shell.type == 3:
            inner = msgspec.json.decode(shell.data, type=_Inner)
            source = -1 if inner.source is None else inner.source
            is_inner = source in _INNER_SOURCES and inner.type is not None
            numbers = Kind(source, inner.type if is_inner and inner.type is not None else -1)
            kind = PLACE_OF_KIND.get(numbers, kind)
        yield RawEvent(text=text, kind=kind, time_ms=shell.timestamp)
