"""`python -m rrweb_bert evaluate MODEL DATA`: figures of a model on held-out sessions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from data_prep.output_lock import check_writable
from data_prep.reading_options import add_reading_options, check_reading
from data_prep.session_row import SPLITS

from ..early_checks import check_input, check_model
from ..options import UsageError

__all__ = ["JSON_FILE", "MAX_WINDOW", "PAGE_FILE", "SPLITS_OF", "add_arguments", "run"]

JSON_FILE: Final = "evaluation.json"
PAGE_FILE: Final = "evaluation.html"

SPLITS_OF: Final[dict[str, tuple[str, ...]]] = {
    **{split: (split,) for split in SPLITS},
    "both": ("validation", "test"),
    "all": SPLITS,
}
MAX_WINDOW: Final = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Measure how well a model fills in masked ids of held-out sessions: loss, perplexity, "
        "accuracy and how often it is grammatical, by kind of token, with 95% intervals, beside "
        f"baselines that count and copy. Writes {JSON_FILE} and {PAGE_FILE}."
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder or hub name of a trained model")
    add("data", metavar="DATA", help="a prepared corpus, or recordings (prepared into the cache)")
    add(
        "--split",
        choices=tuple(SPLITS_OF),
        default="both",
        help="both: validation and test (default %(default)s)",
    )
    add(
        "--output",
        type=Path,
        default=Path("evaluation"),
        help="folder for the two files (default %(default)s)",
    )
    add("--device", default="auto", help="auto, cpu, cuda (default %(default)s)")
    add("--precision", choices=("auto", "fp16", "bf16", "fp32"), default="auto",
        help="auto is fp16 with CUDA, as in training, else fp32 (default %(default)s)")  # fmt: skip
    add(
        "--batch_size",
        type=int,
        default=8,
        help="windows at once; no figure depends on it (default %(default)s)",
    )
    add("--num_windows", type=int, default=3195,
        help="windows of each split at most, one a session (default %(default)s)")  # fmt: skip
    add(
        "--window_tokens",
        type=int,
        help=f"ids a window (default: as the model has, {MAX_WINDOW} at most)",
    )
    add(
        "--mlm_probability",
        type=float,
        default=0.15,
        help="share of ids to be predicted (default %(default)s)",
    )
    add("--cluster", choices=("auto", "session", "group"), default="auto",
        help="what intervals draw anew; auto: groups from 20 on, else sessions "
        "(default %(default)s)")  # fmt: skip
    add("--baseline_ids", type=int, default=20_000_000,
        help="ids of the train split that the baselines count at most "
        "(default %(default)s)")  # fmt: skip
    add("--cache_dir", type=Path, help="folder for prepared corpora (default: the cache folder)")
    add(
        "--group_by",
        default="auto",
        help="of recordings: what a split must not share (default %(default)s)",
    )
    add(
        "--test_fraction",
        type=float,
        default=0.05,
        help="of recordings: as in training (default %(default)s)",
    )
    add(
        "--validation_fraction",
        type=float,
        default=0.1,
        help="of recordings: as in training (default %(default)s)",
    )
    add(
        "--num_proc",
        type=int,
        help="of recordings: processes that prepare them (default: the cores)",
    )
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, write both files, print the summary and return 0.

    Raises:
        UsageError: model and data do not fit together, or there is no such device.
        DataError: there is nothing to evaluate on.
    """
    _check(arguments)
    from .evaluating import evaluate

    evaluate(arguments)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for name in ("batch_size", "num_windows", "baseline_ids"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} must be at least 1")
    if arguments.window_tokens is not None and arguments.window_tokens < 8:
        raise UsageError("--window_tokens must be at least 8 ids")
    if not 0 < arguments.mlm_probability <= 1:
        raise UsageError("--mlm_probability must be above 0 and at most 1")
    check_model(arguments.model)
    check_input(arguments.data)
    check_reading(arguments)
    if arguments.output.is_file():
        raise UsageError(f"--output {arguments.output} is a file; the result is a folder")
    check_writable(arguments.output, within=True)
