"""The options of every command that reads recordings: whose reader, whose recogniser."""

from __future__ import annotations

import argparse
from typing import Final

__all__ = ["READING_HELP", "add_reading_options", "check_reading"]

READING_HELP: Final = {
    "reader": "read every file with this reader (a built-in one, a plug-in, or module:function); "
    "told by content where not given",
    "recogniser": "function that finds what patterns cannot, such as names: see docs/privacy.md",
}
"""What each option does."""

_METAVARS: Final = {"reader": "NAME", "recogniser": "MODULE:FUNCTION"}


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add `--reader` and `--recogniser`."""
    for name, text in READING_HELP.items():
        parser.add_argument(f"--{name}", metavar=_METAVARS[name], help=text)


def check_reading(parsed: argparse.Namespace) -> None:
    """See that what the two options name is there, before anything that takes time.

    Raises:
        DataError: It is not.
    """
    # Imported where something is named: this takes longer than to see that nothing is.
    if parsed.reader is not None:
        from data_prep.readers import reader_of

        reader_of(parsed.reader)
    if parsed.recogniser is not None:
        from data_prep.encoding import named_recogniser

        named_recogniser(parsed.recogniser)
