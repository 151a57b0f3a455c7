"""The model card: `README.md` with Hub metadata, rendered from `training_summary.json`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .durable import write_atomically
from .evaluation import GROUPS_OF_KIND, KINDS
from .hub_files import CARD_FILE, PublishedFile
from .training_summary import TrainingSummary

__all__ = ["card_for_hub", "render_card", "write_card"]

_TAGS: Final = ["rrweb", "session-replay", "bert", "clickstream", "sentence-transformers"]
_SAMPLE_LICENCE: Final = "apache-2.0"
_UNKNOWN: Final = "unknown"
_HERE: Final = "."
"""How the snippets name the model as long as it has no place on the Hub: run them beside it."""


def write_card(folder: Path, summary: TrainingSummary) -> None:
    """Write the card of a finished run into its folder."""
    write_atomically(folder / CARD_FILE, render_card(summary))


def card_for_hub(folder: Path, name: str, *, licence: str | None = None) -> PublishedFile | None:
    """The card that names the repository in its code, None to leave the folder's own as it is.

    A card that somebody has edited is theirs, as is one of a model that we did not train.
    """
    summary = TrainingSummary.load(folder)
    if summary is None:
        return None
    path = folder / CARD_FILE
    if path.is_file() and path.read_text(encoding="utf-8") != render_card(summary):
        return None
    content = render_card(summary, name=name, licence=licence).encode()
    return PublishedFile(path_in_repo=CARD_FILE, path=path, content=content)


def render_card(
    summary: TrainingSummary, *, name: str | None = None, licence: str | None = None
) -> str:
    """The card's text with its metadata.

    Args:
        summary: what it tells.
        name: `owner/name` on the Hub; None: the model is used from its own folder.
        licence: of the weights, as the Hub spells it.
    """
    licence = licence or (_SAMPLE_LICENCE if summary.is_demonstration else _UNKNOWN)
    title = "RRWebBERT" if name is None else name.split("/")[-1]
    text = _template().substitute(
        title=title,
        model=name or _HERE,
        lead=_lead(summary),
        hidden_size=summary.model["hidden_size"],
        window_limit=_window_limit(summary),
        positions=f"{summary.model['positions']:,}",
        data=_data(summary),
        start=_start(summary),
        share=f"{summary.hyperparameters['mlm_probability']:.0%}",
        hardware=_rows(_hardware(summary)),
        hyperparameters=_rows(sorted(summary.hyperparameters.items())),
        results=_results(summary.best),
        licence=_licence(licence),
    )
    card = ModelCard(f"---\n{_metadata(summary, title, licence)}\n---\n\n{text}")
    return str(card)


def _template() -> Template:
    return Template((resources.files(__package__) / "model_card_template.md").read_text("utf-8"))


def _metadata(summary: TrainingSummary, title: str, licence: str) -> str:
    names = ("loss", "perplexity", "accuracy")
    metrics = {name: summary.best.get(f"eval_{name}") for name in names}
    results = [
        EvalResult(
            task_type="fill-mask",
            task_name="Masked language modelling",
            dataset_type="rrweb",
            dataset_name="rrweb recordings, groups held out for validation",
            dataset_split="validation",
            metric_type=name,
            metric_value=round(value, 6),
        )
        for name, value in metrics.items()
        if value is not None and math.isfinite(value)
    ]
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag="fill-mask",
        license=licence,
        tags=list(_TAGS),
        metrics=["perplexity", "accuracy"],
        model_name=title if results else None,
        eval_results=results or None,
    )
    yaml: str = data.to_yaml()
    return yaml


def _lead(summary: TrainingSummary) -> str:
    model = summary.model
    lead = (
        "A BERT encoder of recorded browser sessions. It reads what "
        "[rrweb](https://github.com/rrweb-io/rrweb) records (page structure, visible text, mouse, "
        "scrolling, kinds of input, times) as tokens, and was pre-trained to fill gaps in them. "
        f"{model['num_parameters'] / 1e6:,.1f} M parameters: {model['layers']} layers of "
        f"{model['hidden_size']}, {model['heads']} heads, windows of {model['positions']:,} ids, a "
        f"vocabulary of {model['vocab_size']:,}. Weights and configuration are those of "
        "`transformers`' BERT."
    )
    if summary.is_demonstration:
        lead += (
            "\n\n**A demonstration:** trained for a moment on a few embedded sample recordings, it "
            "shows that everything works and is of no other use."
        )
    return lead


def _window_limit(summary: TrainingSummary) -> str:
    positions = summary.model["positions"]
    return (
        f"It sees at most {positions:,} ids at once; longer sessions are cut into windows that "
        "start where the page is described anew."
    )


def _start(summary: TrainingSummary) -> str:
    start = summary.hyperparameters.get("model_name_or_path")
    return "random weights" if start is None else str(start)


def _data(summary: TrainingSummary) -> str:
    data = summary.data
    whose = (
        "The sample of rrweb recordings that comes with RRWebBERT, made with simulated visitors."
        if summary.is_demonstration
        else "rrweb recordings of one owner. Which sites and visitors they show is not told here."
    )
    lines = [
        f"{whose} No recording, name or address is part of this repository.",
        "",
        "| split | sessions | events | ids | keyframes | windows |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for split, figures in data["splits"].items():
        cells = " | ".join(f"{number:,}" for number in figures.values())
        lines.append(f"| {split} | {cells} |")
    lines += [
        "",
        f"From {data['num_files']:,} files, {data['num_rejected']:,} of them rejected. The splits "
        f"share no group (grouping: {data['split_by']}).",
    ]
    if data["rrweb_versions"]:
        told = ", ".join(f"{version} ({n:,})" for version, n in data["rrweb_versions"].items())
        lines.append(f"Recorded with rrweb {told}.")
    return "\n".join(lines)


def _hardware(summary: TrainingSummary) -> Iterable[tuple[str, str]]:
    hardware = summary.hardware
    kind = "GPU" if not str(hardware["device"]).startswith("cpu") else "CPU"
    yield "hardware", f"{hardware['num_devices']} x {hardware['device']}"
    yield (
        f"{kind} hours",
        f"{hardware['device_hours']:.3f} (evaluations and checkpoints not counted)",
    )
    yield "steps", f"{summary.hyperparameters['max_steps']:,}"
    yield "software", ", ".join(f"{name} {v}" for name, v in summary.versions.items())


def _results(best: dict[str, float]) -> str:
    if not best:
        return "It was not evaluated."
    lines = [
        "On the validation split, whose groups were not trained on, after step "
        f"{int(best['step']):,}, the best of the run. Loss in nats for each masked id; perplexity "
        "is its exponential.",
        "",
        "| ids | loss | perplexity | what is in it |",
        "|---|---:|---:|---|",
        f"| **all** | **{best['eval_loss']:.4f}** | **{best['eval_perplexity']:,.2f}** | |",
    ]
    if "eval_accuracy" in best:
        lines[0] += f" The likeliest id is the true one at {best['eval_accuracy']:.1%} of them."
    for kind in KINDS:
        loss = best.get(f"eval_loss_{kind}")
        if loss is not None:
            groups = GROUPS_OF_KIND[kind].replace(",", ", ")
            lines.append(f"| {kind} | {loss:.4f} | {math.exp(min(loss, 700)):,.2f} | {groups} |")
    return "\n".join(lines)


def _licence(licence: str) -> str:
    code = (
        "The tokenizer's files come from RRWebBERT (Apache-2.0; its NOTICE names the pages whose "
        "text the text model was trained on)."
    )
    if licence == _UNKNOWN:
        return f"{code} For the weights, those who own the recordings have not stated one."
    return f"{code} The weights: {licence}."


def _rows(pairs: Iterable[tuple[str, Any]]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in pairs)
