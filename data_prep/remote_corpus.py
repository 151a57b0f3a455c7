"""Prepared corpora at addresses: copied there whole or not at all.

`corpus.json` is what makes files a corpus. On the way there it is removed first and written last,
so nobody ever opens half of one. How they come back: module `remote_copies`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data_prep.corpus import PreparedCorpus, read_corpus_file
from data_prep.errors import AccessError, DataError
from data_prep.manifest import CORPUS_FILE, LEDGER_FILE, STAMPS_FILE, UNFINISHED_FILE
from data_prep.progress import Progress
from data_prep.remote import Retries, open_filesystem, shown
from data_prep.shards import INFO_FILE, STATE_FILE, is_shard_name

__all__ = [
    "CorpusFile",
    "Place",
    "check_place",
    "corpus_at",
    "corpus_if_any",
    "files_of",
    "is_published",
    "publish_corpus",
]

_MAX_JSON_BYTES: Final = 64 << 20

_BUCKETS: Final = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "hf"})


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file of a corpus."""

    name: str
    """Below the corpus, with /."""

    sha256: str = ""
    """Empty where `corpus.json` does not tell."""

    num_bytes: int = 0
    """Of a shard; the others are small."""


class Place:
    """An address at which a corpus is, or is to be."""

    def __init__(self, url: str) -> None:
        """Raise where it cannot be reached; see `open_filesystem`."""
        self.url = url.rstrip("/")
        self._retries = Retries(self.url)
        self._filesystem, root = open_filesystem(self.url)
        self._root = root.rstrip("/")
        # Buckets have no folders, and "to make one" could make a bucket.
        self._is_bucket = self.url.partition("://")[0].lower() in _BUCKETS

    def read(self, name: str) -> bytes | None:
        """Return a small file, None where it is not there."""
        try:
            content: bytes = self._call(
                lambda: self._filesystem.cat_file(self._path(name), end=_MAX_JSON_BYTES)
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        self._write(name, lambda path: self._filesystem.pipe_file(path, content))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            self._call(lambda: self._filesystem.rm_file(self._path(name)))
        except FileNotFoundError:
            return

    def get(self, name: str, file: Path) -> None:
        """Copy a file from there."""
        try:
            self._call(lambda: self._filesystem.get_file(self._path(name), str(file)))
        except FileNotFoundError:
            raise DataError(
                f"{shown(self.url)}/{name} is missing; prepare the corpus again, to the same place "
                "with --overwrite"
            ) from None

    def put(self, file: Path, name: str) -> None:
        """Copy a file there."""
        self._write(name, lambda path: self._filesystem.put_file(str(file), path))

    def sizes(self) -> dict[str, int]:
        """Return the sizes of all files, by name."""
        try:
            self._filesystem.invalidate_cache()
            found = self._call(lambda: self._filesystem.find(self._root, detail=True))
        except FileNotFoundError:
            return {}
        return {
            str(path).removeprefix(self._root).lstrip("/"): int(info.get("size") or 0)
            for path, info in found.items()
        }

    def _write(self, name: str, write: Callable[[str], Any]) -> None:
        path = self._path(name)
        if not self._is_bucket:
            parent = path.rpartition("/")[0]
            self._call(lambda: self._filesystem.makedirs(parent, exist_ok=True))
        try:
            self._call(lambda: write(path))
        except FileNotFoundError as error:
            raise DataError(
                f"{shown(self.url)} cannot be written ({error}); does the bucket exist?"
            ) from None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _call(self, work: Callable[[], Any]) -> Any:
        try:
            return self._retries.call(work)
        except PermissionError as error:
            raise AccessError(
                f"{shown(self.url)}: access denied ({error}); use an account that may read and "
                "write there"
            ) from None


def corpus_at(url: str) -> PreparedCorpus | None:
    """Return what the corpus at an address says of itself, None where there is none.

    Raises:
        AccessError: Credentials or a library are missing.
        DataError: The place cannot be reached, or its `corpus.json` is damaged.
    """
    content = Place(url).read(CORPUS_FILE)
    if content is None:
        return None
    with tempfile.TemporaryDirectory(prefix="rrweb-bert-") as folder:
        (Path(folder) / CORPUS_FILE).write_bytes(content)
        try:
            corpus = read_corpus_file(Path(folder))
        except DataError as error:
            raise DataError(str(error).replace(folder, shown(url))) from None
    return corpus


def corpus_if_any(url: str) -> PreparedCorpus | None:
    """Return what the corpus at an address of corpus or recordings says of itself, else None.

    A pattern is no corpus, and web pages are no folders. Where access is denied there is none:
    some may read a file that is named, and may not ask which others there are. Whoever lists the
    recordings is told.

    Raises:
        DataError: The place cannot be reached, or its `corpus.json` is damaged.
    """
    if url.lower().startswith("http") or any(sign in url for sign in "*?["):
        return None
    try:
        return corpus_at(url)
    except AccessError:
        return None


def check_place(url: str) -> None:
    """Raise where a corpus must not be written: the place holds something else.

    Raises:
        DataError: It does.
    """
    names = Place(url).sizes().keys()
    if names and not names & {CORPUS_FILE, UNFINISHED_FILE}:
        raise DataError(
            f"{shown(url)} holds other files ({min(names)}) and no prepared corpus; choose another "
            "--output"
        )


def is_published(corpus: PreparedCorpus, url: str) -> bool:
    """Tell whether an address holds this corpus; what a copy left at its very end is taken away.

    Raises:
        DataError: The place cannot be reached, or its `corpus.json` is damaged.
    """
    there = corpus_at(url)
    if there is None or there.fingerprint != corpus.fingerprint:
        return False
    place = Place(url)
    if place.read(UNFINISHED_FILE) is not None:
        place.remove(UNFINISHED_FILE)
    return True


def publish_corpus(corpus: PreparedCorpus, url: str) -> None:
    """Copy a corpus to an address; an interrupted copy is no corpus, and is taken up again.

    Args:
        corpus: On the disk.
        url: Where to.

    Raises:
        DataError: The place cannot be reached, or written to.
    """
    place = Place(url)
    files = {file.name for file in files_of(corpus)}
    # Equal fingerprints mean equal bytes, so what an interrupted call has copied whole may stay.
    is_taken_up = (
        place.read(CORPUS_FILE) is None
        and place.read(UNFINISHED_FILE) == corpus.fingerprint.encode()
    )
    if not is_taken_up:
        # The note gets the fingerprint when nothing of an earlier corpus is left: its files may
        # have the sizes of the new ones.
        place.write(UNFINISHED_FILE, b"another corpus is being removed")
        place.remove(CORPUS_FILE)
        for name in place.sizes():
            if name in files or is_shard_name(name.rpartition("/")[2]):
                place.remove(name)
        place.write(UNFINISHED_FILE, corpus.fingerprint.encode())
    there = place.sizes()
    sizes = {name: (corpus.path / name).stat().st_size for name in sorted(files)}
    with closing(Progress(len(sizes), sum(sizes.values()), verb="copied")) as progress:
        for name, num_bytes in sizes.items():
            if there.get(name) != num_bytes:
                place.put(corpus.path / name, name)
            progress.advance(num_bytes)
    place.write(CORPUS_FILE, (corpus.path / CORPUS_FILE).read_bytes())
    place.remove(UNFINISHED_FILE)


def files_of(corpus: PreparedCorpus) -> Iterator[CorpusFile]:
    """Yield the files of a corpus but for `corpus.json`; names from elsewhere are checked."""
    for split, summary in corpus.splits.items():
        for shard in summary.shards:
            if not is_shard_name(shard.name):
                raise DataError(f"{CORPUS_FILE} lists {shard.name!r}, which is no name of a shard")
            yield CorpusFile(f"{split}/{shard.name}", shard.sha256, shard.num_bytes)
        yield CorpusFile(f"{split}/{STATE_FILE}")
        yield CorpusFile(f"{split}/{INFO_FILE}")
    yield CorpusFile(LEDGER_FILE, corpus.ledger_sha256)
    yield CorpusFile(STAMPS_FILE, corpus.stamps_sha256)
