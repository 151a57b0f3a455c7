"""`python -m data_prep inspect | prepare | verify | train-text-model`: see `--help` of each."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from data_prep import train_text_model
from data_prep.cache import default_cache_dir
from data_prep.engine import ENGINES
from data_prep.errors import DataError
from data_prep.files import write_text_atomically
from data_prep.grouping import MISSING_GROUP, parse_grouping
from data_prep.inspect_corpus import inspect_corpus
from data_prep.inspect_page import report_page
from data_prep.inspect_report import report_json, report_text
from data_prep.inspection import InspectOptions, inspect_recordings
from data_prep.plain_text import without_controls
from data_prep.prepare import PrepareOptions, prepare, prepare_share
from data_prep.prepare_options import OPTION_HELP
from data_prep.prepare_remotely import prepare_at, prepare_share_at
from data_prep.reading_options import add_reading_options
from data_prep.remote import is_remote
from data_prep.remote_copies import fetch_corpus, holds_corpus
from data_prep.shares import Share, parse_share
from data_prep.verify import NUM_WINDOW_DRAWS, verify
from rrweb_tokenizer.command_line import DONE, FOUND_PROBLEMS, CommandParser, exit_status

__all__ = ["main", "make_parser"]

_INPUT_HELP: Final = (
    "folder (recursively), file, or address (s3://, gs://, hf://, https://), also with *"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; see `rrweb_tokenizer.command_line`."""
    parsed = make_parser().parse(sys.argv[1:] if arguments is None else arguments)
    return exit_status(
        lambda: int(parsed.run(parsed)), refusals=(DataError,), shown=without_controls
    )


def _fetched(url: str) -> Path:
    """Return the copy in the cache of a corpus at an address."""
    return fetch_corpus(url, default_cache_dir()).path


def _inspect(parsed: argparse.Namespace) -> int:
    corpora = [place for place in parsed.inputs if holds_corpus(place)]
    if corpora and len(parsed.inputs) > 1:
        parsed.parser.error(f"{corpora[0]} is a prepared corpus; inspect it alone")
    try:
        options = InspectOptions(
            grouping=parse_grouping(
                parsed.group_by, manifest=parsed.manifest, missing_group=parsed.missing_group
            ),
            test_fraction=parsed.test_fraction,
            validation_fraction=parsed.validation_fraction,
            salt=parsed.salt,
            sample=parsed.sample,
            exact=parsed.exact,
            tokenizer_name_or_path=parsed.tokenizer_name_or_path,
            recogniser=parsed.recogniser,
            num_proc=parsed.num_proc,
            reader=parsed.reader,
        )
    except ValueError as error:
        parsed.parser.error(str(error))
    if corpora:
        place = corpora[0]
        found = inspect_corpus(_fetched(place) if is_remote(place) else Path(place))
    else:
        found = inspect_recordings(parsed.inputs, options)
    if parsed.json:
        print(json.dumps(report_json(found), indent=2))
    else:
        print(report_text(found))
    if parsed.html is not None:
        try:
            write_text_atomically(parsed.html, report_page(found))
        except OSError as error:
            raise DataError(f"{parsed.html} cannot be written: {error.strerror}") from None
        print(f"page: {parsed.html}", file=sys.stderr)
    return DONE


def _prepare(parsed: argparse.Namespace) -> int:
    try:
        options = PrepareOptions(
            group_by=parsed.group_by,
            manifest=parsed.manifest,
            missing_group=parsed.missing_group,
            drop_near_duplicates=parsed.drop_near_duplicates,
            test_fraction=parsed.test_fraction,
            validation_fraction=parsed.validation_fraction,
            salt=parsed.salt,
            tokenizer_name_or_path=parsed.tokenizer_name_or_path,
            recogniser=parsed.recogniser,
            num_proc=parsed.num_proc,
            engine=parsed.engine,
            address=parsed.address,
            overwrite=parsed.overwrite,
            reader=parsed.reader,
        )
    except ValueError as error:
        parsed.parser.error(str(error))
    inputs, output, share = parsed.inputs, parsed.output, parsed.shard
    if is_remote(output):
        if share is None:
            prepare_at(inputs, output, options)
        else:
            prepare_share_at(inputs, output, options, share)
    elif share is None:
        prepare(inputs, Path(output), options)
    else:
        prepare_share(inputs, Path(output), options, share)
    return DONE


def _share(text: str) -> Share:
    try:
        return parse_share(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _verify(parsed: argparse.Namespace) -> int:
    if parsed.window_draws < 0 or not 0 <= parsed.max_shared_windows <= 1:
        parsed.parser.error(
            "--window_draws must not be negative, --max_shared_windows must be in [0, 1]"
        )
    corpus = parsed.corpus
    found = verify(
        _fetched(corpus) if is_remote(corpus) else Path(corpus),
        num_window_draws=parsed.window_draws,
        max_shared_windows=parsed.max_shared_windows,
        near_duplicates=parsed.near_duplicates,
    )
    print(
        without_controls("\n".join(found.lines())),
        file=sys.stdout if found.is_sound else sys.stderr,
    )
    return DONE if found.is_sound else FOUND_PROBLEMS


def make_parser() -> CommandParser:
    """The parser of all commands."""
    parser = CommandParser(
        prog="python -m data_prep", description="Prepare rrweb recordings for training."
    )
    _add_inspect(parser.add_command("inspect", "say what there is, before anything is written"))
    _add_prepare(parser.add_command("prepare", "tokenise recordings into a corpus folder"))
    _add_verify(parser.add_command("verify", "check a corpus folder: hashes, counts, leakage"))
    command = parser.add_command(
        "train-text-model", "make a tokenizer for the texts of one's own recordings"
    )
    train_text_model.add_arguments(command)
    command.set_defaults(run=train_text_model.run)
    parser.set_example("prepare recordings/ --output corpus")
    return parser


def _add_grouping(command: CommandParser) -> None:
    defaults = PrepareOptions()

    def add(name: str, **settings: Any) -> None:
        command.add_argument(f"--{name}", help=OPTION_HELP[name], **settings)

    add("group_by", metavar="RULE", default=defaults.group_by)
    add("manifest", type=Path)
    add("missing_group", choices=MISSING_GROUP, default=defaults.missing_group)
    add("test_fraction", type=float, default=defaults.test_fraction)
    add("validation_fraction", type=float, default=defaults.validation_fraction)
    add("salt", default=defaults.salt)
    add("tokenizer_name_or_path")
    add_reading_options(command)
    add("num_proc", type=int)


def _add_inspect(command: CommandParser) -> None:
    defaults = InspectOptions()
    command.description = (
        "Say what recordings, or a prepared corpus, hold: forms, sessions, events, durations, "
        "versions, groups, rejects, and the ids and disk that a corpus would take."
    )
    command.set_example("recordings/\nrecordings/ --html inspection.html")
    command.set_defaults(run=_inspect)
    add = command.add_argument
    add("inputs", metavar="PATH", nargs="+", help=f"a prepared corpus, or: {_INPUT_HELP}")
    add("--json", action="store_true", help="print all figures as JSON")
    add("--html", metavar="FILE", type=Path, help="write a page with plots, too")
    add("--sample", type=int, default=defaults.sample, help="sessions tokenised for the estimates")
    add("--exact", action="store_true", help="tokenise all sessions")
    _add_grouping(command)


def _add_prepare(command: CommandParser) -> None:
    command.description = (
        "Tokenise recordings into a corpus folder of memory-mapped Arrow shards, which "
        "`train_mlm.py --data_dir` takes. Stopped, the same command goes on where it was."
    )
    command.set_example("recordings/ --output corpus\nrecordings/ --output corpus --group_by site")
    command.set_defaults(run=_prepare)
    add = command.add_argument
    add("inputs", metavar="INPUT", nargs="+", help=_INPUT_HELP)
    add("--output", required=True, help="corpus folder to write, also at an address (s3://, ...)")
    _add_grouping(command)
    add("--drop_near_duplicates", action="store_true", help=OPTION_HELP["drop_near_duplicates"])
    add("--engine", choices=ENGINES, default=PrepareOptions().engine, help=OPTION_HELP["engine"])
    add("--address", help=OPTION_HELP["address"])
    add(
        "--shard",
        metavar="NUMBER/SHARDS",
        type=_share,
        help="encode this share of the files only, 0/SHARDS being the first; the command without "
        "it puts all shares together",
    )
    add("--overwrite", action="store_true", help="replace another corpus in the output folder")


def _add_verify(command: CommandParser) -> None:
    command.description = (
        "Check all that a prepared corpus promises: bytes and hashes of its shards, each session's "
        "ids and keyframes, the ledger and its totals, and that splits share nothing. Exit status "
        "1 where something is wrong."
    )
    command.set_example("corpus")
    command.set_defaults(run=_verify)
    add = command.add_argument
    add("corpus", metavar="DIR", help="what prepare wrote, a folder or an address")
    add("--near_duplicates", action="store_true", help="look for sessions that are nearly equal")
    add("--window_draws", type=int, default=NUM_WINDOW_DRAWS, help="windows drawn from each split")
    add(
        "--max_shared_windows",
        type=float,
        default=0.0,
        help="share of a split's windows that may stand in another split",
    )


if __name__ == "__main__":
    sys.exit(main())
