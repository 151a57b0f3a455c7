"""`python -m rrweb_bert embed DATA --output FILE`: vectors of many sessions, resumable."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.reading_options import add_reading_options, check_reading

from .early_checks import check_file_to_write, check_input, check_model, tokenizer_path
from .embeddings.options import DEFAULT_POOLING, EmbedOptions
from .options import UsageError
from .sample_plan import sample_directory
from .window_pooling import POOLINGS

if TYPE_CHECKING:
    from .session_encoder import SessionEncoder

__all__ = ["add_arguments", "add_model_arguments", "load_encoder", "run", "tokenizer_path"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Embed recordings, or the sessions of a prepared corpus, into one Parquet file. Killed at "
        "any moment, the same command goes on where it was. Next: `python -m rrweb_bert index`."
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="*",
        help="recordings, folders and addresses of such, or a prepared corpus; the embedded sample "
        "where left out",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("embeddings.parquet"),
        metavar="FILE",
        help="Parquet file to write (default %(default)s)",
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--pooling",
        choices=tuple(POOLINGS),
        default=DEFAULT_POOLING,
        help="positions whose mean a vector is (default %(default)s)",
    )
    parser.add_argument(
        "--level",
        choices=("session", "window"),
        default="session",
        help="what a row is (default %(default)s)",
    )
    parser.add_argument(
        "--batch_size", type=int, help="windows at once (default 64 on a GPU, else 16)"
    )
    parser.add_argument(
        "--num_proc",
        type=int,
        help="processes that tokenise (default: for a GPU all cores but one, else none of their "
        "own)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="JSON Lines, an object a session (default none; the sample has its own)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace other embeddings")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which model computes, where, and how recordings are read."""
    parser.add_argument(
        "--model", help="folder or Hub name of a trained model (default: the package's own)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1 (default %(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "fp16", "bf16"),
        default="auto",
        help="auto is fp16 with CUDA, else fp32 (default %(default)s)",
    )
    add_reading_options(parser)


def load_encoder(arguments: argparse.Namespace) -> SessionEncoder:
    """The encoder that the arguments of `add_model_arguments` name.

    Raises:
        UsageError: there is no such model or device.
    """
    from .command_encoder import encoder_of

    return encoder_of(
        arguments.model,
        arguments.device,
        precision=arguments.precision,
        recogniser=arguments.recogniser,
    )


def run(arguments: argparse.Namespace) -> int:
    """Embed, and say what became of every file.

    Raises:
        UsageError: an option is none that there is.
    """
    data, labels = arguments.data, arguments.labels
    if not data:
        data = [str(sample_directory())]
        labels = labels or sample_directory().with_name("sample_labels.jsonl")
        print("no DATA: the embedded sample of 60 recordings, with its labels")
    try:
        options = EmbedOptions(
            pooling=arguments.pooling,
            level=arguments.level,
            batch_size=arguments.batch_size,
            num_proc=arguments.num_proc,
            labels=labels,
            overwrite=arguments.overwrite,
            reader=arguments.reader,
            recogniser=arguments.recogniser,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    for place in data:
        check_input(place)
    if labels is not None and not labels.is_file():
        raise UsageError(f"--labels {labels}: there is no such file")
    if arguments.output.suffix.lower() not in ("", ".parquet", ".pq"):
        raise UsageError(
            f"--output {arguments.output}: it is Parquet that is written; name it "
            f"{arguments.output.with_suffix('.parquet').name}"
        )
    check_file_to_write(arguments.output)
    check_model(arguments.model)
    check_reading(arguments)
    from .embeddings.job import embed

    encoder = load_encoder(arguments)
    embed(
        data,
        arguments.output,
        encoder,
        options,
        model_name=arguments.model or "the package's own",
        tokenizer_path=tokenizer_path(arguments.model),
    )
    return 0
