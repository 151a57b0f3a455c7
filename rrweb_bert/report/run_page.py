"""A training run as a page: curves, restarts, losses by kind of token, speed, examples."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from data_prep.errors import DataError
from data_prep.html_page import page, paragraph, section, tiles
from rrweb_bert.evaluation import KINDS
from rrweb_bert.history import HISTORY_FILE, TrainingHistory
from rrweb_bert.report.charts import CHART_STYLE, Series, line_chart

__all__ = ["restart_steps", "run_page"]

EXAMPLES_FILE: Final = "examples.jsonl"
_MAX_EXAMPLES: Final = 40
_RUN_FILE: Final = "run.json"
_SHOWN_OPTIONS: Final = (
    "model_size window_tokens per_device_train_batch_size gradient_accumulation_steps "
    "learning_rate mlm_probability seed num_train_epochs max_steps"
).split()

_STYLE: Final = Markup("""
.example { border-top: 1px solid var(--line); padding: 8px 0; overflow-wrap: anywhere; }
.example:first-child { border-top: 0; }
.example code { font: .78rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  color: var(--soft); display: block; }
.example .guess { display: inline-block; margin: 3px 8px 0 0; padding: 1px 7px; font-size: .8rem;
  border: 1px solid var(--line); border-radius: 9px; }
.example .hit { border-color: var(--mark); font-weight: 600; }
""")

Row = dict[str, float]


def restart_steps(rows: Sequence[Row]) -> list[float]:
    """The steps at which the learning rate jumped up again after it had fallen.

    Of the rates 1, 2, 1, 0.1, 2, 1 at steps 1 to 6: `[5]`. The first rise is the warm-up.
    """
    found: list[float] = []
    has_fallen, before = False, math.inf
    for row in rows:
        rate = row.get("learning_rate", math.nan)
        if math.isnan(rate):
            continue
        if rate > before and has_fallen:
            found.append(row["step"])
            has_fallen = False
        elif rate < before and before is not math.inf:
            has_fallen = True
        before = rate
    return found


def run_page(output_dir: Path) -> str:
    """The whole page of a run; it loads nothing and runs no script.

    Raises:
        DataError: the history is damaged, or nothing was logged yet.
    """
    train, evaluation = _history(output_dir)
    restarts = restart_steps(train)
    sections = [
        section("Loss", *_losses(train, evaluation, restarts), is_wide=True),
        section("Learning rate", *_rates(train, restarts)),
        section("Gradient norm", _chart(train, "grad_norm", "gradient norm")),
        section(
            "Tokens a second", _chart(train, "tokens_per_second", "tokens a second", zero=True)
        ),
        section("Wait for data", *_wait(train)),
        section("Evaluation loss by kind of token", *_by_kind(evaluation), is_wide=True),
        section("Example predictions", *_examples(output_dir), is_wide=True),
    ]
    return page(
        f"Training run: {output_dir.resolve().name}",
        sections,
        lead=_lead(output_dir, train, evaluation),
        style=CHART_STYLE + _STYLE,
    )


def _history(output_dir: Path) -> tuple[list[Row], list[Row]]:
    """The rows of a run's log, only numbers in them."""
    path = output_dir / HISTORY_FILE
    try:
        history = TrainingHistory.load(output_dir)
        train, evaluation = (
            [_numbers(row) for row in rows] for rows in (history.train, history.evaluation)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged ({error}); every checkpoint keeps the log in trainer_state.json"
        ) from error
    if not train and not evaluation:
        raise DataError(f"{path}: nothing was logged yet")
    return train, evaluation


def _numbers(row: dict[str, Any]) -> Row:
    numbers = {k: float(v) for k, v in row.items() if isinstance(v, int | float)}
    if not math.isfinite(numbers["step"]):
        raise ValueError("a row has no step")
    return numbers


def _lead(output_dir: Path, train: list[Row], evaluation: list[Row]) -> list[Markup]:
    steps = max(row["step"] for row in (*train[-1:], *evaluation[-1:]))
    figures = [(f"{steps:,.0f}", "steps")]
    if train and "loss" in train[-1]:
        figures.append((f"{train[-1]['loss']:.3f}", "training loss at the end"))
    losses = [row for row in evaluation if math.isfinite(row.get("eval_loss", math.nan))]
    if losses:
        best = min(losses, key=lambda row: row["eval_loss"])
        figures.append((f"{best['eval_loss']:.3f}", f"best eval_loss, at step {best['step']:,.0f}"))
    speeds = sorted(row["tokens_per_second"] for row in train if "tokens_per_second" in row)
    if speeds:
        figures.append((f"{speeds[len(speeds) // 2]:,.0f}", "tokens a second, median"))
    lead = [tiles(figures)]
    options = _options(output_dir)
    if options:
        lead.append(paragraph(options, is_soft=True))
    return lead


def _options(output_dir: Path) -> str:
    """What of the run's record a reader asks for first; empty where there is none."""
    try:
        identity = json.loads((output_dir / _RUN_FILE).read_text(encoding="utf-8"))["identity"]
        return ", ".join(f"{name} {identity[name]}" for name in _SHOWN_OPTIONS if name in identity)
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in rows if name in row]


def _ticks(rows: Sequence[Row]) -> list[tuple[float, str]]:
    if not rows:
        return []
    first, last = rows[0]["step"], rows[-1]["step"]
    if first == last:
        return [(0.0, f"step {first:,.0f}")]
    middle = (first + last) / 2
    return [(0.0, f"step {first:,.0f}"), (0.5, f"{middle:,.0f}"), (1.0, f"{last:,.0f}")]


def _losses(train: list[Row], evaluation: list[Row], restarts: list[float]) -> list[Markup]:
    series = [Series(name="training", points=_points(train, "loss"))]
    if evaluation:
        series.append(Series(name="evaluation", points=_points(evaluation, "eval_loss")))
    rows = sorted((*train, *evaluation), key=lambda row: row["step"])
    told = " Dashed: the learning rate starts again." if restarts else ""
    return [
        line_chart(series, ticks=_ticks(rows), restarts=restarts),
        paragraph(f"Nats a masked id.{told}", is_soft=True),
    ]


def _rates(train: list[Row], restarts: list[float]) -> list[Markup]:
    at = ", ".join(f"{step:,.0f}" for step in restarts)
    return [
        line_chart(
            [Series(name="learning rate", points=_points(train, "learning_rate"))],
            ticks=_ticks(train),
            restarts=restarts,
            from_zero=True,
        ),
        paragraph(f"Restarts logged at steps {at}." if at else "No restart.", is_soft=True),
    ]


def _chart(rows: list[Row], name: str, title: str, *, zero: bool = False) -> Markup:
    return line_chart(
        [Series(name=title, points=_points(rows, name))], ticks=_ticks(rows), from_zero=zero
    )


def _wait(train: list[Row]) -> list[Markup]:
    shares = [(step, 100 * share) for step, share in _points(train, "data_wait_share")]
    return [
        line_chart(
            [Series(name="% of the time", points=shares)], ticks=_ticks(train), from_zero=True
        ),
        paragraph("% of the time in which the model waited for its windows.", is_soft=True),
    ]


def _by_kind(evaluation: list[Row]) -> list[Markup]:
    """A small chart for each kind, with its best and its last value."""
    charts: list[Markup] = []
    for kind in KINDS:
        points = _points(evaluation, f"eval_loss_{kind}")
        if not points:
            continue
        best = min(value for _, value in points)
        charts.append(
            Markup("<div><h3>{} <span>{}</span></h3>{}</div>").format(
                kind,
                f"last {points[-1][1]:.3f}, best {best:.3f}",
                line_chart(
                    [Series(name=kind, points=points)], ticks=_ticks(evaluation), is_small=True
                ),
            )
        )
    if not charts:
        return [paragraph("No evaluation was logged.")]
    return [Markup('<div class="grid-of-charts">{}</div>').format(Markup("\n").join(charts))]


def _examples(output_dir: Path) -> list[Markup]:
    """The examples of the last evaluation: what was hidden, and what the model made of it."""
    rows = _example_rows(output_dir / EXAMPLES_FILE)
    if not rows:
        return [paragraph(f"None: the run wrote no {EXAMPLES_FILE}.")]
    last = max(row["step"] for row in rows)
    shown = [row for row in rows if row["step"] == last][:_MAX_EXAMPLES]
    guess = Markup('<span class="guess {}">{} {}</span>')
    example = Markup(
        '<div class="example">{event}<code>{tokens}</code><span class="guess hit">{kind}: {truth} '
        "{probability}</span>{guesses}</div>"
    )
    drawn = Markup("\n").join(
        example.format(
            event=row["event"],
            tokens=row["tokens"],
            kind=row["kind"],
            truth=row["truth"],
            probability=f"{row['truth_probability']:.1%}",
            guesses=Markup("").join(
                guess.format("hit" if token == row["truth"] else "", token, f"{share:.1%}")
                for token, share in row["top"]
            ),
        )
        for row in shown
    )
    return [
        paragraph(
            f"At step {last:,.0f}; the model sees [MASK?]. First the true token and its "
            "probability, then the likeliest ones.",
            is_soft=True,
        ),
        Markup("<div>{}</div>").format(drawn),
    ]


def _example_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that are whole: a run that was killed may have left half a line."""
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            rows.append(
                {
                    "step": float(row["step"]),
                    "truth_probability": float(row["truth_probability"]),
                    "top": [(str(token), float(share)) for token, share in row["top"]],
                    **{name: str(row[name]) for name in ("event", "tokens", "kind", "truth")},
                }
            )
        except (ValueError, KeyError, TypeError):
            continue
    return rows
