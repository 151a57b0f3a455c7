"""A session as a page: its time line with surprise, its moments, its transcript, its neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from markupsafe import Markup

from data_prep.html_page import page, paragraph, section, tiles
from rrweb_bert.report.charts import CHART_STYLE, TimeBar, time_line
from rrweb_bert.report.neighbours import Neighbour
from rrweb_bert.surprise.moments import NUM_TOP, ONE_IN, Moment, SessionSurprise, session_entries
from rrweb_bert.surprise.norms import Norms
from rrweb_bert.surprise.scoring import EventScores
from rrweb_bert.surprise.usual import usual_scores
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.telling.records import Event
from rrweb_tokenizer.telling.wording import clock, duration
from rrweb_tokenizer.transcript import Entry, run_line, shown_runs

__all__ = ["ScoredSession", "session_page"]

_MAX_BARS: Final = 400
_MAX_LINES: Final = 5000
_RARE_BITS: Final = math.log2(ONE_IN)
_FULL_BITS: Final = 10.0  # as high as the picture

_STYLE: Final = Markup("""
.lines { display: grid; grid-template-columns: max-content 34px minmax(0, 1fr); gap: 1px 10px;
  font: .82rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.lines .when { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
.lines .bits { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
.lines .what { overflow-wrap: anywhere; }
.lines .rare { color: var(--other); font-weight: 700; }
.lines .what.rare { color: inherit; font-weight: inherit; border-left: 3px solid var(--other);
  padding-left: 8px; margin-left: -11px; }
.moments td b { font-weight: 600; }
.moments .why { color: var(--soft); font-size: .85rem; display: block; }
@media (max-width: 760px) { .lines { gap: 1px 6px; font-size: .76rem;
  grid-template-columns: max-content 26px minmax(0, 1fr); } }
""")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredSession:
    """All that a page tells of a session.

    Attributes:
        session: its ids and times.
        scores: what the model made of its events.
        norms: by which they are judged.
        judged: its moments.
        remark: what a reader should know of the norms; may be empty.
        neighbours: most alike first; None where none were asked for.
    """

    session: EncodedSession
    scores: EventScores
    norms: Norms
    judged: SessionSurprise
    remark: str = ""
    neighbours: Sequence[Neighbour] | None = None


def session_page(scored: ScoredSession, tokenizer: RRWebTokenizer) -> str:
    """The whole page; it loads nothing and runs no script."""
    judged = scored.judged
    standing_out = [moment for moment in judged.moments if moment.stands_out]
    told = session_entries(scored.session, tokenizer)
    bits = np.abs(np.log2(scored.norms.rarity(scored.scores)))
    bits_of = dict(zip(scored.scores.events.tolist(), bits.tolist(), strict=True))
    sections = [
        section(
            "Surprise over time", *_time_line(scored, told, bits_of, standing_out), is_wide=True
        ),
        section("What stands out", *_moments(judged, standing_out), is_wide=True),
    ]
    if scored.neighbours is not None:
        sections.append(section("Sessions like this one", *_like(scored.neighbours), is_wide=True))
    anchors = {moment.event for moment in standing_out}
    sections.append(section("Transcript", *_transcript(told, bits_of, anchors), is_wide=True))
    return page(
        f"Session: {judged.name}",
        sections,
        lead=_lead(scored),
        style=CHART_STYLE + _STYLE,
    )


def _lead(scored: ScoredSession) -> list[Markup]:
    judged = scored.judged
    figures = [
        (duration(judged.duration_ms), "long"),
        (f"{scored.session.num_events:,}", "events recorded"),
        (f"{judged.num_scored:,}", "events judged"),
        (f"{judged.score:.1f}", f"score: bits of its {NUM_TOP} rarest moments, on average"),
    ]
    lead = [tiles(figures)]
    if len(scored.session.event_times_ms):
        lead.insert(0, paragraph(_date(float(scored.session.event_times_ms[0])), is_soft=True))
    if usual := usual_scores(scored.norms, judged):
        lead.append(paragraph(f"{usual}.", is_soft=True))
    if scored.remark:
        lead.append(paragraph(f"Note: {scored.remark}", is_soft=True))
    return lead


def _date(time_ms: float) -> str:
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "at no time that a calendar has"


def _time_line(
    scored: ScoredSession,
    told: Sequence[Entry],
    bits_of: dict[int, float],
    standing_out: Sequence[Moment],
) -> list[Markup]:
    """One bar for an event, or for the rarest of those that would stand in one place."""
    whole_ms = max((entry.elapsed_ms for entry in told), default=0.0) or 1.0
    highest: dict[int, tuple[float, Entry]] = {}
    pages: list[float] = []
    for entry in told:
        record = entry.record
        if not isinstance(record, Event):
            continue
        place = entry.elapsed_ms / whole_ms
        if record.head == "[EV_Meta]" and (not pages or place - pages[-1] > 0.002):
            pages.append(place)
        bits = bits_of.get(-1 if record.index is None else record.index)
        column = int(place * (_MAX_BARS - 1))
        if bits is not None and (column not in highest or bits > highest[column][0]):
            highest[column] = bits, entry
    if not highest:
        return [paragraph("Nothing that a visitor did: no event to judge.")]
    bars = [
        TimeBar(
            place=entry.elapsed_ms / whole_ms,
            height=bits / _FULL_BITS,
            is_rare=bits >= _RARE_BITS,
            label=f"{' '.join(run_line([entry]).split())} ({bits:.1f} bits)",
        )
        for bits, entry in highest.values()
    ]
    numbers = [
        (min(moment.elapsed_ms / whole_ms, 1.0), str(number), f"event-{moment.event}")
        for number, moment in enumerate(standing_out[:9], start=1)
    ]
    ticks = [(share, clock(share * whole_ms)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return [
        time_line(bars, ticks=ticks, pages=pages, numbers=_apart(numbers)),
        paragraph(
            f"A bar is an event, as high as it is rare among its kind: the full height is one in "
            f"{2**_FULL_BITS:,.0f}; one in {ONE_IN} and rarer stand out. Dashed lines: "
            "an address is opened. Numbers: the moments below.",
            is_soft=True,
        ),
    ]


def _apart(numbers: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """The numbers that have room beside those before them, the first moments first."""
    kept: list[tuple[float, str, str]] = []
    for each in numbers:
        if all(abs(each[0] - other[0]) >= 0.03 for other in kept):
            kept.append(each)
    return kept


def _moments(judged: SessionSurprise, standing_out: Sequence[Moment]) -> list[Markup]:
    if not judged.moments:
        return [paragraph("Nothing that a visitor did: no event to judge.")]
    if not standing_out:
        return [
            paragraph(f"Nothing stands out: no moment is one in {ONE_IN} of its kind or rarer.")
        ]
    row = Markup(
        '<tr><td class="number">{}</td><td class="number"><a href="#event-{}">{}</a></td>'
        '<td class="number">{}</td><td class="text">{}<span class="why">{}</span></td></tr>'
    )
    rows = Markup("\n").join(
        row.format(
            number,
            moment.event,
            clock(moment.elapsed_ms),
            f"{moment.bits:.1f}",
            moment.line,
            moment.reason,
        )
        for number, moment in enumerate(standing_out, start=1)
    )
    head = Markup(
        '<tr><th class="number"></th><th class="number">time</th><th class="number">bits</th>'
        '<th class="text">what happened</th></tr>'
    )
    return [
        Markup('<div class="scroll moments"><table>{}{}</table></div>').format(head, rows),
        paragraph(
            f"Moments of one in {ONE_IN} events of their kind, and rarer. Bits: 1 for one in two, "
            "10 for one in 1,024.",
            is_soft=True,
        ),
    ]


def _like(neighbours: Sequence[Neighbour]) -> list[Markup]:
    if not neighbours:
        return [paragraph("The index holds no other session.")]
    row = Markup(
        '<tr><td class="number">{}</td><td class="text"><b>{}</b>'
        '<span class="why">{}</span></td></tr>'
    )
    rows = Markup("\n").join(
        row.format(f"{each.similarity:.3f}", each.session_id, each.about) for each in neighbours
    )
    head = Markup('<tr><th class="number">likeness</th><th class="text">session</th></tr>')
    return [
        Markup('<div class="scroll moments"><table>{}{}</table></div>').format(head, rows),
        paragraph(
            "Likeness: cosine of the sessions' vectors without the mean of all of them, 1 at most, "
            "as in search.",
            is_soft=True,
        ),
    ]


def _transcript(
    told: Sequence[Entry], bits_of: dict[int, float], anchors: Set[int]
) -> list[Markup]:
    """All lines, each with the bits of its rarest event; links lead to the events in `anchors`."""
    anchor = Markup('<i id="event-{}"></i>')
    line = Markup(
        '<span class="when">{}{}</span><span class="bits {rare}">{}</span>'
        '<span class="what {rare}">{}</span>'
    )
    lines: list[Markup] = []
    num_left_out = 0
    for run in shown_runs(told):
        if len(lines) >= _MAX_LINES:
            num_left_out += 1
            continue
        events = [
            entry.record.index
            for entry in run
            if isinstance(entry.record, Event) and entry.record.index is not None
        ]
        bits = max((bits_of[event] for event in events if event in bits_of), default=None)
        time, _, what = run_line(run).strip().partition(" ")
        lines.append(
            line.format(
                Markup("").join(anchor.format(event) for event in events if event in anchors),
                time,
                "" if bits is None else f"{bits:.1f}",
                what.strip(),
                rare="rare" if bits is not None and bits >= _RARE_BITS else "",
            )
        )
    content = [
        paragraph("Time, bits of the line's rarest event, and what happened.", is_soft=True),
        Markup('<div class="lines">{}</div>').format(Markup("\n").join(lines)),
    ]
    if num_left_out:
        content.append(paragraph(f"{num_left_out:,} more lines are left out here.", is_soft=True))
    return content
