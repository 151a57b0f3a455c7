"""One self-contained HTML page: text is escaped unless it is `Markup`, nothing is loaded.

Strings from recordings (hosts, paths, tags) are anybody's text, so nothing here joins strings:
`Markup.format` escapes every argument that is not `Markup` itself, and `join` does the same. The
page's own policy forbids scripts, and everything from elsewhere, on top::

    page("Title", [section("Events", bar_list([Bar(label=host, value=3, note="3")]))])

Light and dark follow the reader's setting; charts are as wide as the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

__all__ = [
    "Bar",
    "Column",
    "bar_list",
    "column_chart",
    "page",
    "paragraph",
    "section",
    "table",
    "tiles",
]

_STYLE: Final = Markup("""
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dfe7;
  --paper: #ffffff; --card: #f5f7fa; --mark: #2f6fde; --other: #b4552d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b6; --line: #313a47;
  --paper: #12161c; --card: #1b212a; --mark: #6ea0ff; --other: #e08a5f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.5rem; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 8px; }
p { margin: 0 0 10px; overflow-wrap: anywhere; } .soft { color: var(--soft); font-size: .9rem; }
.tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 10px;
  margin: 18px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 12px; }
.tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tile span { color: var(--soft); font-size: .85rem; }
.sections { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; min-width: 0; }
section.wide { grid-column: 1 / -1; }
.bars { display: grid; grid-template-columns: minmax(0, max-content) minmax(60px, 1fr) max-content;
  gap: 5px 10px; align-items: center; font-size: .88rem; }
.bars .name { max-width: 230px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .note { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft);
  white-space: nowrap; }
.bars svg { display: block; width: 100%; height: 12px; }
.columns svg { display: block; width: 100%; height: 170px; border-bottom: 1px solid var(--soft); }
.mark { fill: var(--mark); } .track { fill: var(--line); }
.axis { position: relative; height: 1.3em; font-size: .78rem; color: var(--soft);
  margin: 3px 0 8px; font-variant-numeric: tabular-nums; }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis span.first { transform: none; } .axis span.last { transform: translateX(-100%); }
.bars + p, .scroll + p { margin-top: 10px; } .bars + .scroll { margin-top: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
.number { width: 1%; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 760px) { main { padding: 16px 12px 32px; }
  .sections { grid-template-columns: minmax(0, 1fr); }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .bars .name { max-width: 38vw; white-space: normal; overflow-wrap: anywhere; }
  .columns svg { height: 140px; } }
@media print { section { break-inside: avoid; } }
""")

_NO_STYLE: Final = Markup("")

_PAGE: Final = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
<h1>{title}</h1>
{lead}
<div class="sections">
{sections}
</div>
</main></body>
</html>
""")

_CHART_HEIGHT: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of a bar list."""

    label: str
    value: float
    note: str
    """The value in words, at the end of the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a chart."""

    label: str
    """What a pointer on the column shows, before the number."""

    value: float


def page(
    title: str,
    sections: Sequence[Markup],
    *,
    lead: Sequence[Markup] = (),
    style: Markup = _NO_STYLE,
) -> str:
    """Return the whole page.

    Args:
        title: Title and headline.
        sections: What `section` returned, in order.
        lead: What stands between headline and sections.
        style: Rules of the page's own parts, after those for all pages.
    """
    return _PAGE.format(
        title=title, style=_STYLE + style, lead=Markup("\n").join(lead), sections=_joined(sections)
    )


def section(title: str, *content: Markup, is_wide: bool = False) -> Markup:
    """Return a framed section; a wide one takes the whole width on a wide screen."""
    return Markup('<section class="{}"><h2>{}</h2>{}</section>').format(
        "wide" if is_wide else "half", title, _joined(content)
    )


def paragraph(text: str, *, is_soft: bool = False) -> Markup:
    """Return a paragraph of text."""
    return Markup('<p class="{}">{}</p>').format("soft" if is_soft else "plain", text)


def tiles(figures: Iterable[tuple[str, str]]) -> Markup:
    """Return large figures, each (figure, what it is)."""
    tile = Markup('<div class="tile"><b>{}</b><span>{}</span></div>')
    return Markup('<div class="tiles">{}</div>').format(
        _joined(tile.format(figure, what) for figure, what in figures)
    )


def bar_list(bars: Sequence[Bar]) -> Markup:
    """Return horizontal bars with their names before and their values after them."""
    largest = max((bar.value for bar in bars), default=0.0) or 1.0
    line = Markup(
        '<span class="name" title="{name}">{name}</span>'
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        'aria-label="{name}: {note}"><rect class="track" width="100" height="10" '
        'opacity="0.35"/><rect class="mark" width="{width}" height="10"/></svg>'
        '<span class="note">{note}</span>'
    )
    return Markup('<div class="bars">{}</div>').format(
        _joined(
            line.format(
                name=bar.label, note=bar.note, width=f"{max(100 * bar.value / largest, 0.4):.2f}"
            )
            for bar in bars
        )
    )


def column_chart(columns: Sequence[Column], ticks: Sequence[tuple[float, str]]) -> Markup:
    """Return upright columns, with texts at places (0 to 1) below them, from left to right."""
    largest = max((column.value for column in columns), default=0.0) or 1.0
    rect = Markup(
        '<rect class="mark" x="{x}" y="{y}" width="{width}" height="{height}">'
        "<title>{label}: {value}</title></rect>"
    )
    step = 100 / max(len(columns), 1)
    rects = []
    for place, column in enumerate(columns):
        height = (_CHART_HEIGHT - 6) * column.value / largest
        height = max(height, 0.8) if column.value else 0.0
        rects.append(
            rect.format(
                x=f"{place * step + step * 0.06:.3f}",
                y=f"{_CHART_HEIGHT - height:.2f}",
                width=f"{step * 0.88:.3f}",
                height=f"{height:.2f}",
                label=column.label,
                value=f"{column.value:,.0f}",
            )
        )
    return Markup(
        '<div class="columns"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        'aria-label="columns, the highest {}">{}</svg><div class="axis">{}</div></div>'
    ).format(
        f"{largest:,.0f}",
        _joined(rects),
        _joined(
            Markup('<span class="{}" style="left:{}%">{}</span>').format(
                "first" if place < 0.05 else "last" if place > 0.95 else "inner",
                f"{100 * place:.2f}",
                text,
            )
            for place, text in ticks
        ),
    )


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()
) -> Markup:
    """Return a table; the columns named in `numbers` are set to the right."""

    def line(cells: Sequence[str], cell: Markup) -> Markup:
        return Markup("<tr>{}</tr>").format(
            _joined(
                cell.format("number" if place in numbers else "text", text)
                for place, text in enumerate(cells)
            )
        )

    head = line(header, Markup('<th class="{}">{}</th>'))
    body = _joined(line(row, Markup('<td class="{}">{}</td>')) for row in rows)
    return Markup('<div class="scroll"><table>{}{}</table></div>').format(head, body)


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("\n").join(parts)
