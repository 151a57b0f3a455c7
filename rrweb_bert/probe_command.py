"""`python -m rrweb_bert probe MODEL DATA --labels FILE`: what frozen vectors know of labels."""

from __future__ import annotations

import argparse
from functools import partial

from .early_checks import check_input, check_model
from .options import UsageError
from .probing.labels import SpanTask, Task, parse_span_task, parse_task
from .probing.pair_arguments import add_pair_arguments, write_results
from .probing.requirements import require_extra

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    require_extra()
    parser.description = (
        "Probe frozen vectors: classifiers on the groups (sites) that the model was trained on, "
        "judged on groups that nothing has seen, beside baselines."
    )
    add_pair_arguments(
        parser, label_help="a label of sessions, perhaps only where another one has these values"
    )
    parser.add_argument(
        "--spans",
        action="append",
        default=[],
        metavar="FIELD[:EVIDENCE][:OTHER=V,V]",
        help="a list of spans (type, t0, t1 in epoch ms) that windows meet or not; EVIDENCE names "
        "the list of types that left a trace; repeatable",
    )


def run(arguments: argparse.Namespace) -> int:
    """Probe, and print the tables.

    Raises:
        UsageError: it cannot be done as asked.
        DataError: a corpus or the labels cannot be used.
    """
    tasks = _tasks(arguments)
    check_model(arguments.model)
    check_input(arguments.data)
    from .probing.pairs import judged
    from .probing.probe_run import probe_pair, summarise
    from .probing.tables import markdown_table, probe_tables, text_table

    fields = sorted({task.field for task in tasks})
    results = judged(
        arguments,
        fields,
        partial(probe_pair, tasks=tasks, min_units=arguments.min_units, seed=arguments.seed),
    )
    report = summarise(results, seed=arguments.seed)
    tables = probe_tables(report)
    print("\n\n".join(map(text_table, tables)))
    write_results(arguments, report, "\n\n".join(map(markdown_table, tables)))
    return 0


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    tasks: list[Task] = []
    try:
        tasks += [parse_task(text) for text in arguments.label]
        spans: list[SpanTask] = [parse_span_task(text) for text in arguments.spans]
    except ValueError as error:
        raise UsageError(str(error)) from error
    tasks += spans
    if not tasks:
        raise UsageError("nothing to probe for: give --label FIELD or --spans FIELD")
    return tasks
