"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = [
    "finish_replacing",
    "link_or_copy",
    "put_in_place",
    "replace_text",
    "sha256_of",
    "sync_file",
    "sync_folder",
    "write_text_atomically",
]


# Windows syncs no file that is open for reading only.
_OPEN_TO_SYNC: Final = os.O_RDWR if os.name == "nt" else os.O_RDONLY
# What network and user-space file systems answer that cannot sync a folder.
_NO_FOLDER_SYNC: Final = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def sync_file(path: Path) -> None:
    """Force the bytes of a written file onto the disk."""
    descriptor = os.open(path, _OPEN_TO_SYNC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Force a folder's entries (new names, renames) onto the disk, where the system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; its renames are in its journal
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text_atomically(path: Path, text: str) -> None:
    """Write a small UTF-8 file under a temporary name, sync it, and give it its name.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    replace_text(path, text, temporary=path.with_name(f".{path.name}.tmp"))
    sync_folder(path.parent)


def replace_text(path: Path, text: str, *, temporary: Path) -> None:
    """Do so under that temporary name, and leave the folder's entries to be synced."""
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def link_or_copy(file: Path, other: Path) -> None:
    """Give a file that is never written again a second name, or copy it where that cannot be.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be copied.
    """
    try:
        os.link(file, other)
    except OSError:  # another disk, or a file system without hard links
        shutil.copyfile(file, other)
        sync_file(other)


def put_in_place(made: Path, place: Path) -> None:
    """Give a complete folder its name; what had the name before is removed only afterwards.

    A crash in between leaves the old folder as `.NAME.old` and the new one under its first name;
    `finish_replacing` then does what is left to do.
    """
    sync_folder(made)
    old = _old_of(place)
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.replace(old)
    made.replace(place)
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def finish_replacing(made: Path, place: Path, *, is_complete: Callable[[Path], bool]) -> None:
    """Do what a crash within `put_in_place` left undone: a folder that was there is never lost."""
    old = _old_of(place)
    if not old.exists():
        return
    if not place.exists():
        (made if is_complete(made) else old).replace(place)
        sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")
