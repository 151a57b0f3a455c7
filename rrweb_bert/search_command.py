"""`python -m rrweb_bert search INDEX --like FILE`: sessions like one, or that hold some words."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.reading_options import check_reading
from rrweb_tokenizer.telling.reader import printable
from rrweb_tokenizer.telling.wording import duration

from .early_checks import check_model, check_recording, tokenizer_path
from .embed_command import add_model_arguments, load_encoder
from .options import UsageError

if TYPE_CHECKING:
    from .search.session_index import Hit, SessionIndex
    from .session_encoder import SessionEncoder

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = "Find sessions like one, or sessions whose pages hold some words."
    parser.add_argument(
        "index",
        type=Path,
        nargs="?",
        default=Path("session_index"),
        help="what index wrote (default %(default)s)",
    )
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--like", metavar="FILE", help="a recording of any form")
    asked.add_argument("--session", metavar="ID", help="like one of the index; takes no model")
    asked.add_argument("--text", help="words, or a rendered text as '[MI_Click] [TAG_button]'")
    parser.add_argument(
        "--by",
        choices=("auto", "words", "vector"),
        default="auto",
        help="how a text is looked for; auto: by the words in it, by vector where it has none "
        "(default %(default)s)",
    )
    parser.add_argument("--k", type=int, default=10, help="how many (default %(default)s)")
    parser.add_argument(
        "--where",
        nargs="+",
        action="extend",
        default=[],
        metavar="CONDITION",
        help="goal=search, duration>=60, start<2024-05-01; all must hold",
    )
    parser.add_argument("--verify", action="store_true", help="hash also arrays over 256 MB")
    parser.add_argument("--json", action="store_true", help="one JSON object a hit")
    add_model_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Search, and print each hit with its reason."""
    if arguments.k < 1:
        raise UsageError(f"--k {arguments.k}: at least one hit can be asked for")
    check_model(arguments.model)
    if arguments.like is not None:
        check_recording(arguments.like)
    check_reading(arguments)
    from data_prep.encoding import load_tokenizer

    from .search.session_index import SessionIndex

    tokenizer: Any = load_tokenizer(tokenizer_path(arguments.model), arguments.recogniser)
    index = SessionIndex.open(arguments.index, tokenizer=tokenizer, is_thorough=arguments.verify)
    hits, note = _found(index, arguments)
    if arguments.json:
        for hit in hits:
            print(json.dumps(_as_json(hit), ensure_ascii=False))
        return 0
    if note:
        print(note)
    if not hits:
        print(_nothing(index, arguments.where))
    for rank, hit in enumerate(hits, 1):
        for line in _lines(rank, hit, index.header.label_columns):
            print(printable(line))
    return 0


def _found(index: SessionIndex, arguments: argparse.Namespace) -> tuple[list[Hit], str]:
    from .search.queries import words_in
    from .search.words import words_of

    k, where, text = arguments.k, arguments.where, arguments.text
    if arguments.session is not None:
        return index.like_session(arguments.session, k=k, where=where), ""
    if arguments.like is not None:
        encoder = _encoder(index, arguments)
        like = index.like(
            arguments.like, encoder=encoder, k=k, where=where, reader=arguments.reader
        )
        return like, ""
    words = words_in(text)
    # By vector a text finds little more than chance does: docs/search.md.
    if arguments.by == "vector" or (arguments.by == "auto" and text and not words_of(words)):
        return index.like_text(text, encoder=_encoder(index, arguments), k=k, where=where), ""
    text = words
    if hits := index.words(text, k=k, where=where):
        return hits, ""
    hits = index.words(text, k=k, where=where, need_all=False)
    return hits, "no page holds all of these words; those with some of them:" if hits else ""


def _encoder(index: SessionIndex, arguments: argparse.Namespace) -> SessionEncoder:
    """The model, with windows as the index was made with, be they the usual ones or not."""
    encoder, header = load_encoder(arguments), index.header
    try:
        return encoder.cut_like(
            window_ids=header.window_ids, stride=header.stride, layers=header.layers
        )
    except ValueError:  # another model, as the index then says
        return encoder


def _lines(rank: int, hit: Hit, labels: Sequence[str]) -> list[str]:
    """A hit as a person reads it."""
    similarity = "" if hit.similarity is None else f"{hit.similarity:.3f}  "
    began = "no date" if hit.start is None else f"{hit.start:%Y-%m-%d %H:%M:%S}"
    window = "" if hit.fields.get("window") is None else f", window {hit.fields['window'] + 1}"
    lines = [
        f"{rank:>2}  {similarity}{hit.session_id}{window}  {began}, {duration(1000 * hit.duration)}"
    ]
    told = [f"{name}={_shown(hit.fields[name])}" for name in labels if _is_told(hit.fields[name])]
    if told:
        lines += textwrap.wrap(
            ", ".join(told),
            96,
            initial_indent="      ",
            subsequent_indent="      ",
            max_lines=2,
            placeholder=" ...",
        )
    lines += [f"      {part}" for part in hit.why.parts]
    lines += [
        f"        {side:<6}{line}"
        for side, line in (("query", hit.why.here), ("hit", hit.why.there))
        if line
    ]
    return lines


def _is_told(value: Any) -> bool:
    return value is not None and value != []


def _shown(value: Any) -> str:
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)


def _nothing(index: SessionIndex, where: Sequence[str]) -> str:
    if where:
        return (
            f"nothing found among {len(index):,} items under the conditions {', '.join(where)}; "
            "leave some out to see what is there"
        )
    return f"nothing found among {len(index):,} items"


def _as_json(hit: Hit) -> dict[str, Any]:
    why = hit.why
    return {
        "session_id": hit.session_id,
        "similarity": hit.similarity,
        "start": None if hit.start is None else hit.start.isoformat(),
        "duration": hit.duration,
        "why": why.summary,
        "here": why.here,
        "here_ms": why.here_ms,
        "here_end_ms": why.here_end_ms,
        "there": why.there,
        "there_ms": why.there_ms,
        "there_end_ms": why.there_end_ms,
        **{name: value for name, value in hit.fields.items() if name != "why"},
    }
