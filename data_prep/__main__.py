"""`python -m data_prep prepare INPUT... --output DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import AccessError, DataError
from data_prep.prepare import PrepareOptions, prepare
from data_prep.splits import GROUP_BY

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for bad data, 2 for a bad call.

    A library or credentials that are missing count as a bad call.
    """
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        options = PrepareOptions(
            group_by=parsed.group_by,
            test_fraction=parsed.test_fraction,
            validation_fraction=parsed.validation_fraction,
            salt=parsed.salt,
            tokenizer_name_or_path=parsed.tokenizer_name_or_path,
            recogniser=parsed.recogniser,
            num_proc=parsed.num_proc,
            overwrite=parsed.overwrite,
            reader=parsed.reader,
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        prepare(parsed.inputs, parsed.output, options)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, AccessError) else 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written, the same command starts again", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    defaults = PrepareOptions()
    parser = argparse.ArgumentParser(
        prog="python -m data_prep", description="Prepare rrweb recordings for training."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "prepare",
        help="tokenise recordings into a corpus folder",
        description="Tokenise recordings into a corpus folder of memory-mapped Arrow shards.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = command.add_argument
    add(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="folder (recursively), file, or address (s3://, gs://, hf://, https://), also with *",
    )
    add("--output", required=True, type=Path, help="corpus folder to write")
    add(
        "--group_by",
        choices=GROUP_BY,
        default=defaults.group_by,
        help="what the split keeps together; auto: the visitor where named, else the file",
    )
    add(
        "--test_fraction",
        type=float,
        default=defaults.test_fraction,
        help="share of the groups set aside first",
    )
    add(
        "--validation_fraction",
        type=float,
        default=defaults.validation_fraction,
        help="share of the others for validation",
    )
    add("--salt", default=defaults.salt, help="another salt deals the groups out anew")
    add("--tokenizer_name_or_path", help="folder of a tokenizer (the shipped one by default)")
    add(
        "--recogniser",
        metavar="MODULE:FUNCTION",
        help="function that finds what patterns cannot, such as names: see docs/privacy.md",
    )
    add(
        "--reader",
        metavar="NAME",
        help="read every file with this reader (a built-in one, a plug-in, or module:function); "
        "told by content where not given",
    )
    add("--num_proc", type=int, help="processes (by default as many as pay)")
    add("--overwrite", action="store_true", help="replace another corpus in the output folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
