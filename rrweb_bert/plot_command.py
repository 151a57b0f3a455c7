"""`python -m rrweb_bert plot DIR`: the picture of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import UsageError
from .plots import PLOT_FILE, plot_history

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = f"Draw {PLOT_FILE} from training_history.json."
    parser.add_argument("output_dir", type=Path, help="output folder of a run")


def run(arguments: argparse.Namespace) -> int:
    """Draw, and print where.

    Raises:
        UsageError: the folder holds no history.
    """
    try:
        print(plot_history(arguments.output_dir))
    except ValueError as error:
        raise UsageError(str(error)) from error
    return 0
