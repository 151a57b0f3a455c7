"""What can be wrong with a call is said at once, before seconds of imports and a model's loading.

Nothing here imports torch or transformers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from data_prep.errors import DataError
from data_prep.manifest import Manifest, list_sources
from data_prep.output_lock import check_writable
from data_prep.remote import is_remote

from .options import UsageError

__all__ = [
    "DEFAULT_MODEL",
    "check_embeddings",
    "check_file_to_write",
    "check_input",
    "check_model",
    "check_recording",
    "listed_inputs",
    "tokenizer_path",
    "why_no_model",
]

DEFAULT_MODEL: Final = Path(__file__).parent / "models" / "mini"
"""The model that comes with the package."""


def check_input(path: Path | str) -> None:
    """See that a recording, folder or corpus on this machine is there; addresses are not asked.

    Raises:
        DataError: it is not.
    """
    if not is_remote(str(path)) and not _is_here(path):
        raise DataError(f"{path} does not exist; name a folder of recordings or a file")


def check_recording(path: Path | str) -> None:
    """See that a file on this machine is there, for `search --like`; addresses are not asked.

    Raises:
        DataError: it is not.
    """
    if not is_remote(str(path)) and not _is_here(path):
        raise DataError(f"--like {path} does not exist; name the file of a recording")


def _is_here(path: Path | str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for overlong names


def listed_inputs(paths: Sequence[Path | str]) -> Manifest:
    """The files of recordings, folders and addresses.

    Raises:
        DataError: there is nothing, or the place cannot be reached.
    """
    return list_sources([path if is_remote(str(path)) else Path(path) for path in paths])


def check_embeddings(path: Path) -> None:
    """See that there is a file of embeddings; what it holds is checked when it is read.

    Raises:
        DataError: there is none.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; name the file that `python -m rrweb_bert embed` wrote")


def check_model(model: Path | str | None) -> None:
    """See that a folder holds a model; of a name on the Hub only that it can be one.

    Raises:
        UsageError: it does not, or is no name.
    """
    from .hub_files import is_hub_name

    if model is None:
        return
    path = Path(model)
    if _is_here(path) and path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(why_no_model(path))
    elif _is_here(path):
        raise UsageError(f"{model} is a file; a model is a folder that train_mlm.py wrote")
    elif not is_hub_name(str(model)) or "/" not in str(model):
        raise UsageError(
            f"{model}: there is no such folder, and it is no name on the Hub (OWNER/NAME). Give "
            "the output folder of train_mlm.py, or leave --model out for the package's own"
        )


def why_no_model(folder: Path) -> str:
    """What to say of a folder without config.json: that its run is not finished, or no run's."""
    checkpoints = {
        int(step): path
        for path in folder.glob("checkpoint-*")
        if (step := path.name.removeprefix("checkpoint-")).isdecimal()
        and (path / "config.json").is_file()
    }
    if checkpoints:
        return (
            f"{folder} holds no model yet, for its run is not finished. Run its command again, or "
            f"give {checkpoints[max(checkpoints)]}"
        )
    return (
        f"{folder} holds no model: config.json is missing. Give the output folder of train_mlm.py, "
        "or one of its checkpoint-<step> folders"
    )


def tokenizer_path(model: str | Path | None) -> str | None:
    """Where a model's tokenizer is loaded from; None for the package's own."""
    path = Path(DEFAULT_MODEL if model is None else model)
    if _is_here(path) and path.is_dir() and not (path / "tokenizer_config.json").is_file():
        return None
    return str(path)


def check_file_to_write(path: Path) -> None:
    """See that a file can have this name; folders above it are made when it is written.

    Raises:
        UsageError: it is a folder, or lies below a file.
        DataError: nothing can be written there.
    """
    if path.is_dir():
        raise UsageError(f"--output {path} is a folder; name a file in it")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UsageError(f"--output {path} lies below {above}, which is a file")
    check_writable(path)
