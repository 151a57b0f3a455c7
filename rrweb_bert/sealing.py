"""`seal.json`: what a whole folder holds, so that any damage is seen before anything is loaded.

A sealed folder was written completely and has reached the disk. Form:

    {"format": 1, "step": 1000, "files": {"model.safetensors": {"bytes": 9, "sha256": "..."}, ...}}

sha256 reads 1.7 GB a second on a common core, so that a checkpoint of the base model takes 0.7 s.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from data_prep.files import sync_folder

__all__ = [
    "SEAL_FILE",
    "FileSeal",
    "Seal",
    "problem_of",
    "read_seal",
    "seal_folder",
    "seal_hash",
]

SEAL_FILE: Final = "seal.json"
_FORMAT: Final = 1
_STEP_NAME: Final = re.compile(r"checkpoint-(\d+)")
# Without these a run cannot go on; --save_only_model leaves them out.
_NEEDED: Final = frozenset({"config.json", "trainer_state.json", "scheduler.pt"})
# Loaders of torch and transformers open these wherever they lie; a sealed folder has no others.
_LOADED_SUFFIXES: Final = (".bin", ".pt", ".pth", ".pkl", ".safetensors", ".index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeal:
    """Size and hash of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a folder held when it was whole; names are relative, with forward slashes."""

    step: int
    files: dict[str, FileSeal]

    @property
    def num_bytes(self) -> int:
        """Size of all files together."""
        return sum(file.bytes for file in self.files.values())

    def render(self) -> str:
        """The one text of this seal: any other text in its place is damage."""
        files = {name: asdict(file) for name, file in sorted(self.files.items())}
        content = {"format": _FORMAT, "step": self.step, "files": files}
        return json.dumps(content, indent=1) + "\n"


class SealError(ValueError):
    """A seal is missing or damaged; the message says which."""


def seal_folder(folder: Path, *, step: int) -> Seal:
    """Hash every file of `folder`, write `seal.json`, and return when all of it is on the disk."""
    files: dict[str, FileSeal] = {}
    paths = sorted(path for path in folder.rglob("*") if path.name != SEAL_FILE)
    for path in paths:
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = _hash_and_sync(path)
    seal = Seal(step=step, files=files)
    with (folder / SEAL_FILE).open("w", encoding="utf-8") as file:
        file.write(seal.render())
        file.flush()
        os.fsync(file.fileno())
    for path in (*(path for path in paths if path.is_dir()), folder):
        sync_folder(path)
    return seal


def _hash_and_sync(path: Path) -> FileSeal:
    with path.open("r+b") as file:  # Windows syncs no file that is open for reading only
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileSeal(bytes=file.tell(), sha256=digest)


def read_seal(folder: Path) -> Seal:
    """The seal of `folder`, not compared with its files.

    Raises:
        SealError: there is none, or its text is not one that this program writes.
    """
    try:
        text = (folder / SEAL_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SealError(
            f"it has no {SEAL_FILE}: it was copied in part, or comes from a version that did not "
            "seal, or from another program"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SealError(f"{SEAL_FILE} cannot be read ({error})") from None
    try:
        content = json.loads(text)
        found = content["format"]
        files = {name: FileSeal(**file) for name, file in content["files"].items()}
        seal = Seal(step=content["step"], files=files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SealError(f"{SEAL_FILE} is damaged") from None
    if isinstance(found, int) and found > _FORMAT:
        raise SealError(f"{SEAL_FILE} has format {found}, which a later version writes")
    if seal.render() != text or any(not _stays_inside(name) for name in files):
        raise SealError(f"{SEAL_FILE} is damaged")
    return seal


def seal_hash(folder: Path) -> str | None:
    """What tells a sealed folder from any other, wherever it lies; None without a seal."""
    try:
        return hashlib.sha256((folder / SEAL_FILE).read_bytes()).hexdigest()
    except OSError:
        return None


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def problem_of(folder: Path, *, step: int | None = None) -> str | None:
    """What keeps a run from continuing exactly from this checkpoint, or None.

    Reads every byte. Names first what is quick to see: a missing file, another size.

    Args:
        folder: of the checkpoint.
        step: what it must be of; None for the one in its name, if that is `checkpoint-<step>`.
    """
    try:
        seal = read_seal(folder)
    except SealError as error:
        return str(error)
    match = _STEP_NAME.fullmatch(folder.name)
    wanted = int(match[1]) if step is None and match is not None else step
    if wanted not in (None, seal.step):
        return f"its seal is of step {seal.step}"
    if missing := _NEEDED - seal.files.keys():
        return f"it was saved without {min(missing)} (--save_only_model?)"
    return next(_damages(folder, seal), None)


def _damages(folder: Path, seal: Seal) -> Iterator[str]:
    for name, expected in seal.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (size := path.stat().st_size) != expected.bytes:
            yield f"{name} is damaged: it has {size:,} bytes, sealed were {expected.bytes:,}"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.endswith(_LOADED_SUFFIXES) and name not in seal.files:
            yield f"{name} does not belong to it: its seal does not name that file"
    for name, expected in seal.files.items():
        with _reading(name) as problems:
            with (folder / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != expected.sha256:
                problems.append(f"{name} is damaged: its bytes are not those that were sealed")
        yield from problems


@contextmanager
def _reading(name: str) -> Iterator[list[Any]]:
    """Problems of one file, an error of the disk among them."""
    problems: list[Any] = []
    try:
        yield problems
    except OSError as error:
        problems.append(f"{name} cannot be read ({error.strerror})")
