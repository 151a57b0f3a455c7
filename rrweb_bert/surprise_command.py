"""`python -m rrweb_bert surprise FILE_OR_FOLDER`: what a model did not expect, best first."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data_prep.errors import DataError
from data_prep.files import write_text_atomically
from data_prep.reading_options import add_reading_options, check_reading
from rrweb_tokenizer.telling.wording import clock, counted, duration

from .early_checks import check_file_to_write, check_model, listed_inputs
from .options import UsageError

if TYPE_CHECKING:
    from data_prep.manifest import Manifest

    from .surprise.judge import Judge
    from .surprise.moments import SessionSurprise
    from .surprise.norms import Norms
    from .surprise.reading import NamedSession, RejectedSession

__all__ = ["add_arguments", "run"]

_FORMAT: Final = 1
_MAX_REJECTED_SHOWN: Final = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Tell the moments of a session that the model finds least expected; of a folder, which "
        "sessions to watch first, and why."
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="recordings, folders and addresses of such"
    )
    parser.add_argument("--model", help="folder or Hub name of a model (default the package's own)")
    parser.add_argument(
        "--top",
        type=int,
        default=20,
        help="most moments of a session, or sessions, to tell (default %(default)s)",
    )
    parser.add_argument(
        "--moments",
        type=int,
        default=1,
        help="moments told of each session of several (default %(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default %(default)s)")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also moments that do not stand out (default: those of one in 50 events of their kind "
        "and rarer)",
    )
    parser.add_argument(
        "--no_norms",
        action="store_true",
        help="compare events with those of the same input, not with the model's reference",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("--output", type=Path, help="file to write (default: standard output)")
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge, tell, and return 0; 2 where no session could be read.

    Raises:
        UsageError: an option is out of range, or the model cannot be loaded.
        DataError: there is nothing to judge.
    """
    if arguments.top < 1 or arguments.moments < 1:
        raise UsageError("--top and --moments count what is told: at least 1")
    manifest = listed_inputs(arguments.paths)
    check_reading(arguments)
    check_model(arguments.model)
    if arguments.output is not None:
        check_file_to_write(arguments.output)
    from .surprise.judge import load_judge

    judge = load_judge(
        arguments.model,
        device=arguments.device,
        use_norms=not arguments.no_norms,
        recogniser=arguments.recogniser,
    )
    if judge.remark:
        print(f"note: {judge.remark}", file=sys.stderr)
    rejected: list[RejectedSession] = []
    judged = _judged(judge, manifest, arguments, rejected)
    for broken in rejected[:_MAX_REJECTED_SHOWN]:
        print(f"left out: {broken.name}: {broken.reason}", file=sys.stderr)
    if len(rejected) > _MAX_REJECTED_SHOWN:
        more = len(rejected) - _MAX_REJECTED_SHOWN
        print(f"left out: {more:,} more; --json names all", file=sys.stderr)
    if arguments.json:
        content = _as_json(judged, rejected, arguments.top, judge.norms)
        text = json.dumps(content, ensure_ascii=False, indent=1)
    else:
        text = "\n".join(_lines(judged, arguments, judge.norms))
    if arguments.output is not None:
        try:
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(arguments.output, text + "\n")
        except OSError as error:
            raise DataError(f"{arguments.output} cannot be written: {error}") from error
        done = f"{len(judged):,} sessions judged, {len(rejected):,} left out"
        print(f"{done}: {arguments.output}", file=sys.stderr)
    elif text:
        print(text)
    return 0 if judged else 2


def _judged(
    judge: Judge,
    manifest: Manifest,
    arguments: argparse.Namespace,
    rejected: list[RejectedSession],
) -> list[SessionSurprise]:
    """All sessions that can be read; the others are added to `rejected`."""
    from .command_progress import Progress
    from .surprise.reading import RejectedSession, read_source

    progress = Progress(
        sum(source.num_bytes for source in manifest.sources), "bytes", verb="judged"
    )

    def readable() -> Iterator[NamedSession]:
        for source in manifest.sources:
            num_sessions = 0
            for found in read_source(source, judge.encoder.tokenizer, reader=arguments.reader):
                if isinstance(found, RejectedSession):
                    rejected.append(found)
                    continue
                yield found
                num_sessions += 1
            # Here, whoever took the sessions has asked for the next one: they are judged.
            progress.advance(source.num_bytes, num_sessions=num_sessions)

    try:
        return list(judge.judge(readable(), max_moments=max(arguments.top, arguments.moments)))
    finally:
        progress.close()


def _ordered(judged: list[SessionSurprise]) -> list[SessionSurprise]:
    """By their score, highest first, then by name."""
    return sorted(judged, key=lambda session: (-session.score, session.name))


def _lines(
    judged: list[SessionSurprise], arguments: argparse.Namespace, norms: Norms | None
) -> Iterator[str]:
    if len(judged) == 1:
        yield from _session_lines(judged[0], arguments, norms)
    elif judged:
        yield from _folder_lines(judged, arguments, norms)


def _folder_lines(
    judged: list[SessionSurprise], arguments: argparse.Namespace, norms: Norms | None
) -> Iterator[str]:
    yield (
        f"{len(judged):,} sessions; the first {min(arguments.top, len(judged))} to watch: score, "
        "session, and what stands out"
    )
    yield from _usual_line(norms)
    for place, session in enumerate(_ordered(judged)[: arguments.top], start=1):
        yield ""
        yield f"{place:>3}. {session.score:4.1f}  {session.name}, {duration(session.duration_ms)}"
        if not session.moments:
            yield f"{'':>11}nothing that a visitor did"
            continue
        told = [moment for moment in session.moments if arguments.all or moment.stands_out]
        if not told:
            yield f"{'':>11}nothing stands out"
        for moment in told[: arguments.moments]:
            yield f"{clock(moment.elapsed_ms):>9}  {moment.line}"
            yield f"{'':>11}{moment.reason}"


def _session_lines(
    session: SessionSurprise, arguments: argparse.Namespace, norms: Norms | None
) -> Iterator[str]:
    from .surprise.moments import NUM_TOP, ONE_IN

    yield (
        f"{session.name}: {counted(session.num_scored, 'event')} judged; score "
        f"{session.score:.1f}: the bits of its {NUM_TOP} rarest moments, on average"
    )
    if not session.moments:
        yield "nothing that a visitor did: no event to judge"
        return
    yield from _usual_line(norms, session)
    told = [moment for moment in session.moments if arguments.all or moment.stands_out]
    more = min(len(session.moments), arguments.top) - len(told[: arguments.top])
    others = f"--all tells {more} more" if more else ""
    if not told:
        yield f"nothing stands out: no moment is one in {ONE_IN} of its kind or rarer; {others}"
        return
    yield f"{'time':>9}  {'bits':>4}  (1: one in 2 of its kind, 10: one in 1,024)"
    for moment in told[: arguments.top]:
        near = f"; {moment.num_events - 1} more within 2 s" if moment.num_events > 1 else ""
        yield f"{clock(moment.elapsed_ms):>9}  {moment.bits:4.1f}  {moment.line}"
        yield f"{'':>17}{moment.reason}{near}"
    if others:
        yield f"nothing else is one in {ONE_IN} of its kind or rarer; {others}"


def _usual_line(norms: Norms | None, session: SessionSurprise | None = None) -> Iterator[str]:
    from .surprise.usual import usual_scores

    usual = usual_scores(norms, session)
    if usual is not None:
        yield from textwrap.wrap(str(usual), 96, subsequent_indent="  ")


def _as_json(
    judged: list[SessionSurprise],
    rejected: list[RejectedSession],
    top: int,
    norms: Norms | None,
) -> dict[str, Any]:
    from .surprise.usual import usual_scores

    usual = usual_scores(norms)
    return {
        "format": _FORMAT,
        "usual": None if usual is None else usual.as_json(),
        "sessions": [
            {
                "name": session.name,
                "score": round(session.score, 3),
                "usual": None if (own := usual_scores(norms, session)) is None else own.as_json(),
                "duration_ms": session.duration_ms,
                "num_scored": session.num_scored,
                "moments": [moment.as_json() for moment in session.moments[:top]],
            }
            for session in _ordered(judged)
        ],
        "rejected": [{"name": broken.name, "reason": broken.reason} for broken in rejected],
    }
