"""How the libraries behave on the console: quiet bars off a terminal, trackers that never ask."""

from __future__ import annotations

import os
import sys

import datasets
import transformers

from .arguments import RRWebTrainingArguments
from .callbacks import say

__all__ = ["WANDB_PROJECT", "prepare_console", "prepare_wandb"]

WANDB_PROJECT = "rrweb-bert-production"


def prepare_console(args: RRWebTrainingArguments) -> None:
    """Off a terminal, switch off every bar, so that there are no carriage returns in a log file."""
    if sys.stderr.isatty():
        return
    args.disable_tqdm = True
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()


def prepare_wandb(args: RRWebTrainingArguments) -> None:
    """With `--report_to wandb`: set the project, and go offline rather than ask for a login."""
    if "wandb" not in (args.report_to or []):
        return
    os.environ.setdefault("WANDB_PROJECT", WANDB_PROJECT)
    if "WANDB_MODE" in os.environ:
        return
    import wandb  # it takes a second, and few runs want it

    if not wandb.login(prompt=False, verify=False):
        os.environ["WANDB_MODE"] = "offline"
        say(
            "note: nobody is logged in to W&B, so the run is recorded offline; `wandb login` and "
            "`wandb sync` upload it later"
        )
