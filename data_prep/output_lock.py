"""The lock of an output, and whether anything can be written at a place: told before any work.

A lock that cannot be made would be asked for again and again, or be an error about a hidden file.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from filelock import FileLock

from data_prep.errors import DataError

__all__ = ["OTHER_CACHE", "OTHER_OUTPUT", "check_writable", "lock_of_output"]

OTHER_OUTPUT: Final = "give another --output"
OTHER_CACHE: Final = "set RRWEB_BERT_CACHE to a folder that can be written"


def check_writable(output: Path, *, within: bool = False, remedy: str = OTHER_OUTPUT) -> None:
    """See that a new name can be made beside the output, or in it; makes no folder.

    Args:
        output: A file or folder to write, there or not.
        within: The output is a folder that may be there, and files are written into it.
        remedy: What to do about it, the end of the message.

    Raises:
        DataError: Nothing can be written there; says why.
    """
    try:
        place = output.absolute() / "file" if within else output.absolute()
        above = next(parent for parent in place.parents if parent.exists())
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise _refusal(output, error, remedy) from None


def lock_of_output(output: Path, name: str | None = None) -> FileLock:
    """Return the lock beside an output, not yet held; the folders above the output are made.

    Args:
        output: The file or folder to write.
        name: Names the lock, where it is not to be the output's own.

    Raises:
        DataError: The lock cannot be made there; says why.
    """
    output = output.absolute()
    lock_file = output.with_name(f".{name or output.name}.lock")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # filelock itself takes some of these errors for a reason to wait for ever.
        os.close(os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o644))
    except OSError as error:
        raise _refusal(output, error, OTHER_OUTPUT) from None
    return FileLock(lock_file)


def _refusal(output: Path, error: OSError, remedy: str) -> DataError:
    files = (p for p in output.absolute().parents if p.exists() and not p.is_dir())
    is_below = next(files, None)
    reason = error.strerror or str(error) if is_below is None else f"{is_below} is a file"
    return DataError(f"{output} cannot be written: {reason}; {remedy}")
