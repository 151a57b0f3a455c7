"""Small files that a crash or a full disk leaves in their old form or their new one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

__all__ = ["sync_files", "sync_folder", "write_atomically"]

# What network and user-space file systems answer that cannot sync a folder.
_NO_FOLDER_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, and a crash, sees the old or the new one, never a part.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    # Pushes to the hub, which run beside training, leave out names that begin with an underscore.
    temporary = path.with_name(f"_{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sync_files(folder: Path) -> None:
    """Return when the files in `folder` itself, not those below, are on the disk."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("r+b") as file:  # Windows syncs no file that is open for reading only
                os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Return when the names in `folder` are on the disk, where the system can tell."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; its renames are in its journal
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
