"""`python -m rrweb_bert report FILE_OR_RUN`: one HTML page that needs nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data_prep.errors import DataError
from data_prep.files import write_text_atomically
from data_prep.names import safe_name
from data_prep.reading_options import add_reading_options, check_reading

from .early_checks import check_embeddings, check_file_to_write, check_input, check_model
from .history import HISTORY_FILE
from .options import UsageError

if TYPE_CHECKING:
    from .report.neighbours import Neighbour
    from .surprise.judge import Judge
    from .surprise.reading import NamedSession

__all__ = ["add_arguments", "run"]

_MAX_NAMED: Final = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Write a page about a recording (its time line with what the model did not expect, its "
        "transcript, sessions like it) or about a training run (curves, speed, examples)."
    )
    parser.add_argument("path", help="recording, or the output folder of train_mlm.py")
    parser.add_argument(
        "--output",
        type=Path,
        help="page to write (default report-NAME.html, by the name of the recording or run)",
    )
    parser.add_argument(
        "--model", help="folder or Hub name of a model (default: the package's own)"
    )
    parser.add_argument(
        "--neighbours",
        type=Path,
        metavar="FILE",
        help="Parquet of `python -m rrweb_bert embed`: show the sessions most like this one "
        "(default none)",
    )
    parser.add_argument("--session", metavar="ID", help="which one, where the file holds several")
    parser.add_argument(
        "--top", type=int, default=20, help="moments and neighbours (default %(default)s)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, ... (default %(default)s)"
    )
    add_reading_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the page, print where, and return 0.

    Raises:
        UsageError: there is not one session, or an option does not apply.
        DataError: what was named cannot be read.
    """
    if arguments.top < 1:
        raise UsageError(f"--top {arguments.top}: at least 1")
    path = Path(arguments.path)
    check_input(arguments.path)
    output = arguments.output
    if output is None:
        output = Path(f"report-{safe_name(path.resolve().name.split('.')[0])}.html")
    check_file_to_write(output)
    if (path / HISTORY_FILE).is_file():
        if arguments.neighbours is not None or arguments.session is not None:
            raise UsageError(
                f"{path} is a training run, which has no neighbours and no sessions: leave out "
                "--neighbours and --session"
            )
        from .report.run_page import run_page

        text = run_page(path)
    else:
        text = _page_of_session(arguments)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(output, text)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error}") from error
    print(f"written: {output}")
    return 0


def _page_of_session(arguments: argparse.Namespace) -> str:
    check_model(arguments.model)
    check_reading(arguments)
    if arguments.neighbours is not None:
        check_embeddings(arguments.neighbours)
    from .report.session_page import ScoredSession, session_page
    from .surprise.judge import load_judge
    from .surprise.moments import session_surprise
    from .surprise.norms import fit_norms

    judge = load_judge(arguments.model, device=arguments.device, recogniser=arguments.recogniser)
    named = _only_session(arguments, judge)
    scores = judge.scorer.score(named.session)
    norms = judge.norms or fit_norms([scores], judge.scorer.options)
    tokenizer = judge.encoder.tokenizer
    scored = ScoredSession(
        session=named.session,
        scores=scores,
        norms=norms,
        judged=session_surprise(
            named.name, named.session, scores, norms, tokenizer, max_moments=arguments.top
        ),
        remark=judge.remark,
        neighbours=_neighbours(arguments, judge, named),
    )
    return session_page(scored, tokenizer)


def _only_session(arguments: argparse.Namespace, judge: Judge) -> NamedSession:
    """The session that is meant; a page is about one."""
    from .surprise.reading import RejectedSession, read_encoded

    rejected: list[RejectedSession] = []
    names: list[str] = []
    chosen: NamedSession | None = None
    for found in read_encoded(arguments.path, judge.encoder.tokenizer, reader=arguments.reader):
        if isinstance(found, RejectedSession):
            rejected.append(found)
            continue
        names.append(found.name)
        if arguments.session in (None, found.name):
            chosen = found
        if arguments.session is None and len(names) > 1:
            raise UsageError(
                f"{arguments.path} holds several sessions: name one with --session ({names[0]}, "
                f"{names[1]}, ...); `python -m rrweb_bert surprise` says which are worth it"
            )
    if chosen is not None:
        return chosen
    if names:
        listed = ", ".join(names[:_MAX_NAMED])
        raise UsageError(
            f"{arguments.path} holds no session {arguments.session!r}; it holds {listed}"
        )
    reasons = "; ".join(f"{broken.name}: {broken.reason}" for broken in rejected[:_MAX_NAMED])
    raise DataError(f"{arguments.path}: neither a run of train_mlm.py nor a recording ({reasons})")


def _neighbours(
    arguments: argparse.Namespace, judge: Judge, named: NamedSession
) -> list[Neighbour] | None:
    if arguments.neighbours is None:
        return None
    from .embeddings.hashes import model_hash
    from .report.neighbours import check_model_of, nearest, pooling_of, windows_of

    encoder, path = judge.encoder, arguments.neighbours
    check_model_of(path, model_hash(encoder))
    if windows := windows_of(path):
        try:
            encoder = encoder.cut_like(**windows)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{path} was made with another model ({error}); embed the sessions with this "
                "one, or name theirs (--model)"
            ) from None
    vector = encoder.encode(named.session, pooling_of(path))[0]
    return nearest(path, vector, sha256=named.sha256, number=arguments.top)
