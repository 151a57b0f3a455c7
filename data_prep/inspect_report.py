"""An inspection as a table for the terminal, and as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from data_prep.corpus import WINDOW_IDS
from data_prep.findings import TOKEN_GROUPS
from data_prep.inspection import Inspection
from data_prep.manifest import skipped_text
from data_prep.session_row import SPLITS
from data_prep.size_sample import Estimate
from data_prep.tallies import LogHistogram
from rrweb_tokenizer.telling.wording import counted

__all__ = [
    "duration_text",
    "estimate_text",
    "num_repeats",
    "report_json",
    "report_text",
    "size_text",
]

_MAX_LINES = 12
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def report_text(inspection: Inspection) -> str:
    """Return the report for a terminal, several lines."""
    return "\n".join(_lines(inspection))


def report_json(inspection: Inspection) -> dict[str, Any]:
    """Return all figures; counters of many texts hold their 100 most frequent."""
    found = inspection.findings
    return {
        "inputs": list(inspection.inputs),
        "is_corpus": inspection.is_corpus,
        "files": {
            "listed": found.num_files,
            "accepted": found.num_accepted,
            "rejected": found.num_rejected,
            "bytes": found.num_bytes,
            "skipped": inspection.skipped,
            "suffixes": dict(found.suffixes.most_common()),
        },
        "sessions": {
            "total": found.num_sessions,
            "rejected": found.num_rejected_sessions,
            "repeats": num_repeats(inspection),
            "by_form": dict(found.forms.most_common()),
            "by_split": {split: found.splits[split] for split in SPLITS},
            "by_rrweb_version": dict(found.versions.top(100)),
            "by_day": dict(sorted(found.days.counts.items())),
            "notes": dict(found.notes.most_common()),
            "duration_s": _distribution(found.durations_s),
            "events": _distribution(found.lengths),
            "bytes": _distribution(found.sizes),
        },
        "events": {
            "total": found.num_events,
            "not_events": found.num_rejected_events,
            "by_kind": dict(found.kinds.most_common()),
        },
        "groups": {
            "rule": inspection.grouping,
            "total": found.num_groups.estimate(),
            "is_exact": found.num_groups.is_exact,
            "largest": dict(found.groups.top(100)),
        },
        "rejects": {
            reason: {"number": number, "example": found.examples[reason]}
            for reason, number in found.reasons.most_common()
        },
        "expected": {
            "is_exact": inspection.is_exact,
            "tokenised_sessions": inspection.num_tokenised,
            "ids": round(inspection.num_ids.total),
            "ids_margin_95": round(inspection.num_ids.margin),
            "keyframes": round(inspection.tokens.num_keyframes),
            "disk_bytes": round(inspection.disk_bytes.total),
            "disk_bytes_margin_95": round(inspection.disk_bytes.margin),
            "token_groups": {
                name: round(number)
                for name, number in zip(TOKEN_GROUPS, inspection.tokens.by_group, strict=True)
            },
        },
        "notes": list(inspection.notes),
        "seconds": round(inspection.seconds, 3),
    }


def num_repeats(inspection: Inspection) -> int:
    """Return how many sessions repeat the content of another; `prepare` keeps one of each."""
    found = inspection.findings
    return max(found.num_sessions - found.num_contents.estimate(), 0)


def estimate_text(estimate: Estimate) -> str:
    """Return "5,200,000 ± 300,000", the number alone where it is exact."""
    if estimate.margin == 0:
        return f"{estimate.total:,.0f}"
    digits = -max(len(f"{estimate.margin:.0f}") - 2, 0)
    return f"{round(estimate.total, digits):,.0f} ± {round(estimate.margin, digits):,.0f}"


def size_text(num_bytes: float, margin: float = 0.0) -> str:
    """Return bytes, and how far they may be off, in a unit that suits them."""
    unit, divisor = "B", 1.0
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if num_bytes < 1000 * divisor or unit == "TB":
            break
        divisor *= 1000
    digits = 0 if unit == "B" else 1
    if 0 < margin < divisor:
        digits = min(max(digits, 1 - math.floor(math.log10(margin / divisor))), 3)
    margin_text = f" ± {margin / divisor:,.{digits}f}" if margin else ""
    return f"{num_bytes / divisor:,.{digits}f}{margin_text} {unit}"


def duration_text(seconds: float) -> str:
    """Return a time in a unit that suits it; below a second it is not told exactly."""
    if seconds < 1:
        return "<1 s"
    for unit, length in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _lines(inspection: Inspection) -> Iterator[str]:
    found = inspection.findings
    if inspection.skipped:
        yield f"not looked at: {skipped_text(inspection.skipped)}"
    yield (
        f"{counted(found.num_files, 'file')} listed = {found.num_accepted:,} accepted "
        f"+ {found.num_rejected:,} rejected; {size_text(found.num_bytes)}"
    )
    rejects = found.reasons.most_common()
    for reason, number in rejects[:_MAX_LINES]:
        yield f"  rejected {number:>8,} x {reason} (first: {found.examples[reason]})"
    if len(rejects) > _MAX_LINES:
        yield f"  rejected for {counted(len(rejects) - _MAX_LINES, 'other reason')}, see --json"
    yield (
        f"{counted(found.num_sessions, 'session')}, {counted(found.num_events, 'event')}, "
        f"{duration_text(found.durations_s.total)} in all"
    )
    if repeats := num_repeats(inspection):
        verb = "repeats" if repeats == 1 else "repeat"
        yield f"  {repeats:,} {verb} the content of another; prepare keeps one of each"
    if found.num_rejected_events:
        members = counted(found.num_rejected_events, "member")
        yield f"  {members} of event lists: no events"
    for note, number in found.notes.most_common(_MAX_LINES):
        yield f"  noted {number:>8,} x {note}"
    yield ""
    yield f"{'a session has':<22}{'10%':>10}{'25%':>10}{'median':>10}{'75%':>10}{'90%':>10}"
    yield _quantile_line("duration", found.durations_s, duration_text)
    yield _quantile_line("events", found.lengths, lambda value: f"{value:,.0f}")
    if found.sizes.num_values:
        yield _quantile_line("JSON", found.sizes, size_text)
    yield ""
    if found.forms:
        yield from _shares("form", found.forms.most_common(), found.num_sessions)
    yield from _shares("events by kind", found.kinds.most_common(), found.kinds.total())
    if found.versions.counts:
        yield from _shares("rrweb version", found.versions.top(_MAX_LINES), found.num_sessions)
    about = "" if found.num_groups.is_exact else "about "
    groups = Counter(dict(found.groups.top(5)))
    num_groups = found.num_groups.estimate()
    title = f"largest of {about}{counted(num_groups, 'group')} ({inspection.grouping})"
    yield from _shares(title, groups.most_common(), found.num_sessions)
    yield from _shares("split", [(s, found.splits[s]) for s in SPLITS], found.num_sessions)
    yield ""
    how = (
        "all sessions tokenised"
        if inspection.is_exact
        else f"95% interval, from {counted(inspection.num_tokenised, 'session')} tokenised"
    )
    yield f"ids       {estimate_text(inspection.num_ids)} ({how})"
    yield f"disk      {size_text(*inspection.disk_bytes)}"
    at_least = max(math.ceil(inspection.num_ids.total / WINDOW_IDS), 1)
    yield f"windows   at least {at_least:,} of 2,048 ids; each session takes one or more"
    yield from inspection.notes
    megabytes = found.num_bytes / 1e6
    rate = megabytes / max(inspection.seconds, 1e-9)
    speed = "" if inspection.is_corpus else f" ({rate:,.1f} MB/s)"
    yield f"inspected in {inspection.seconds:,.1f} s{speed}; nothing was written"


def _quantile_line(title: str, histogram: LogHistogram, text: Callable[[float], str]) -> str:
    return f"{title:<22}" + "".join(f"{text(histogram.quantile(q)):>10}" for q in _QUANTILES)


def _shares(title: str, items: Sequence[tuple[str, int]], total: int) -> Iterator[str]:
    yield title
    for name, number in items[:_MAX_LINES]:
        yield f"  {name:<44.44} {number:>12,} {number / max(total, 1):>7.1%}"
    if len(items) > _MAX_LINES:
        rest = sum(number for _, number in items[_MAX_LINES:])
        yield f"  {f'{len(items) - _MAX_LINES} more':<44} {rest:>12,} {rest / max(total, 1):>7.1%}"


def _distribution(histogram: LogHistogram) -> dict[str, Any]:
    quantiles = {f"p{round(100 * q)}": round(histogram.quantile(q), 3) for q in _QUANTILES}
    return {
        "total": round(histogram.total, 3),
        "largest": round(histogram.largest, 3),
        **quantiles,
        "doublings": [
            {"start": start, "stop": stop, "number": number}
            for start, stop, number in histogram.doublings()
        ],
    }
