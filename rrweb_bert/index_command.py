"""`python -m rrweb_bert index EMBEDDINGS --output INDEX`: what `search` looks into."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from data_prep.output_lock import check_writable
from rrweb_tokenizer.telling.wording import counted

from .early_checks import check_embeddings, check_model, tokenizer_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = "Make an index of a file of embeddings, for `python -m rrweb_bert search`."
    parser.add_argument(
        "embeddings",
        type=Path,
        nargs="?",
        default=Path("embeddings.parquet"),
        help="what embed wrote (default %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("session_index"),
        metavar="INDEX",
        help="folder to write (default %(default)s)",
    )
    parser.add_argument(
        "--model", help="whose tokenizer the embeddings have (default: the package's own)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an index of others")


def run(arguments: argparse.Namespace) -> int:
    """Make the index, and say what it holds."""
    import time

    check_embeddings(arguments.embeddings)
    check_writable(arguments.output)
    check_model(arguments.model)
    from data_prep.encoding import load_tokenizer

    from .search.build import build_index

    began = time.monotonic()
    tokenizer: Any = load_tokenizer(tokenizer_path(arguments.model))
    index = build_index(
        arguments.embeddings,
        arguments.output,
        tokenizer,
        overwrite=arguments.overwrite,
    )
    size = sum(file.num_bytes for file in index.files.values())
    how = "exact search"
    if index.num_lists:
        how = (
            f"{index.num_lists:,} lists, {index.num_probes} looked into, recall@10 "
            f"{index.recall_at_10:.1%} against exact search"
        )
    items, windows = counted(index.num_items, "item"), counted(index.num_windows, "window")
    print(
        f"{items}, {windows}, {size / 1e6:.1f} MB in {arguments.output}: {how}; "
        f"{time.monotonic() - began:.1f} s"
    )
    return 0
