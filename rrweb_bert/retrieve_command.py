"""`python -m rrweb_bert retrieve MODEL DATA --labels FILE`: does what is alike stand near?"""

from __future__ import annotations

import argparse
from functools import partial

from .early_checks import check_input, check_model
from .options import UsageError
from .probing.labels import parse_task
from .probing.pair_arguments import add_pair_arguments, write_results
from .probing.requirements import require_extra

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    require_extra()
    parser.description = (
        "Find windows of the same session, and sessions of the same label on other sites, by "
        "frozen vectors of held-out sessions, beside count vectors, TF-IDF and edit distance."
    )
    add_pair_arguments(parser, label_help="a label of sessions to be found on other sites")


def run(arguments: argparse.Namespace) -> int:
    """Search, and print the tables.

    Raises:
        UsageError: it cannot be done as asked.
        DataError: a corpus or the labels cannot be used.
    """
    check_model(arguments.model)
    check_input(arguments.data)
    from .probing.pairs import judged
    from .probing.retrieve_run import retrieve_pair, summarise_retrieval
    from .probing.tables import markdown_table, retrieval_tables, text_table

    try:
        tasks = [parse_task(text) for text in arguments.label]
    except ValueError as error:
        raise UsageError(str(error)) from error
    results = judged(
        arguments,
        sorted({task.field for task in tasks}),
        partial(retrieve_pair, tasks=tasks, min_units=arguments.min_units, seed=arguments.seed),
    )
    report = summarise_retrieval(results, seed=arguments.seed)
    tables = retrieval_tables(report)
    print("\n\n".join(map(text_table, tables)))
    write_results(arguments, report, "\n\n".join(map(markdown_table, tables)))
    return 0
