"""`python -m rrweb_bert push DIR REPO`: a trained model to the Hugging Face Hub."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

from rrweb_tokenizer.telling.wording import counted

from .callbacks import say
from .hub import HubError, Repository, open_repository, push
from .hub_files import CARD_FILE, check_tells_no_paths, model_files
from .model_card import card_for_hub
from .options import UsageError

__all__ = ["add_arguments", "push_folder", "run"]

_NAME: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Upload model, tokenizer, model card, metrics and pictures; never checkpoints, caches, "
        "logs or recordings. The token is that of HF_TOKEN or of `hf auth login`."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="output folder of a run")
    parser.add_argument(
        "repo",
        metavar="REPO",
        help="owner/name on the Hub, or name alone for one's own; made if missing",
    )
    parser.add_argument("--private", action="store_true", help="make a new REPO private")
    parser.add_argument("--revision", metavar="BRANCH", help="made if missing (default: main)")
    parser.add_argument("--message", default="Upload model", help="commit message")
    parser.add_argument(
        "--license",
        metavar="ID",
        help="licence of the weights in the card, as the Hub spells it (default: unknown, which "
        "those who own the recordings decide; apache-2.0 for a model of the embedded sample)",
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="print what would be uploaded, and upload nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Push, and print where.

    Raises:
        UsageError: no complete model in the folder.
        HubError: the Hub refuses or cannot be reached.
    """
    repository = Repository(
        name=arguments.repo,
        is_private=True if arguments.private else None,
        revision=arguments.revision,
    )
    if _NAME.fullmatch(arguments.repo) is None:
        raise UsageError(
            f"{arguments.repo} is no name on the Hub: owner/name, or name alone for one's own"
        )
    if arguments.dry_run:
        files = model_files(arguments.folder)
        check_tells_no_paths(files, arguments.folder)
        for file in files:
            say(f"{len(file.read()):>14,} bytes  {file.path_in_repo}")
        own = "" if "/" in arguments.repo else ", below the name of whoever is logged in"
        say(f"{counted(len(files), 'file')} would go to {arguments.repo}{own}")
        return 0
    push_folder(arguments.folder, repository, message=arguments.message, licence=arguments.license)
    return 0


def push_folder(
    folder: Path, repository: Repository, *, message: str, licence: str | None = None
) -> str:
    """Upload the model in a folder with its card, say where it is, and return the address.

    Raises:
        UsageError: no complete model in the folder.
        HubError: the Hub refuses or cannot be reached.
    """
    files = model_files(folder)
    check_tells_no_paths(files, folder)
    name = open_repository(repository)
    card = card_for_hub(folder, name, licence=licence)
    if card is not None:
        files = [file for file in files if file.path_in_repo != card.path_in_repo] + [card]
    elif all(file.path_in_repo != CARD_FILE for file in files):
        say(f"note: {folder} has no {CARD_FILE}, so the model goes up without a card")
    try:
        url = push(files, name, repository, message=message)
    except HubError as error:
        raise HubError(f"{error}. The model is safe in {folder}") from error
    say(f"pushed {counted(len(files), 'file')}: {url}")
    return url
