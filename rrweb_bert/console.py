"""How the libraries behave on the console: one bar on a terminal, none elsewhere."""

from __future__ import annotations

import sys

import datasets
import transformers

from .arguments import RRWebTrainingArguments

__all__ = ["prepare_console"]


def prepare_console(args: RRWebTrainingArguments) -> None:
    """Leave one bar, that of training, and off a terminal none: no carriage returns in a log file.

    Bars of the libraries last for a blink, each time that a checkpoint is written.
    """
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    if not sys.stderr.isatty():
        args.disable_tqdm = True
