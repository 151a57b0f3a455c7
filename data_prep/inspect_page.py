"""An inspection as one HTML page with plots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

from data_prep.findings import TOKEN_GROUPS, Findings
from data_prep.html_page import (
    Bar,
    Column,
    bar_list,
    column_chart,
    page,
    paragraph,
    section,
    table,
    tiles,
)
from data_prep.inspect_report import duration_text, estimate_text, num_repeats, size_text
from data_prep.inspection import Inspection
from data_prep.manifest import skipped_text
from data_prep.session_facts import AFTER_ALPHA_4, NO_DAY
from data_prep.session_row import SPLITS
from data_prep.tallies import LogHistogram
from rrweb_tokenizer.telling.wording import counted

__all__ = ["report_page"]

_MAX_INPUTS: Final = 3
_MAX_BARS: Final = 16
_MAX_ROWS: Final = 20
_MAX_COLUMNS: Final = 60


def report_page(inspection: Inspection) -> str:
    """Return the page; it loads nothing and runs no script."""
    found = inspection.findings
    sections = [
        section("Session lengths", *_histogram(found.durations_s, duration_text)),
        section("Events a session", *_histogram(found.lengths, lambda n: f"{n:,.0f}")),
        section("Event mix", bar_list(_bars(found.kinds.most_common(), found.kinds.total()))),
        section("Token groups", *_token_groups(inspection)),
        section("Corpus over time", *_over_time(found), is_wide=True),
        section("Rejects", *_rejects(found), is_wide=True),
        section("Groups", *_groups(inspection)),
        section(
            "Splits",
            bar_list(_bars([(s, found.splits[s]) for s in SPLITS], found.num_sessions)),
            paragraph("By the rule and the fractions given; a group is never torn.", is_soft=True),
        ),
        section("Forms of files", *_forms(found)),
    ]
    if found.versions.counts:
        sections.append(section("rrweb versions", *_versions(found)))
    if found.notes or found.num_rejected_events:
        sections.append(section("Noted", _notes(found), is_wide=True))
    what = "Prepared corpus" if inspection.is_corpus else "Recordings"
    inputs = inspection.inputs[:_MAX_INPUTS]
    more = len(inspection.inputs) - len(inputs)
    title = f"{what}: {', '.join(inputs)}{f' and {more} more' if more else ''}"
    return page(title, sections, lead=_lead(inspection))


def _lead(inspection: Inspection) -> list[Markup]:
    found = inspection.findings
    how = (
        "all sessions tokenised"
        if inspection.is_exact
        else f"95% interval, from {counted(inspection.num_tokenised, 'session')} tokenised"
    )
    is_are = "are" if inspection.is_corpus else "would be"
    lead = [
        paragraph(
            f"{counted(found.num_files, 'file')} listed = {found.num_accepted:,} accepted + "
            f"{found.num_rejected:,} rejected.",
        ),
        tiles(
            [
                (f"{found.num_sessions:,}", "sessions"),
                (f"{found.num_events:,}", "events"),
                (duration_text(found.durations_s.total), "recorded in all"),
                (size_text(found.num_bytes), "in files"),
                (f"{found.num_groups.estimate():,}", f"groups ({inspection.grouping})"),
                (estimate_text(inspection.num_ids), f"ids {is_are} in the corpus"),
                (size_text(*inspection.disk_bytes), "on disk"),
                (f"{num_repeats(inspection):,}", "sessions repeat another's content"),
            ]
        ),
        paragraph(f"Ids and disk: {how}.", is_soft=True),
    ]
    if inspection.skipped:
        skipped = skipped_text(inspection.skipped)
        lead.append(paragraph(f"Not looked at: {skipped}.", is_soft=True))
    return lead + [paragraph(note, is_soft=True) for note in inspection.notes]


def _bars(items: Sequence[tuple[str, float]], total: float) -> list[Bar]:
    """Return the first bars, and one for all others."""
    shown = [(name, number) for name, number in items if number]
    if len(shown) > _MAX_BARS:
        rest = shown[_MAX_BARS - 1 :]
        shown = shown[: _MAX_BARS - 1]
        shown.append((f"{len(rest)} others", sum(number for _, number in rest)))
    return [
        Bar(label=name, value=number, note=f"{number:,.0f} · {number / max(total, 1):.1%}")
        for name, number in shown
    ]


def _histogram(histogram: LogHistogram, text: Callable[[float], str]) -> list[Markup]:
    doublings = histogram.doublings()
    if not doublings:
        return [paragraph("none")]
    columns = [
        Column(label=f"{text(start)} to {text(stop)}", value=number)
        for start, stop, number in doublings
    ]
    edges = [start for start, _, _ in doublings] + [doublings[-1][1]]
    step = -(-len(doublings) // 4)
    ticks = [(place / len(doublings), text(edges[place])) for place in range(0, len(edges), step)]
    highest = max(number for _, _, number in doublings)
    quantiles = ", ".join(
        f"{title} {text(histogram.quantile(share))}"
        for title, share in (("10%", 0.1), ("median", 0.5), ("90%", 0.9))
    )
    return [
        column_chart(columns, ticks),
        paragraph(
            f"{quantiles}. The highest column is {counted(highest, 'session')}; each spans twice "
            "what the one before it does.",
            is_soft=True,
        ),
    ]


def _token_groups(inspection: Inspection) -> list[Markup]:
    items = sorted(
        zip(TOKEN_GROUPS, inspection.tokens.by_group.tolist(), strict=True), key=lambda x: -x[1]
    )
    how = "" if inspection.is_exact else "Estimated from the sessions tokenised."
    total = inspection.tokens.num_ids
    bars = [
        Bar(label=bar.label, value=bar.value, note=f"{bar.value / max(total, 1):.1%}")
        for bar in _bars(items, total)
    ]
    return [bar_list(bars), *([paragraph(how, is_soft=True)] if how else [])]


def _over_time(found: Findings) -> list[Markup]:
    """Return sessions a day, or a longer span where there would be too many columns."""
    counts = {date.fromisoformat(day): n for day, n in found.days.counts.items() if day != NO_DAY}
    undated = found.days.counts[NO_DAY] + found.days.num_others
    about = paragraph(f"{counted(undated, 'session')} without a date.", is_soft=True)
    if not counts:
        return [about]
    first, last = min(counts), max(counts)
    num_days = (last - first).days + 1
    span = -(-num_days // _MAX_COLUMNS)
    spans: Counter[int] = Counter()
    for day, number in counts.items():
        spans[(day - first).days // span] += number
    columns = []
    for place in range(-(-num_days // span)):
        start = first + timedelta(days=place * span)
        stop = start + timedelta(days=span - 1)
        label = start.isoformat() if span == 1 else f"{start} to {stop}"
        columns.append(Column(label=label, value=spans[place]))
    num_shown = len(columns) * span
    ticks = [(0.0, first.isoformat())]
    if num_shown > 2:
        middle = num_shown // 2
        ticks.append((middle / num_shown, (first + timedelta(days=middle)).isoformat()))
    if num_shown > 1:
        ticks.append((1.0, (first + timedelta(days=num_shown - 1)).isoformat()))
    days = "a day" if span == 1 else f"{span} days"
    return [
        column_chart(columns, ticks),
        paragraph(
            f"Sessions begun; a column is {days}, the highest {max(spans.values()):,}.",
            is_soft=True,
        ),
        *([about] if undated else []),
    ]


def _rejects(found: Findings) -> list[Markup]:
    if not found.reasons:
        return [paragraph("None.")]
    rows = [
        (f"{number:,}", reason, found.examples[reason])
        for reason, number in found.reasons.most_common(_MAX_ROWS)
    ]
    more = len(found.reasons) - len(rows)
    content = [
        bar_list(_bars(found.reasons.most_common(), found.reasons.total())),
        table(("number", "reason", "first file"), rows, numbers=(0,)),
    ]
    if more:
        content.append(paragraph(f"--json has {counted(more, 'other reason')}.", is_soft=True))
    return content


def _groups(inspection: Inspection) -> list[Markup]:
    found = inspection.findings
    number = found.num_groups.estimate()
    top = found.groups.top(_MAX_BARS - 1)
    about = "" if found.num_groups.is_exact else "about "
    text = f"The largest of {about}{number:,}, by sessions."
    return [bar_list(_bars(top, found.num_sessions)), paragraph(text, is_soft=True)]


def _forms(found: Findings) -> list[Markup]:
    content = []
    if found.forms:
        content.append(bar_list(_bars(found.forms.most_common(), found.num_sessions)))
    suffixes = ", ".join(
        f"{number:,} {suffix}" for suffix, number in found.suffixes.most_common(_MAX_BARS)
    )
    return [*content, paragraph(f"Files by suffix: {suffixes}.", is_soft=True)]


def _versions(found: Findings) -> list[Markup]:
    bars = bar_list(_bars(found.versions.top(_MAX_BARS), found.num_sessions))
    if AFTER_ALPHA_4 not in found.versions.counts:
        return [bars]
    how = f'"{AFTER_ALPHA_4}" follows from pointer types in the events.'
    return [bars, paragraph(how, is_soft=True)]


def _notes(found: Findings) -> Markup:
    rows = [(f"{number:,}", note) for note, number in found.notes.most_common(_MAX_ROWS)]
    if found.num_rejected_events:
        rows.append((f"{found.num_rejected_events:,}", "members of event lists are no events"))
    return table(("number", "what"), rows, numbers=(0,))
