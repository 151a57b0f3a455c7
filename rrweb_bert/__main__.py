"""`python -m rrweb_bert COMMAND`: what one does with a run or a trained model.

A command is a module with `add_arguments(parser)` and `run(arguments) -> int`, the exit status. It
is imported only when it is asked for, since some need torch and plots and some do not.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from data_prep.errors import DataError
from data_prep.plain_text import without_controls
from rrweb_tokenizer.command_line import CommandParser, exit_status

from .options import UsageError

__all__ = ["main", "make_parser"]

COMMANDS: Final = {
    "report": (
        "report_command",
        "write a page about a recording or a training run",
        "session.json",
    ),
    "surprise": (
        "surprise_command",
        "tell what a model did not expect, best first",
        "session.json\nrecordings/ --top 5",
    ),
    "embed": (
        "embed_command",
        "vectors of many sessions into a Parquet file",
        "recordings/ --output embeddings.parquet",
    ),
    "index": (
        "index_command",
        "an index of embeddings, for `search`",
        "embeddings.parquet --output session_index",
    ),
    "search": (
        "search_command",
        "sessions like one, or whose pages hold some words",
        "session_index --like session.json --k 5\nsession_index --text 'add to cart'",
    ),
    "plot": (
        "plot_command",
        "draw the loss and learning rate of a run",
        "checkpoints_production",
    ),
    "evaluate": (
        "evaluate.command",
        "measure a model on held-out sessions, beside baselines",
        "checkpoints_production corpus",
    ),
    "surprise-norms": (
        "surprise_norms_command",
        "measure what is usual, for `surprise`",
        "corpus --model checkpoints_production",
    ),
    "probe": (
        "probe_command",
        "judge frozen vectors by what classifiers read in them",
        "model corpus --labels labels.jsonl --label goal",
    ),
    "retrieve": (
        "retrieve_command",
        "judge frozen vectors by what stands near in them",
        "model corpus --labels labels.jsonl --label goal",
    ),
    "push": (
        "push_command",
        "upload a trained model to the Hugging Face Hub",
        "checkpoints_production my-sessions --dry_run",
    ),
}
"""Name -> module in this package, the line that `--help` prints, and example calls, one a line."""

_ONLY_TELL: Final = ("surprise", "search")
"""Commands that print what they found, so that whoever stops reading has seen enough."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status; see `rrweb_tokenizer.command_line`."""
    words = list(sys.argv[1:] if argv is None else argv)

    def work() -> int:
        parsed = make_parser(words).parse(words)
        return int(parsed.run(parsed))

    return exit_status(
        work,
        refusals=(UsageError, DataError),
        shown=without_controls,
        only_tells=bool(words) and words[0] in _ONLY_TELL,
    )


def make_parser(words: Sequence[str] = ()) -> CommandParser:
    """The parser of all commands, with the options of the one that `words` begin with."""
    parser = CommandParser(
        prog="python -m rrweb_bert", description="Use a trained model, or look at its training."
    )
    parser.set_example("surprise recordings/")
    for name, (module_name, summary, example) in COMMANDS.items():
        command = parser.add_command(name, summary)
        command.set_example(example)
        if list(words[:1]) == [name]:
            module = importlib.import_module(f".{module_name}", __package__)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
