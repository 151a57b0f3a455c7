"""`python -m rrweb_bert surprise-norms CORPUS`: measure what is usual, once for a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from data_prep.errors import DataError
from data_prep.session_row import SPLITS

from .early_checks import DEFAULT_MODEL, check_input, check_model
from .options import UsageError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Measure how surprising events of each kind are to a model, and write surprise_norms.json "
        "beside its weights. Take sessions that the model was not trained on: what it has seen "
        "often surprises it less than any new session would."
    )
    parser.add_argument("corpus", type=Path, help="prepared corpus")
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        help="folder of the model (default: the package's own)",
    )
    parser.add_argument("--split", choices=SPLITS, default="validation", help="default %(default)s")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default %(default)s)")
    parser.add_argument(
        "--max_sessions",
        type=int,
        default=1000,
        help="take this many, evenly (default %(default)s)",
    )
    parser.add_argument(
        "--about",
        default="",
        metavar="TEXT",
        help="what sessions these are, in a few words: `surprise` tells it where it compares a "
        "session with them (default nothing)",
    )
    parser.add_argument(
        "--output", type=Path, help="default: surprise_norms.json in the model's folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Score a split, write the norms and return 0.

    Raises:
        UsageError: the model cannot be loaded, or an option is out of range.
        DataError: the corpus cannot be opened, or does not fit the model.
    """
    if arguments.max_sessions < 1:
        raise UsageError(f"--max_sessions {arguments.max_sessions}: at least 1")
    check_input(arguments.corpus)
    check_model(arguments.model)
    from tqdm import tqdm

    from .session_encoder import SessionEncoder
    from .session_ids import session_of_row
    from .surprise.norms import NORMS_FILE, weights_hash
    from .surprise.scoring import Scorer, ScoringOptions
    from .surprise.usual import norms_of_sessions

    try:
        encoder = SessionEncoder.from_pretrained(arguments.model, device=arguments.device)
        rows = encoder.corpus_rows(arguments.corpus, arguments.split)
    except DataError:
        raise
    except (ValueError, RuntimeError) as error:  # torch names no device in a RuntimeError
        raise UsageError(str(error)) from error
    if not rows:
        raise DataError(f"{arguments.corpus} has no session in its split {arguments.split}")
    options = ScoringOptions(window_ids=min(ScoringOptions().window_ids, encoder.window_ids))
    scorer = Scorer(
        model=encoder.model, device=encoder.device, options=options, precision=encoder.precision
    )
    step = -(-len(rows) // arguments.max_sessions)
    chosen = tqdm(rows[::step], unit=" sessions", disable=not sys.stderr.isatty())
    scored = []
    for session in map(session_of_row, chosen):
        scores = scorer.score(session)
        scored.append((session.event_times_ms[scores.events], scores))
    norms = norms_of_sessions(
        scored, options, weights_sha256=weights_hash(arguments.model), about=arguments.about
    )
    path = arguments.output or arguments.model / NORMS_FILE
    norms.save(path)
    num_events = norms.kinds["any"].num_events
    print(
        f"{path}: {norms.num_sessions:,} sessions, {num_events:,} events, "
        f"{len(norms.kinds) - 1} kinds"
    )
    return 0
