"""`python -m rrweb_bert COMMAND`: what one does with a run or a trained model.

A command is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit status. It
is imported only when it is asked for, since some need torch and plots and some do not.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

from data_prep.errors import DataError
from data_prep.plain_text import without_controls

from .options import UsageError, did_you_mean

__all__ = ["main", "make_parser"]

COMMANDS: Final = {
    "report": ("report_command", "write a page about a recording or a training run"),
    "surprise": ("surprise_command", "tell what a model did not expect, best first"),
    "embed": ("embed_command", "vectors of many sessions into a Parquet file"),
    "index": ("index_command", "an index of embeddings, for `search`"),
    "search": ("search_command", "sessions like one, or whose pages hold some words"),
    "plot": ("plot_command", "draw the loss and learning rate of a run"),
    "evaluate": ("evaluate.command", "measure a model on held-out sessions, beside baselines"),
    "surprise-norms": ("surprise_norms_command", "measure what is usual, for `surprise`"),
    "probe": ("probe_command", "judge frozen vectors by what classifiers read in them"),
    "retrieve": ("retrieve_command", "judge frozen vectors by what stands near in them"),
    "push": ("push_command", "upload a trained model to the Hugging Face Hub"),
}
"""Name -> module in this package, and the line that `--help` prints, in the order of their use."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0 done, 2 it cannot run as asked."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments, unknown = make_parser(words).parse_known_args(words)
    if unknown:
        asked = arguments.parser
        known = [option for action in asked._actions for option in action.option_strings]
        asked.error(f"unknown argument {unknown[0]}{did_you_mean(unknown[0], known)}")
    try:
        return int(arguments.run(arguments))
    except (UsageError, DataError) as error:
        print(f"error: {without_controls(str(error))}", file=sys.stderr)
        return 2


def make_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of all commands, with the options of the one that `words` begin with."""
    parser = argparse.ArgumentParser(prog="python -m rrweb_bert", allow_abbrev=False)
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        command = choices.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if list(words[:1]) == [name]:
            module = importlib.import_module(f".{module_name}", __package__)
            module.add_arguments(command)
            command.set_defaults(run=module.run, parser=command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
