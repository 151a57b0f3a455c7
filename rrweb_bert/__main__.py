"""`python -m rrweb_bert plot DIR`: the picture of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .plots import PLOT_FILE, plot_history

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rrweb_bert")
    commands = parser.add_subparsers(dest="command", required=True)
    plot = commands.add_parser("plot", help=f"draw {PLOT_FILE} from training_history.json")
    plot.add_argument("output_dir", type=Path, help="output folder of a run")
    arguments = parser.parse_args(argv)
    try:
        print(plot_history(arguments.output_dir))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
