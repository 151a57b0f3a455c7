"""Files of a run's output folder: a crash or a full disk leaves the old one or the new one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from data_prep.files import replace_text, sync_file, sync_folder

__all__ = ["sync_files", "write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, and a crash, sees the old or the new one, never a part.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    # Pushes to the hub, which run beside training, leave out names that begin with an underscore.
    replace_text(path, text, temporary=path.with_name(f"_{path.name}.tmp"))


def sync_files(folder: Path) -> None:
    """Return when the files in `folder` itself, not those below, are on the disk.

    Files of others may lie there: one that goes meanwhile, or that may not be read, is left alone.
    """
    for path in folder.iterdir():
        if path.is_file():
            with suppress(FileNotFoundError, PermissionError):
                sync_file(path)
    sync_folder(folder)
