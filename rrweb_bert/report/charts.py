"""Line charts and time lines as inline SVG that fills the width it is given.

Pictures are drawn on 100 x 100 units and stretched; what must not be stretched, texts above all,
stands around them as HTML. Numbers are formatted here, texts are escaped by `Markup.format`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

__all__ = ["CHART_STYLE", "Series", "TimeBar", "axis", "line_chart", "time_line"]

CHART_STYLE: Final = Markup("""
a { color: var(--mark); }
.chart { position: relative; padding-left: 48px; }
.chart svg { display: block; width: 100%; height: 190px; border-bottom: 1px solid var(--soft);
  border-left: 1px solid var(--line); overflow: visible; }
.chart.small { padding-left: 40px; } .chart.small svg { height: 90px; }
.chart .high, .chart .low { position: absolute; left: 0; width: 42px; text-align: right;
  font-size: .75rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.chart.small .high, .chart.small .low { width: 34px; }
.chart .high { top: -.5em; } .chart .low { bottom: 1.2em; }
.chart path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
.chart .grid { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.chart .restart { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3;
  vector-effect: non-scaling-stroke; }
.s0 { stroke: var(--mark); } .s1 { stroke: var(--other); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: .85rem; color: var(--soft);
  margin: 0 0 10px 48px; }
.legend svg { width: 22px; height: 8px; margin-right: 6px; vertical-align: middle; }
.legend path { fill: none; stroke-width: 3; }
.grid-of-charts { display: grid; gap: 14px 18px;
  grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); }
.grid-of-charts h3 { font-size: .88rem; font-weight: 600; margin: 0 0 8px; }
.grid-of-charts h3 span { color: var(--soft); font-weight: 400;
  font-variant-numeric: tabular-nums; }
.time-line svg { display: block; width: 100%; height: 150px; overflow: visible;
  border-bottom: 1px solid var(--soft); }
.time-line .usual { fill: var(--mark); } .time-line .rare { fill: var(--other); }
.time-line .page { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3;
  vector-effect: non-scaling-stroke; }
.time-line .numbers { position: relative; height: 1.5em; font-size: .8rem; }
.time-line .numbers a { position: absolute; transform: translateX(-50%); color: var(--other);
  font-weight: 700; text-decoration: none; }
""")

_LINE: Final = Markup('<path class="{}" d="{}"/>')
_UPRIGHT: Final = Markup('<line class="{}" x1="{x}" x2="{x}" y1="0" y2="100"/>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of a chart: its name and its points, by rising x; values are finite."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBar:
    """A bar of a time line: where (0 to 1), how high (0 to 1), whether it is one of the rare."""

    place: float
    height: float
    is_rare: bool
    label: str


def line_chart(
    series: Sequence[Series],
    *,
    ticks: Sequence[tuple[float, str]],
    restarts: Sequence[float] = (),
    is_small: bool = False,
    from_zero: bool = False,
) -> Markup:
    """A chart of one or two lines, with its highest and lowest value at the left.

    Args:
        series: the lines; points that are no numbers are left out.
        ticks: texts at places (0 to 1) below the chart.
        restarts: values of x at which a dashed line stands.
        is_small: half as high, for charts side by side.
        from_zero: the axis begins at 0.
    """
    lines = [[(x, y) for x, y in each.points if math.isfinite(y)] for each in series]
    points = [point for line in lines for point in line]
    if not points:
        return Markup('<p class="soft">Nothing was logged.</p>')
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, right = min(xs), max(xs)
    low, high = 0.0 if from_zero else min(ys), max(ys)
    width, height = right - left or 1.0, high - low or 1.0

    def path(line: list[tuple[float, float]]) -> str:
        if len(line) == 1:  # a line of no length is not drawn
            line = [line[0], (line[0][0] + width / 100, line[0][1])]
        places = (
            f"{100 * (x - left) / width:.2f} {100 - 100 * (y - low) / height:.2f}" for x, y in line
        )
        return "M" + " L".join(places)

    drawn = [_LINE.format(f"s{i}", path(line)) for i, line in enumerate(lines) if line]
    drawn += [
        _UPRIGHT.format("restart", x=f"{100 * (x - left) / width:.2f}")
        for x in restarts
        if left <= x <= right
    ]
    names = ", ".join(each.name for each in series)
    return Markup(
        '{legend}<div class="chart {size}"><span class="high">{high}</span>'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        'aria-label="{names}: {low} to {high}">{grid}{drawn}</svg>'
        '<span class="low">{low}</span>{axis}</div>'
    ).format(
        legend=_legend(series) if len(series) > 1 else "",
        size="small" if is_small else "large",
        high=_short(high),
        low=_short(low),
        names=names,
        grid=Markup('<line class="grid" x1="0" x2="100" y1="50" y2="50"/>'),
        drawn=Markup("").join(drawn),
        axis=axis(ticks),
    )


def time_line(
    bars: Sequence[TimeBar],
    *,
    ticks: Sequence[tuple[float, str]],
    pages: Sequence[float],
    numbers: Sequence[tuple[float, str, str]],
) -> Markup:
    """Bars along the time of a session.

    Args:
        bars: where and how high.
        ticks: texts at places (0 to 1) below.
        pages: places at which an address was opened, as dashed lines.
        numbers: place, text and the id of an element of the page that a link leads to.
    """
    rect = Markup(
        '<rect class="{}" x="{}" y="{}" width="0.35" height="{}"><title>{}</title></rect>'
    )
    drawn = [_UPRIGHT.format("page", x=f"{100 * place:.2f}") for place in pages]
    # Rare ones last, so that no other bar hides them.
    for bar in sorted(bars, key=lambda bar: bar.is_rare):
        height = max(100 * min(bar.height, 1.0), 0.8)
        drawn.append(
            rect.format(
                "rare" if bar.is_rare else "usual",
                f"{100 * bar.place * 0.9965:.3f}",
                f"{100 - height:.2f}",
                f"{height:.2f}",
                bar.label,
            )
        )
    marks = Markup("").join(
        Markup('<a href="#{}" style="left:{}%">{}</a>').format(target, f"{100 * place:.2f}", text)
        for place, text, target in numbers
    )
    return Markup(
        '<div class="time-line"><div class="numbers">{}</div><svg viewBox="0 0 100 100" '
        'preserveAspectRatio="none" role="img" aria-label="surprise over time, {} events">{}</svg>'
        "{}</div>"
    ).format(marks, len(bars), Markup("").join(drawn), axis(ticks))


def axis(ticks: Sequence[tuple[float, str]]) -> Markup:
    """Texts at places (0 to 1) below a picture."""
    tick = Markup('<span class="{}" style="left:{}%">{}</span>')
    return Markup('<div class="axis">{}</div>').format(
        Markup("").join(
            tick.format(
                "first" if place < 0.05 else "last" if place > 0.95 else "inner",
                f"{100 * place:.2f}",
                text,
            )
            for place, text in ticks
        )
    )


def _legend(series: Sequence[Series]) -> Markup:
    entry = Markup(
        '<span><svg viewBox="0 0 22 8"><path class="s{}" d="M0 4 L22 4"/></svg>{}</span>'
    )
    return Markup('<div class="legend">{}</div>').format(
        Markup("").join(entry.format(i, each.name) for i, each in enumerate(series))
    )


def _short(value: float) -> str:
    """A number in at most six characters or so."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M"
    if 999.5 <= abs(value) < 9999.5:
        return f"{value:,.0f}"
    if abs(value) >= 1e4 - 0.5:
        return f"{value / 1e3:.3g}k"
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.0e}"
