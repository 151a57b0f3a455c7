"""`python -m rrweb_tokenizer transcript FILE`, `... validate FILE...`, `... vocab`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rrweb_tokenizer.command_line import FOUND_PROBLEMS, CommandParser, exit_status
from rrweb_tokenizer.grammar import illegal_successions
from rrweb_tokenizer.recognisers import load_recogniser
from rrweb_tokenizer.structural_vocab import GROUPS, NUM_STRUCTURAL, TEXT_GROUP, VOCAB_SIZE
from rrweb_tokenizer.telling.reader import printable
from rrweb_tokenizer.telling.wording import counted
from rrweb_tokenizer.transcript import entries, json_entry, render_ids, text_lines

if TYPE_CHECKING:
    from rrweb_tokenizer import EncodedSession, RRWebTokenizer
    from rrweb_tokenizer.telling.records import Span

__all__ = ["main", "make_parser"]

_STDIN: Final = "-"
_MAX_ILLEGAL_SHOWN: Final = 5
_CONTEXT: Final = 4  # tokens shown on either side of an illegal succession


class _BadInput(Exception):
    """What was asked for cannot be read; the text says why, naming the file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status; see `command_line`."""
    parsed = make_parser().parse(sys.argv[1:] if arguments is None else arguments)
    return exit_status(
        lambda: int(parsed.run(parsed)), refusals=(_BadInput,), shown=printable, only_tells=True
    )


def make_parser() -> CommandParser:
    """The parser of all commands."""
    parser = CommandParser(
        prog="python -m rrweb_tokenizer", description="See what the tokenizer makes of recordings."
    )
    _add_transcript(parser.add_command("transcript", "tell a session as a person would"))
    _add_validate(parser.add_command("validate", "check sessions against the grammar"))
    _add_vocab(parser.add_command("vocab", "print the groups of tokens"))
    parser.set_example("transcript session.json")
    return parser


def _add_transcript(command: CommandParser) -> None:
    command.description = (
        "Tell a session as a person would, from its ids: time, action, element, place."
    )
    command.set_example("session.json\nsession.json.gz --ids --full")
    add = command.add_argument
    add("file", metavar="FILE", help="a recording, also as gzip or zstd; - reads standard input")
    add("--full", action="store_true", help="all nodes of pages and all changes of mutations")
    add("--ids", action="store_true", help="the tokens and ids of each event below it")
    add("--json", action="store_true", help="one JSON object a line")
    _add_tokenizer(command)
    command.set_defaults(run=_transcript)


def _add_validate(command: CommandParser) -> None:
    command.description = (
        "Print the share of illegal successions, tokens that may not follow the one before them "
        "(docs/grammar.md); 0 in all that is written, and exit status 1 where it is not."
    )
    command.set_example("session.json other.json")
    add = command.add_argument
    add("files", metavar="FILE", nargs="+", help="recordings; - reads standard input")
    _add_tokenizer(command)
    command.set_defaults(run=_validate)


def _add_tokenizer(command: CommandParser) -> None:
    add = command.add_argument
    add("--tokenizer", metavar="DIR", help="folder of a tokenizer (the shipped one by default)")
    add(
        "--recogniser",
        metavar="MODULE:FUNCTION",
        help="function that finds what patterns cannot, such as names: see docs/privacy.md",
    )


def _add_vocab(command: CommandParser) -> None:
    names = [group.name for group in GROUPS]
    command.description = "Print the groups of structural tokens, their ids and members."
    command.set_example("--group MouseInteractions")
    add = command.add_argument
    add("--group", metavar="NAME", choices=names, help=f"only this one: {', '.join(names)}")
    add("--json", action="store_true", help="a JSON list of the groups")
    command.set_defaults(run=_vocab)


# transcript


def _transcript(parsed: argparse.Namespace) -> int:
    tokenizer = _load_tokenizer(parsed.tokenizer, parsed.recogniser)
    session = _encode(tokenizer, parsed.file)
    ids = session.ids.tolist()
    decode = tokenizer.text_model.decode_plain
    told = entries(
        ids,
        decode,
        event_starts=session.event_starts.tolist(),
        event_times_ms=session.event_times_ms.tolist(),
        full=parsed.full,
    )
    if parsed.json:
        shown = ids if parsed.ids else None
        _print(json.dumps(json_entry(entry, shown)) for entry in told)
        return 0

    def ids_of(span: Span) -> str:
        taken = ids[span.start : span.stop]
        return f"{render_ids(taken, decode)}  {taken}"

    _print(text_lines(told, ids_of=ids_of if parsed.ids else None))
    return 0


# validate


def _validate(parsed: argparse.Namespace) -> int:
    tokenizer = _load_tokenizer(parsed.tokenizer, parsed.recogniser)
    num_illegal = num_successions = num_unread = 0
    for file in parsed.files:
        try:
            ids = _encode(tokenizer, file).ids
        except _BadInput as error:
            if len(parsed.files) == 1:
                raise
            print(f"error: {printable(str(error))}", file=sys.stderr)
            num_unread += 1
            continue
        places = np.flatnonzero(illegal_successions(ids)).tolist()
        _print(_findings(file, ids.tolist(), places, tokenizer))
        num_illegal += len(places)
        num_successions += max(len(ids) - 1, 0)
    if len(parsed.files) > 1:
        _print([f"all: {_share(num_illegal, num_successions)}"])
    if num_unread:
        raise _BadInput(f"{num_unread} of {counted(len(parsed.files), 'file')} could not be read")
    return FOUND_PROBLEMS if num_illegal else 0


def _findings(
    file: str, ids: list[int], places: list[int], tokenizer: RRWebTokenizer
) -> Iterator[str]:
    yield f"{file}: {_share(len(places), max(len(ids) - 1, 0))}"
    decode = tokenizer.text_model.decode_plain
    for place in places[:_MAX_ILLEGAL_SHOWN]:
        before = render_ids(ids[max(place + 1 - _CONTEXT, 0) : place + 1], decode)
        after = render_ids(ids[place + 1 : place + 1 + _CONTEXT], decode)
        yield f"  at {place + 1}: {before} >>> {after}"
    if len(places) > _MAX_ILLEGAL_SHOWN:
        yield f"  and {len(places) - _MAX_ILLEGAL_SHOWN:,} more"


def _share(num_illegal: int, num_successions: int) -> str:
    share = num_illegal / num_successions if num_successions else 0.0
    return f"{num_illegal:,} of {num_successions:,} successions illegal ({share:.2%})"


# vocab


def _vocab(parsed: argparse.Namespace) -> int:
    chosen = [group for group in GROUPS if parsed.group in (None, group.name)]
    rows = [
        {"group": g.name, "n": len(g.tokens), "start": g.start, "stop": g.stop, "tokens": g.tokens}
        for g in chosen
    ]
    if parsed.json:
        _print([json.dumps(rows, indent=2)])
        return 0
    for group in chosen:
        _print(
            [
                f"{group.name}: {len(group.tokens)} tokens, ids {group.start}-{group.stop - 1}",
                f"  {' '.join(group.tokens)}",
            ]
        )
    if parsed.group is None:
        num_pieces = VOCAB_SIZE - NUM_STRUCTURAL
        ids = f"ids {NUM_STRUCTURAL}-{VOCAB_SIZE - 1}"
        _print([f"{TEXT_GROUP}: {num_pieces:,} pieces of the text model, {ids}"])
    return 0


# shared


def _load_tokenizer(folder: str | None, recogniser: str | None) -> RRWebTokenizer:
    from rrweb_tokenizer import RRWebTokenizer

    try:
        found = None if recogniser is None else load_recogniser(recogniser)
    except ValueError as error:
        raise _BadInput(str(error)) from error
    if folder is None:
        return RRWebTokenizer(recogniser=found)
    # Otherwise the name of a folder that is not there would be looked up on a hub.
    if not Path(folder).is_dir():
        raise _BadInput(f"{folder}: no folder of a tokenizer")
    try:
        tokenizer: RRWebTokenizer = RRWebTokenizer.from_pretrained(folder, recogniser=found)
    except (OSError, ValueError) as error:
        raise _BadInput(_with_name(folder, error)) from error
    if tokenizer.saved_recogniser is not None and found is None:
        raise _BadInput(
            f"{folder} was saved with a recogniser, without which it would read what that one "
            f"hides; name it: --recogniser {tokenizer.saved_recogniser}"
        )
    return tokenizer


def _encode(tokenizer: RRWebTokenizer, file: str) -> EncodedSession:
    try:
        return tokenizer.encode_session(sys.stdin.buffer.read() if file == _STDIN else Path(file))
    except IsADirectoryError:
        raise _BadInput(f"{file}: is a folder; name a file in it") from None
    except OSError as error:
        raise _BadInput(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _BadInput(_with_name(file, error)) from error


def _with_name(name: str, error: Exception) -> str:
    text = str(error).removeprefix("the session: ")
    return text if text.startswith(name) else f"{name}: {text}"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line) if "\n" not in line else line)


if __name__ == "__main__":
    sys.exit(main())
