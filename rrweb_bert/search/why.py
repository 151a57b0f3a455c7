"""Why a hit is one: the two windows that are most alike, and what is done in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.telling.reader import printable
from rrweb_tokenizer.telling.records import Event
from rrweb_tokenizer.telling.told import action_of
from rrweb_tokenizer.telling.wording import clock
from rrweb_tokenizer.text_model import TextModel
from rrweb_tokenizer.transcript import Entry, entries, text_lines

from ..session_ids import INTERACTION_HEADS, estimated_times_ms, event_starts_of
from .texts import text_runs
from .words import WORD, plain, words_of

__all__ = ["Moments", "Why", "why_alike", "why_words"]

_MAX_SHARED: Final = 3
_AROUND: Final = 30  # characters of the text around a word
# Where the pointer wanders says little.
_DOINGS: Final = frozenset(INTERACTION_HEADS) - {
    "[IS_MouseMove]",
    "[IS_TouchMove]",
    "[IS_Drag]",
    "[MI_MouseUp]",
    "[MI_MouseDown]",
    "[MI_TouchStart]",
    "[MI_TouchEnd]",
    "[MI_Blur]",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """A session, or a window of one, by its windows.

    Attributes:
        ids: (n,) uint16.
        windows: (w,) WINDOW.
        vectors: (w, H) of length 1; the mean of the index taken off.
        start_ms: when the session began, which times are told from.
    """

    ids: npt.NDArray[np.uint16]
    windows: npt.NDArray[Any]
    vectors: npt.NDArray[np.float32]
    start_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What a hit has in common with the query.

    Attributes:
        parts: what is told of it, a line each.
        here, there: a transcript line out of the query's window and one out of the hit's; empty
            where there is none.
        here_ms, there_ms: when these windows begin, or where words were looked for when they are
            shown, milliseconds from the session's start; None without one.
        here_end_ms, there_end_ms: when these windows end.
    """

    parts: tuple[str, ...]
    here: str = ""
    there: str = ""
    here_ms: float | None = None
    there_ms: float | None = None
    here_end_ms: float | None = None
    there_end_ms: float | None = None

    @property
    def summary(self) -> str:
        """What is told of it, in one line."""
        return "; ".join(self.parts)


def why_alike(query: Moments, hit: Moments, text_model: TextModel) -> Why:
    """The pair of windows with the highest similarity, and what the visitors do in both."""
    if not len(query.windows) or not len(hit.windows):
        return Why(parts=("no windows to compare",))
    alike = query.vectors.astype(np.float32) @ hit.vectors.astype(np.float32).T
    here, there = (int(i) for i in np.unravel_index(int(alike.argmax()), alike.shape))
    ours, theirs = _told(query, here, text_model), _told(hit, there, text_model)
    here_ms, there_ms = _elapsed(query, here), _elapsed(hit, there)
    here_end_ms, there_end_ms = _elapsed(query, here, "end_ms"), _elapsed(hit, there, "end_ms")
    shared, level = _shared(ours, theirs)
    lead = shared[0] if shared else None
    # From and to: a time alone would be read as that of the lines below.
    alike_parts = (
        f"most alike ({float(alike[here, there]):.2f}): {clock(here_ms)} to {clock(here_end_ms)} "
        f"of the query and {clock(there_ms)} to {clock(there_end_ms)} of the hit"
    )
    return Why(
        parts=(*([f"in both: {', '.join(shared)}"] if shared else []), alike_parts),
        here=_line(ours, lead, level),
        there=_line(theirs, lead, level),
        here_ms=here_ms,
        there_ms=there_ms,
        here_end_ms=here_end_ms,
        there_end_ms=there_end_ms,
    )


def why_words(hit: Moments, window: int, words: Sequence[str], text_model: TextModel) -> Why:
    """Where the words stand: the first text of the window with most of them."""
    bounds = hit.windows[window]
    start, stop = int(bounds["start"]), int(bounds["stop"])
    ids = hit.ids[start:stop]
    best, best_at, best_number = "", 0, 0
    wanted = {plain(word) for word in words}
    for at, text in text_runs(ids, text_model):
        if (number := len(wanted.intersection(map(plain, words_of(text))))) > best_number:
            best, best_at, best_number = text, at, number
    if not best_number:
        return Why(parts=("its texts hold the words, written otherwise",))
    told = _told(hit, window, text_model)
    entry = next((e for e in told if e.record.start <= best_at < e.record.stop), None)
    at_ms = entry.elapsed_ms if entry is not None else _elapsed(hit, window)
    # A window may begin within a page: its rest has no head, and its summary is of that rest.
    if entry is not None and isinstance(entry.record, Event) and entry.record.head is None:
        entry = None
    doing = action_of("[EV_FullSnapshot]") if entry is None else entry.told.action
    return Why(
        parts=(f'{clock(at_ms)} {doing}: "{_excerpt(best, wanted)}"',),
        there="" if entry is None else next(iter(text_lines([entry])), "").strip(),
        there_ms=at_ms,
    )


def _told(moments: Moments, window: int, text_model: TextModel) -> list[Entry]:
    """The records of a window, their times told from the session's start."""
    bounds = moments.windows[window]
    ids = moments.ids[int(bounds["start"]) : int(bounds["stop"])]
    starts = event_starts_of(ids)
    times = estimated_times_ms(ids, starts, float(bounds["start_ms"]), float(bounds["end_ms"]))
    told = entries(
        ids.tolist(),
        text_model.decode_plain,
        event_starts=starts.tolist(),
        event_times_ms=times.tolist(),
    )
    offset = _elapsed(moments, window)
    return [replace(entry, elapsed_ms=entry.elapsed_ms + offset) for entry in told]


def _elapsed(moments: Moments, window: int, bound: str = "start_ms") -> float:
    return max(0.0, float(moments.windows[window][bound]) - moments.start_ms)


def _phrase(entry: Entry, level: int) -> str:
    """What is done: with the element's name (0), with its kind (1), alone (2)."""
    target = entry.told.target
    if level == 1:
        target = target.partition(' "')[0]
    return f"{entry.told.action} {target}".strip() if level < 2 else entry.told.action


def _doings(told: Sequence[Entry]) -> list[Entry]:
    return [
        entry
        for entry in told
        if isinstance(entry.record, Event) and entry.record.head in _DOINGS and entry.told.action
    ]


def _shared(ours: Sequence[Entry], theirs: Sequence[Entry]) -> tuple[list[str], int]:
    """What is done in both, as exactly as it is the same, most often done first."""
    for level in range(3):
        counts = [Counter(_phrase(e, level) for e in _doings(told)) for told in (ours, theirs)]
        both = counts[0] & counts[1]
        if both:
            return [phrase for phrase, _ in both.most_common(_MAX_SHARED)], level
    return [], 2


def _line(told: Sequence[Entry], phrase: str | None, level: int) -> str:
    """The transcript line of what is shared; else of the first thing done, or of the page."""
    doings = _doings(told)
    chosen = next((e for e in doings if _phrase(e, level) == phrase), None)
    chosen = chosen or next(iter(doings or told), None)
    return "" if chosen is None else next(iter(text_lines([chosen])), "").strip()


def _excerpt(text: str, words: Collection[str]) -> str:
    """The text around its first of the words."""
    places = (found.start() for found in WORD.finditer(text) if plain(found.group()) in words)
    first = next(places, 0)
    start, stop = max(0, first - _AROUND), first + 2 * _AROUND
    before, after = "..." if start else "", "..." if stop < len(text) else ""
    return printable(f"{before}{' '.join(text[start:stop].split())}{after}")
