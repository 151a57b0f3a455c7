"""`python -m rrweb_bert probe MODEL DATA --labels FILE`: what frozen vectors know of labels."""

from __future__ import annotations

import argparse
import json
from functools import partial

from data_prep.files import write_text_atomically

from .options import UsageError
from .probing.labels import SpanTask, Task, parse_span_task, parse_task
from .probing.requirements import require_extra

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    require_extra()
    from .probing.options import add_pair_arguments  # needs the extra

    parser.description = (
        "Probe frozen vectors: classifiers on the groups (sites) that the model was trained on, "
        "judged on groups that nothing has seen, beside baselines."
    )
    add_pair_arguments(parser)
    add = parser.add_argument
    add(
        "--label",
        action="append",
        default=[],
        metavar="FIELD[:OTHER=V,V]",
        help="a label of sessions, perhaps only where another one has these values; repeatable",
    )
    add(
        "--spans",
        action="append",
        default=[],
        metavar="FIELD[:EVIDENCE][:OTHER=V,V]",
        help="a list of spans (type, t0, t1 in epoch ms) that windows meet or not; EVIDENCE names "
        "the list of types that left a trace; repeatable",
    )
    add("--min_units", type=int, default=20, help="rarer classes are left out (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Probe, and print the tables.

    Raises:
        UsageError: it cannot be done as asked.
        DataError: a corpus or the labels cannot be used.
    """
    from .probing.options import judged
    from .probing.probe_run import probe_pair, summarise
    from .probing.tables import markdown_table, probe_tables, text_table

    tasks = _tasks(arguments)
    fields = sorted({task.field for task in tasks})
    results = judged(
        arguments,
        fields,
        partial(probe_pair, tasks=tasks, min_units=arguments.min_units, seed=arguments.seed),
    )
    report = summarise(results, seed=arguments.seed)
    tables = probe_tables(report)
    print("\n\n".join(map(text_table, tables)))
    if arguments.json is not None:
        write_text_atomically(arguments.json, json.dumps(report, indent=1) + "\n")
    if arguments.markdown is not None:
        text = "\n\n".join(map(markdown_table, tables))
        write_text_atomically(arguments.markdown, text + "\n")
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
