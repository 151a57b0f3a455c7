"""What there is: the files of the inputs, each with a stable name."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.errors import DataError
from data_prep.names import is_hidden, unrelated_suffix, without_suffixes
from data_prep.plain_text import in_one_line
from data_prep.remote import RemoteFile, is_remote, list_remote, shown

__all__ = [
    "CORPUS_FILE",
    "LEDGER_FILE",
    "STAMPS_FILE",
    "UNFINISHED_FILE",
    "Manifest",
    "Source",
    "list_sources",
    "skipped_text",
]

CORPUS_FILE: Final = "corpus.json"
"""A folder that holds a file of this name is a prepared corpus, not an input."""

UNFINISHED_FILE: Final = "corpus.unfinished"
"""Stands in a remote place in its stead while a corpus is copied there."""

LEDGER_FILE: Final = "ledger.jsonl"
"""Beside it: what became of each file."""

STAMPS_FILE: Final = "stamps.txt"
"""A line for each of the ledger: by which a later preparation knows the file again."""

_PLURAL: Final = re.compile("files|folders|corpora")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One input file."""

    path: Path
    """Where it lies; for a remote file, its address without the scheme."""

    url: str | None = None
    """Address of a remote file; None for one on the disk."""

    source_id: str
    """Unique and stable: the path below its input, with /, without suffixes."""

    file_id: str
    """Like source_id, but shared by files that differ in suffixes alone; the split's group."""

    relative: str
    """The path below its input, with /."""

    num_bytes: int
    """Size on the disk; 0 where it could not be told."""

    mtime_ns: int
    """Time of the last change; 0 where it could not be told."""

    version: str = ""
    """What changes with the content of a remote file: its ETag or the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The files of the inputs, sorted by input and name."""

    sources: tuple[Source, ...]
    skipped: dict[str, int]
    """Number of files that were not listed, by the reason."""

    @property
    def num_bytes(self) -> int:
        """Size of all files together."""
        return sum(source.num_bytes for source in self.sources)

    def quick_hash(self) -> str:
        """Return a hash of names, sizes and times of change: cheap, and enough within a cache."""
        rows = [
            (s.relative, s.num_bytes, s.mtime_ns)
            if s.url is None
            else (s.url, s.num_bytes, s.version)
            for s in self.sources
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def list_sources(inputs: Sequence[Path | str], *, exclude: Sequence[Path] = ()) -> Manifest:
    """List the files of folders (recursively) and the files named, each real file once.

    Hidden files, links to folders and files that are clearly something else (pictures, pages,
    programs) are skipped and counted; a file that is named itself is always listed.

    Args:
        inputs: Folders, files and addresses ("s3://bucket/prefix", "s3://bucket/*.json.gz").
        exclude: Folders below which nothing is listed, the output among them.

    Raises:
        DataError: An input is missing or out of reach, or all of them hold nothing to prepare.
    """
    skipped: Counter[str] = Counter()
    seen: set[str] = set()
    names: set[str] = set()
    sources: list[Source] = []
    excluded = {os.path.realpath(path) for path in exclude}
    for given in inputs:
        if isinstance(given, str) and is_remote(given):
            for remote in _remote_files(given, skipped):
                if remote.url in seen:
                    skipped["listed before"] += 1
                    continue
                seen.add(remote.url)
                sources.append(_remote_source(remote, names))
            continue
        given = Path(given)
        if not os.path.exists(given):  # noqa: PTH110 - Path.exists raises for overlong names
            raise DataError(f"{given} does not exist; name a folder of recordings or a file")
        found = _files_below(given, excluded, skipped) if given.is_dir() else iter([given])
        for path in found:
            # Unlike Path.resolve, this does not raise where links go in a circle.
            real = os.path.realpath(path)
            if real in seen:
                skipped["listed before"] += 1
                continue
            seen.add(real)
            root = given if given.is_dir() else given.parent
            sources.append(_source(path, path.relative_to(root).as_posix(), names))
    if not sources:
        raise DataError(_why_nothing(inputs, excluded, skipped))
    return Manifest(sources=tuple(sources), skipped=dict(skipped))


def _why_nothing(inputs: Sequence[Path | str], excluded: set[str], skipped: Counter[str]) -> str:
    for given in inputs:
        if isinstance(given, str) and is_remote(given):
            continue
        if (Path(given) / CORPUS_FILE).is_file():
            return (
                f"{given} holds no recording: it is a prepared corpus, and recordings are wanted "
                "here; embed, evaluate and train_mlm.py take a corpus"
            )
        if os.path.realpath(given) in excluded:
            return f"{given} is an input and the output; give another --output"
    what = f" ({skipped_text(skipped)} skipped)" if skipped else ""
    return (
        f"{', '.join(map(str, inputs))} holds no recording{what}; recordings are "
        ".json, .jsonl or .ndjson files, also as .gz or .zst, Parquet, SQLite, zip or tar "
        "files, or have no suffix"
    )


def skipped_text(skipped: Mapping[str, int]) -> str:
    """Return what was skipped, in words: "3 hidden files, 1 prepared corpus"."""
    return ", ".join(
        f"{number:,} {_PLURAL.sub(_singular, kind, count=1) if number == 1 else kind}"
        for kind, number in skipped.items()
    )


def _singular(plural: re.Match[str]) -> str:
    return "corpus" if plural[0] == "corpora" else plural[0].removesuffix("s")


def _files_below(folder: Path, excluded: set[str], skipped: Counter[str]) -> Iterator[Path]:
    """Yield the files to list in a stable order; folders that cannot be read are counted."""

    def count_unreadable(error: OSError) -> None:
        skipped["folders that cannot be read"] += 1

    # An explicit walk rather than recursion: folders may be nested deeper than the stack.
    for parent, folders, files in os.walk(folder, onerror=count_unreadable):
        here = Path(parent)
        if CORPUS_FILE in files or os.path.realpath(here) in excluded:
            skipped["prepared corpora"] += 1
            folders.clear()
            continue
        folders.sort()
        for name in list(folders):
            if name.startswith(".") or (here / name).is_symlink():
                skipped["hidden or linked folders"] += 1
                folders.remove(name)
        for name in sorted(files):
            if name.startswith("."):
                skipped["hidden files"] += 1
            elif suffix := unrelated_suffix(name):
                skipped[f"{suffix} files"] += 1
            else:
                yield here / name


def _remote_files(url: str, skipped: Counter[str]) -> Iterator[RemoteFile]:
    """Yield the remote files to list, by the rules for files below a folder."""
    files = list_remote(url)
    places = (file.relative.rpartition("/") for file in files)
    corpora = {folder for folder, _, name in places if name in (CORPUS_FILE, UNFINISHED_FILE)}
    for file in files:
        parts = file.relative.split("/")
        if file.is_named:
            yield file
        elif any("/".join(parts[:n]) in corpora for n in range(len(parts))):
            skipped["files of prepared corpora"] += 1
        elif is_hidden(parts):
            skipped["hidden files"] += 1
        elif suffix := unrelated_suffix(file.relative):
            skipped[f"{suffix} files"] += 1
        else:
            yield file


def _remote_source(remote: RemoteFile, names: set[str]) -> Source:
    relative = in_one_line(remote.relative)
    file_id = _file_id(relative)
    return Source(
        path=Path(shown(remote.url).partition("://")[2]),
        url=remote.url,
        source_id=_unique(file_id, names),
        file_id=file_id,
        relative=relative,
        num_bytes=remote.num_bytes,
        mtime_ns=0,
        version=remote.version,
    )


def _file_id(relative: str) -> str:
    # "#" parts the file's name from a session's within it.
    return without_suffixes(relative).replace("#", "%23")


def _unique(file_id: str, names: set[str]) -> str:
    source_id, number = file_id, 1
    while source_id in names:
        number += 1
        source_id = f"{file_id}~{number}"
    names.add(source_id)
    return source_id


def _source(path: Path, relative: str, names: set[str]) -> Source:
    # A file name need not be valid UTF-8; ids travel through JSON and Arrow, which must be. They
    # are printed, too, and must not forge a line or steer a terminal.
    relative = relative.encode(errors="surrogateescape").decode(errors="backslashreplace")
    relative = in_one_line(relative)
    file_id = _file_id(relative)
    source_id = _unique(file_id, names)
    try:
        status = path.stat()
        num_bytes, mtime_ns = status.st_size, status.st_mtime_ns
    except OSError:  # a dangling link: the reader will say so
        num_bytes, mtime_ns = 0, 0
    return Source(
        path=path,
        source_id=source_id,
        file_id=file_id,
        relative=relative,
        num_bytes=num_bytes,
        mtime_ns=mtime_ns,
    )
