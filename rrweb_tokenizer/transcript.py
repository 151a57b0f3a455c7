"""Ids -> a transcript that a person reads: time, action, element, place.

    0:03.2  clicks        button "Add to cart", at the middle right
    0:05.0  types         into search field "Search": 4 to 7 characters
    0:07.1  scrolls down  most of the viewport, 1 to 2 viewports deep

Only ids are read, so that what a model predicts, or any window, can be told too. Where event times
are not given they are estimated from the time tokens, and marked with `~`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rrweb_tokenizer.quantize import bin_to_time_ms
from rrweb_tokenizer.structural_vocab import NUM_STRUCTURAL, STRUCTURAL_TOKENS
from rrweb_tokenizer.telling.events import tell
from rrweb_tokenizer.telling.pages import outline
from rrweb_tokenizer.telling.parser import parse_ids
from rrweb_tokenizer.telling.reader import Decode, printable
from rrweb_tokenizer.telling.records import Event, Frame, Keyframe, Record, Span
from rrweb_tokenizer.telling.told import Told
from rrweb_tokenizer.telling.wording import clock, duration

__all__ = ["Entry", "entries", "json_entry", "render_ids", "run_line", "shown_runs", "text_lines"]

IDLE_MS: Final = 30_000.0
"""Pauses longer than this get a line of their own."""

# The lower edges of the elapsed bins; see `quantize.elapsed_to_bin`.
_ELAPSED_MS: Final = (0.0, 1e3, 4e3, 15e3, 60e3, 240e3, 900e3, 3600e3)
_MAX_ELAPSED_MS: Final = 1e15
_FOLDED: Final = frozenset(("[IS_MouseMove]", "[IS_TouchMove]", "[IS_Drag]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record, when it was, and what it says.

    Attributes:
        record: the record, with its span of ids.
        told: what it says.
        elapsed_ms: time since the session's start.
        is_estimate: the time comes from time tokens, not from the recording.
        outline: the nodes of a page, where all of it was asked for.
    """

    record: Record
    told: Told
    elapsed_ms: float
    is_estimate: bool
    outline: tuple[str, ...] = ()


def entries(
    ids: Sequence[int],
    decode: Decode,
    *,
    event_starts: Sequence[int] = (),
    event_times_ms: Sequence[float] = (),
    full: bool = False,
) -> list[Entry]:
    """All records of a session or window, told in order; see `telling.parser.parse_ids`.

    Args:
        ids: any ids of the vocabulary.
        decode: gives the text of pieces.
        event_starts: offsets of events, as in an `EncodedSession`; may be left out.
        event_times_ms: their times, epoch ms.
        full: leave nothing out of pages and mutations.
    """
    records = parse_ids(ids, decode, event_starts=event_starts, event_times_ms=event_times_ms)
    start_ms = float(event_times_ms[0]) if len(event_times_ms) else 0.0

    def raw(span: Span) -> str:
        return render_ids(ids[span.start : span.stop], decode)

    told: list[Entry] = []
    elapsed_ms, is_estimate = 0.0, not len(event_times_ms)
    for record in records:
        match record:
            case Event(time_ms=float(time_ms)):
                elapsed_ms, is_estimate = _bounded(time_ms - start_ms), False
            case Event(time_bin=int(time_bin)):
                elapsed_ms, is_estimate = elapsed_ms + bin_to_time_ms(time_bin), True
            case Keyframe(elapsed_bin=int(elapsed_bin)) if is_estimate:
                elapsed_ms = max(elapsed_ms, _ELAPSED_MS[min(elapsed_bin, len(_ELAPSED_MS) - 1)])
            case Frame(name="[SEP]"):
                elapsed_ms = 0.0  # another session follows
        is_page = full and isinstance(record, Event) and record.head in ("[EV_FullSnapshot]", None)
        told.append(
            Entry(
                record=record,
                told=tell(record, raw, full=full),
                elapsed_ms=elapsed_ms,
                is_estimate=is_estimate,
                outline=tuple(outline(record)) if is_page and isinstance(record, Event) else (),
            )
        )
    return told


def text_lines(
    told: Iterable[Entry], *, ids_of: Callable[[Span], str] | None = None
) -> Iterator[str]:
    """The transcript as lines of printable text.

    Moves that follow one another, and lines that say the same, are told once with their number.

    Args:
        told: the entries of `entries`.
        ids_of: gives the line of ids below each entry, which then stand unfolded.
    """
    before_ms: float | None = None
    for run in shown_runs(told) if ids_of is None else ([entry] for entry in told):
        first, last = run[0], run[-1]
        if before_ms is not None and first.elapsed_ms - before_ms >= IDLE_MS:
            yield f"{'':>9}  ({duration(first.elapsed_ms - before_ms)} pass)"
        before_ms = last.elapsed_ms
        yield run_line(run)
        for line in last.outline:
            yield printable(f"{'':>11}{line}")
        if ids_of is not None:
            yield printable(f"{'':>11}{ids_of(last.record)}")


def json_entry(entry: Entry, ids: Sequence[int] | None = None) -> dict[str, Any]:
    """An entry as JSON types.

    Args:
        entry: one of `entries`.
        ids: all ids, when those of the entry's span should be written too.
    """
    record, told = entry.record, entry.told
    members: dict[str, Any] = {
        "kind": type(record).__name__.lower(),
        "event": record.index if isinstance(record, Event) else None,
        "time_ms": record.time_ms if isinstance(record, Event) else None,
        "elapsed_ms": round(entry.elapsed_ms, 3),
        "is_estimate": entry.is_estimate,
        "head": record.head if isinstance(record, Event) else None,
        "action": told.action,
        "target": told.target,
        "place": told.place,
        "details": list(told.details),
        "span": [record.start, record.stop],
    }
    if entry.outline:
        members["outline"] = list(entry.outline)
    if ids is not None:
        members["ids"] = [int(i) for i in ids[record.start : record.stop]]
    return members


def render_ids(ids: Sequence[int], decode: Decode) -> str:
    """Ids as tokens: structural ones by name, runs of text in quotation marks."""
    parts: list[str] = []
    pieces: list[int] = []
    for token_id in [*ids, 0]:
        if token_id >= NUM_STRUCTURAL:
            pieces.append(int(token_id))
            continue
        if pieces:
            parts.append(f'"{printable(decode(pieces))}"')
            pieces = []
        parts.append(STRUCTURAL_TOKENS[token_id])
    return " ".join(parts[:-1])


def _bounded(elapsed_ms: float) -> float:
    """A time that can be written out, whatever a recording says."""
    return min(max(elapsed_ms, 0.0), _MAX_ELAPSED_MS) if math.isfinite(elapsed_ms) else 0.0


def _is_shown(entry: Entry) -> bool:
    """Whether an entry is for people: keyframes but the first are how ids are stored."""
    record = entry.record
    if isinstance(record, Frame):
        return record.name == "[SEP]"
    return not isinstance(record, Keyframe) or record.start <= 1


def shown_runs(told: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries that are for people, in runs that are told as one line."""
    run: list[Entry] = []
    for entry in filter(_is_shown, told):
        if run and not _joins(run[-1], entry):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _joins(first: Entry, second: Entry) -> bool:
    if not isinstance(first.record, Event) or not isinstance(second.record, Event):
        return False
    if first.record.head in _FOLDED and first.record.head == second.record.head:
        return second.elapsed_ms - first.elapsed_ms < IDLE_MS
    return first.told == second.told and not first.outline


def run_line(run: list[Entry]) -> str:
    """A run as a line: when it began, how often, until when; of moves where they ended."""
    first, last = run[0], run[-1]
    told = last.told
    time = f"{'~' if first.is_estimate else ''}{clock(first.elapsed_ms)}"
    head = [part for part in (told.target, told.place) if part]
    # What the last of many moves covered says nothing of the others.
    is_move = isinstance(last.record, Event) and last.record.head in _FOLDED
    details = () if is_move and len(run) > 1 else told.details
    separator = ": " if head and details else ""
    rest = f"{', '.join(head)}{separator}{'; '.join(details)}"
    until = f"  ({len(run)} times, until {clock(last.elapsed_ms)})" if len(run) > 1 else ""
    return printable(f"{time:>9}  {told.action:<13} {rest}{until}".rstrip())
