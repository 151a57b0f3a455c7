"""An evaluation as one HTML page with plots; it loads nothing and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from data_prep.html_page import page, paragraph, section, table, tiles
from rrweb_tokenizer.telling.wording import counted

from .figures import MODEL
from .summary import COLUMNS, basis, number, percent, with_interval

__all__ = ["evaluation_page"]

_COLOURS: Final = ("--mark", "--soft", "--other", "--ink")
_MAX_SITES: Final = 40
_MAX_HEADS: Final = 14
_MAX_TAKEN_FOR: Final = 3

_SWATCH: Final = Markup(
    '<svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">'
    '<rect width="10" height="10" style="fill:var({})"/></svg> {}'
)
_ROW: Final = Markup(
    '<span class="name" title="{name}">{name}</span>'
    '<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{name}: {said}">'
    '<rect class="track" y="4" width="100" height="2" opacity="0.5"/>{marks}</svg>'
    '<span class="note">{note}</span>'
)
_MARK: Final = Markup(
    '<rect x="{x}" y="{y}" width="{width}" height="{height}" opacity="{opacity}" '
    'style="fill:var({colour})"><title>{title}</title></rect>'
)

# On a narrow screen a table is scrolled, not squeezed: its cells do not wrap.
_NAME: Final = Markup('<span style="white-space:nowrap">{}</span>')
_TAKEN: Final = Markup('<span style="display:inline-block;min-width:13em">{}</span>')
_INTERVAL: Final = Markup('{}<br><span class="soft">{}</span>')


def evaluation_page(result: Mapping[str, Any]) -> str:
    """Return the page of what the command writes as JSON."""
    sections = []
    for split, figures in result["splits"].items():
        sections += _split_sections(split, figures)
    sections.append(section("How to read this", *_explanations(result), is_wide=True))
    return page(f"Evaluation: {result['model']['name']}", sections, lead=_lead(result))


def _lead(result: Mapping[str, Any]) -> list[Markup]:
    model, settings = result["model"], result["settings"]
    lead = [
        paragraph(
            f"{model['num_parameters']:,} parameters, on {result['data']['path']}; windows of "
            f"{settings['window_tokens']:,} ids, {settings['mlm_probability']:.0%} of them to be "
            f"predicted. {settings['device']}, {settings['precision']}."
        )
    ]
    for split, figures in result["splits"].items():
        overall = figures["predictors"][MODEL]["overall"]
        lead.append(
            tiles(
                [
                    (number("loss", overall["loss"]["value"]), f"loss on {split}, nats an id"),
                    (number("perplexity", overall["perplexity"]["value"]), "perplexity"),
                    (percent(overall["accuracy"]["value"]), "first choice is right"),
                    (percent(overall["grammatical"]["value"]), "choices are grammatical"),
                ]
            )
        )
    was_trained = model["trained_on_this_corpus"]
    if was_trained is not True:
        what = (
            "Nothing beside the model says on which corpus it was trained."
            if was_trained is None
            else "The model was trained on another corpus than this."
        )
        warning = " If it has seen sessions of these splits, the figures mean nothing."
        lead.append(paragraph(what + warning, is_soft=True))
    return lead


def _split_sections(split: str, figures: Mapping[str, Any]) -> list[Markup]:
    about = f"{basis(figures)}."
    predictors = figures["predictors"]
    return [
        section(
            f"{split}: model and baselines",
            _overall(predictors),
            paragraph(about, is_soft=True),
            _differences(figures["model_minus"]),
            is_wide=True,
        ),
        section(f"{split}: first choice right, by kind of token", *_plot(predictors, "accuracy")),
        section(f"{split}: loss by kind of token", *_plot(predictors, "loss")),
        section(f"{split}: events taken for others", *_confusions(figures["heads"])),
        section(f"{split}: grammatical, by kind of token", *_plot(predictors, "grammatical")),
        section(f"{split}: by group of tokens", _groups(predictors), is_wide=True),
        section(f"{split}: by site", *_sites(figures["by_site"]), is_wide=True),
    ]


def _overall(predictors: Mapping[str, Any]) -> Markup:
    header = ("", *(title for _, title in COLUMNS))
    rows = [
        (_NAME.format(name), *(_cell(measure, row["overall"]) for measure, _ in COLUMNS))
        for name, row in predictors.items()
    ]
    return table(header, rows, numbers=range(1, len(header)))


def _differences(rows: Mapping[str, Any]) -> Markup:
    measures = [pair for pair in COLUMNS if pair[0] in ("loss", "accuracy", "top_5_accuracy")]
    header = ("the model less", *(title for _, title in measures))
    return table(
        header,
        [
            (_NAME.format(name), *(_cell(m, row, is_signed=True) for m, _ in measures))
            for name, row in rows.items()
        ],
        numbers=range(1, len(header)),
    )


def _cell(measure: str, row: Mapping[str, Any], *, is_signed: bool = False) -> Markup:
    """A figure, and its interval below it."""
    text = with_interval(measure, row, is_signed=is_signed, missing="—")
    value, _, interval = text.partition(" (")
    return _INTERVAL.format(value, interval.removesuffix(")"))


def _plot(predictors: Mapping[str, Any], measure: str) -> list[Markup]:
    """A line a kind of token: the model with its interval, marks for the baselines."""
    shown = [name for name, row in predictors.items() if measure in row["overall"]]
    colours = dict(zip(predictors, _COLOURS, strict=False))
    kinds = predictors[MODEL]["by_kind"]
    values = {
        kind: {name: predictors[name]["by_kind"][kind][measure] for name in shown} for kind in kinds
    }
    largest = 1.0
    if measure == "loss":
        points = [row[name]["value"] for row in values.values() for name in shown]
        bounds = [row[MODEL]["high"] or 0.0 for row in values.values()]
        largest = max([*points, *bounds]) or 1.0
    lines = []
    for kind, row in values.items():
        said = "; ".join(f"{name} {number(measure, row[name]['value'])}" for name in shown)
        marks = [_mark(row[name], measure, name, colours[name], largest) for name in shown[1:]]
        marks += [
            _interval(row[MODEL], colours[MODEL], largest),
            _mark(row[MODEL], measure, MODEL, colours[MODEL], largest, is_main=True),
        ]
        note = number(measure, row[MODEL]["value"])
        lines.append(_ROW.format(name=kind, said=said, marks=Markup("").join(marks), note=note))
    legend = Markup(" &nbsp; ").join(_SWATCH.format(colours[name], name) for name in shown)
    scale = f"From 0 to {number(measure, largest)}; the pale bar is the model's interval."
    return [
        Markup('<p class="soft">{}</p>').format(legend),
        Markup('<div class="bars">{}</div>').format(Markup("\n").join(lines)),
        paragraph(scale, is_soft=True),
    ]


def _mark(
    row: Mapping[str, Any],
    measure: str,
    name: str,
    colour: str,
    largest: float,
    *,
    is_main: bool = False,
) -> Markup:
    width, height = (1.6, 10) if is_main else (1.0, 8)
    place = min(100 - width, max(0.0, 100 * row["value"] / largest - width / 2))
    return _MARK.format(
        x=f"{place:.2f}",
        y=(10 - height) / 2,
        width=width,
        height=height,
        opacity=1,
        colour=colour,
        title=f"{name}: {number(measure, row['value'])}",
    )


def _interval(row: Mapping[str, Any], colour: str, largest: float) -> Markup:
    if row["low"] is None:
        return Markup("")
    return _MARK.format(
        x=f"{100 * row['low'] / largest:.2f}",
        y=2,
        width=f"{100 * (row['high'] - row['low']) / largest:.2f}",
        height=6,
        opacity=0.4,
        colour=colour,
        title="95% interval",
    )


def _confusions(heads: Mapping[str, Any]) -> list[Markup]:
    """A row a kind of event, the most frequent first: how often right, and what it is taken for."""
    tokens, counts = heads["tokens"], heads["counts"]
    names = [*tokens, "no head"]
    order = sorted(range(len(tokens)), key=lambda place: -sum(counts[place]))
    rows = []
    for place in order[:_MAX_HEADS]:
        total = sum(counts[place])
        if not total:
            continue
        others = sorted(
            (other for other in range(len(names)) if other != place and counts[place][other]),
            key=lambda other: -counts[place][other],
        )
        taken = ", ".join(
            f"{names[other].strip('[]')} {percent(counts[place][other] / total)}"
            for other in others[:_MAX_TAKEN_FOR]
        )
        right = percent(counts[place][place] / total)
        name = _NAME.format(tokens[place].strip("[]"))
        rows.append((name, f"{total:,}", right, _TAKEN.format(taken or "—")))
    if not rows:
        return [paragraph("No head of an event was masked.")]
    header = ("kind of event", "masked", "right", "else taken for")
    return [table(header, rows, numbers=(1, 2))]


def _groups(predictors: Mapping[str, Any]) -> Markup:
    rows = sorted(predictors[MODEL]["by_group"].items(), key=lambda item: -item[1]["num_masked"])
    names = [name for name in predictors if name != MODEL]
    others = [f"top-1, {name}" for name in names]
    header = ("group", "masked", "loss", "top-1", "top-5", "grammatical", *others)
    return table(
        header,
        [
            (
                _NAME.format(group),
                f"{row['num_masked']:,}",
                _cell("loss", row),
                _cell("accuracy", row),
                percent(row["top_5_accuracy"]["value"]),
                percent(row["grammatical"]["value"]),
                *(percent(predictors[n]["by_group"][group]["accuracy"]["value"]) for n in names),
            )
            for group, row in rows
        ],
        numbers=range(1, len(header)),
    )


def _sites(sites: Sequence[Mapping[str, Any]]) -> list[Markup]:
    largest = sorted(sites, key=lambda site: -site["num_masked"])[:_MAX_SITES]
    if not largest:
        return [paragraph("None.")]
    names = list(largest[0]["predictors"])
    rows = [
        (
            _NAME.format(site["group"]),
            f"{site['num_sessions']:,}",
            f"{site['num_masked']:,}",
            number("loss", site["predictors"][MODEL]["loss"]),
            *(percent(site["predictors"][name]["accuracy"]) for name in names),
        )
        for site in largest
    ]
    header = ("group", "sessions", "masked", "loss", *(f"top-1, {name}" for name in names))
    content = [table(header, rows, numbers=range(1, len(header)))]
    if len(sites) > len(largest):
        more = f"The JSON file has {counted(len(sites) - len(largest), 'other group')}."
        content.append(paragraph(more, is_soft=True))
    return content


def _explanations(result: Mapping[str, Any]) -> list[Markup]:
    baselines = result["baselines"]
    texts = (
        "Loss is the mean of -ln of the probability that was given to the id that stands there; "
        "perplexity is e to that power. Top-1 and top-5: the id is the first choice, or among the "
        "first five. Windows and masks are fixed, and those of the evaluations in training.",
        "Grammatical: the first choice breaks no rule of succession with its true neighbours. All "
        "at once: the first choices of all masked positions are filled in, so neighbours may be "
        "wrong too. When wrong: grammatical among the choices that are not right.",
        f"Baselines count {baselines['num_ids']:,} ids of {baselines['num_sessions']:,} train "
        "sessions. Unigram: how often an id occurs. Trigram: what stands between the visible "
        "neighbours, smoothed (Witten-Bell), where there is none between over pairs. Copy last: "
        "what followed the same two ids, else the same id, the last time in this window.",
        "Intervals take sessions, or groups, as drawn at random from many like them. Of a few "
        "sites they say little about other sites: see the table by site.",
    )
    return [paragraph(text, is_soft=True) for text in texts]
