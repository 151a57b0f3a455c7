"""Writing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = [
    "finish_replacing",
    "put_in_place",
    "sha256_of",
    "sync_file",
    "sync_folder",
    "write_text_atomically",
]


def sync_file(path: Path) -> None:
    """Force the bytes of a written file onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Force a folder's entries (new names, renames) onto the disk, where the system can."""
    if os.name == "posix":
        sync_file(path)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's bytes, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text_atomically(path: Path, text: str) -> None:
    """Write a small UTF-8 file under a temporary name, sync it, and give it its name."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.parent)


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
