"""How the libraries behave on the console: quiet bars off a terminal."""

from __future__ import annotations

import sys

import datasets
import transformers

from .arguments import RRWebTrainingArguments

__all__ = ["prepare_console"]


def prepare_console(args: RRWebTrainingArguments) -> None:
    """Off a terminal, switch off every bar, so that there are no carriage returns in a log file."""
    if sys.stderr.isatty():
        return
    args.disable_tqdm = True
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
