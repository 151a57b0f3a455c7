"""The arguments and the output that `probe` and `retrieve` share; imports nothing heavy."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from data_prep.files import write_text_atomically
from data_prep.reading_options import add_reading_options

__all__ = ["add_pair_arguments", "write_results"]


def add_pair_arguments(parser: argparse.ArgumentParser, *, label_help: str) -> None:
    """Describe the arguments that the two commands share."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder of a model, or a name on the Hub")
    add("data", metavar="DATA", help="prepared corpus with held-out splits, or recordings")
    add("--labels", type=Path, required=True, help="JSON Lines, one session a line")
    add(
        "--label",
        action="append",
        default=[],
        metavar="FIELD[:OTHER=V,V]",
        help=f"{label_help}; repeatable",
    )
    add("--min_units", type=int, default=20, help="rarer classes are left out")
    add(
        "--trained_on",
        type=Path,
        metavar="CORPUS",
        help="the corpus that MODEL was trained on, where DATA is another one",
    )
    add(
        "--pairs",
        nargs="+",
        default=[],
        metavar="MODEL:CORPUS",
        help="further models, each with the corpus it was trained on: results are pooled",
    )
    add("--group", metavar="FIELD", help="label that groups sessions; else the corpus's groups")
    add("--group_by", default="auto", help="how recordings are grouped where DATA is no corpus")
    add_reading_options(parser)
    add("--window_ids", type=int, default=510, help="most ids of a window")
    add("--untrained", type=int, default=1, help="untrained encoders, by seed")
    add("--batch_size", type=int, default=16, help="windows at once")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"),
        help="auto is fp16 with CUDA, else fp32")  # fmt: skip
    add("--cache_dir", type=Path, help="keeps vectors for the next run")
    add("--num_proc", type=int, default=1, help="pairs judged at once")
    add("--seed", type=int, default=0, help="of boosting and of the bootstrap")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--markdown", type=Path, metavar="FILE", help="write the tables")


def write_results(arguments: argparse.Namespace, report: dict[str, Any], markdown: str) -> None:
    """Write all figures and the tables where files are named."""
    if arguments.json is not None:
        write_text_atomically(arguments.json, json.dumps(report, indent=1) + "\n")
    if arguments.markdown is not None:
        write_text_atomically(arguments.markdown, markdown + "\n")
