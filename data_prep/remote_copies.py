"""Copies in the cache of prepared corpora at addresses.

A corpus is read through memory maps, which only files on a disk have; so what lies in a bucket is
copied into the cache once, as models and datasets of a hub are.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from filelock import FileLock, Timeout

from data_prep.corpus import PreparedCorpus, is_corpus, open_corpus, read_corpus_file
from data_prep.errors import DataError
from data_prep.files import link_or_copy, put_in_place, sha256_of, sync_file
from data_prep.manifest import CORPUS_FILE
from data_prep.names import safe_name
from data_prep.progress import Progress
from data_prep.remote import is_remote, shown
from data_prep.remote_corpus import CorpusFile, Place, corpus_at, corpus_if_any, files_of
from rrweb_tokenizer.telling.wording import counted

__all__ = [
    "cached_copy",
    "fetch_corpus",
    "fetch_into",
    "held_copy",
    "holds_corpus",
    "open_if_corpus",
    "renew_copy",
]

_FETCHING: Final = ".fetching"
_LINKING: Final = ".linking"


def cached_copy(url: str, cache_dir: Path) -> Path:
    """Return where in the cache the corpus for an address is prepared.

    What is read lies beside it, a folder for each state of the corpus, so that no job loses the
    copy that it reads when the corpus grows, also where it is prepared on the same machine.
    """
    url = url.rstrip("/")
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    name = safe_name(PurePosixPath(shown(url)).name)
    return cache_dir / "remote_corpora" / f"{name}-{digest}"


def _copy_of_state(url: str, corpus: PreparedCorpus, cache_dir: Path) -> Path:
    place = cached_copy(url, cache_dir)
    return place.with_name(f"{place.name}-{corpus.fingerprint[:8]}")


def fetch_corpus(
    url: str, cache_dir: Path, *, report: Callable[[str], None] = print
) -> PreparedCorpus:
    """Open the copy in the cache of the corpus at an address; it is made where there is none.

    What was prepared on this machine is not fetched: the copy has its files, under further names.
    A copy of another state of the corpus stays as it is, for jobs that read it.

    Args:
        url: The corpus.
        cache_dir: See `open_if_corpus`.
        report: Takes each message for the user.

    Raises:
        DataError: There is no corpus, it is damaged, or the place cannot be reached.
    """
    wanted = _corpus_wanted(url)
    folder, place = _copy_of_state(url, wanted, cache_dir), cached_copy(url, cache_dir)
    if held := _held_in(folder, wanted):
        return held
    corpus = _link(place, wanted, folder) or _fetch(url, wanted, folder, report)
    _remove_unfinished(place)
    others = [place, *sorted(place.parent.glob(f"{place.name}-*"))]
    if older := [other for other in others if is_corpus(other) and not _held_in(other, wanted)]:
        megabytes = sum(f.stat().st_size for other in older for f in other.rglob("*")) / 1e6
        report(
            f"{counted(len(older), 'older state')} of it, {megabytes:,.1f} MB, kept for jobs that "
            f"read it; may be removed when none does: {', '.join(map(str, older))}"
        )
    return corpus


def _remove_unfinished(place: Path) -> None:
    """Remove what is left of fetching states that the address has no more."""
    for making in place.parent.glob(f".{place.name}-*"):
        if making.suffix not in (_FETCHING, _LINKING):
            continue
        lock = FileLock(making.with_suffix(".lock"))
        try:
            with lock.acquire(blocking=False):
                shutil.rmtree(making, ignore_errors=True)
        except Timeout:  # it is being fetched
            continue


def fetch_into(url: str, folder: Path, *, report: Callable[[str], None] = print) -> None:
    """Make a folder hold the corpus at an address, whatever corpus it held; see `fetch_corpus`."""
    _fetch(url, _corpus_wanted(url), folder, report)


def _corpus_wanted(url: str) -> PreparedCorpus:
    wanted = corpus_at(url)
    if wanted is None:
        raise DataError(
            f"{shown(url)} is no prepared corpus, it holds no {CORPUS_FILE}; recordings are "
            f"prepared into it with python -m data_prep prepare INPUT... --output {shown(url)}"
        )
    return wanted


def _fetch(
    url: str, wanted: PreparedCorpus, folder: Path, report: Callable[[str], None]
) -> PreparedCorpus:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Named as that of a preparation into the folder: whoever writes there holds it.
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if held := _held_in(folder, wanted):
            return held
        num_bytes = sum(
            shard.num_bytes for split in wanted.splits.values() for shard in split.shards
        )
        report(f"fetching {shown(url)} once, {num_bytes / 1e6:,.1f} MB, into {folder}")
        making = folder.with_name(f".{folder.name}{_FETCHING}")
        place, files = Place(url), list(files_of(wanted))
        with closing(Progress(len(files), num_bytes, verb="fetched")) as progress:
            for file in files:
                _fetch_file(place, file, making)
                progress.advance(file.num_bytes)
        content = place.read(CORPUS_FILE)
        making.joinpath(CORPUS_FILE).write_bytes(content or b"")
        if read_corpus_file(making).fingerprint != wanted.fingerprint:
            raise DataError(f"{shown(url)} was replaced while it was fetched; fetch it again")
        put_in_place(making, folder)
        return open_corpus(folder)


def holds_corpus(place: Path | str) -> bool:
    """Tell whether a folder or an address holds a prepared corpus; nothing is fetched.

    Raises:
        DataError: The place cannot be reached, or its `corpus.json` is damaged.
    """
    if is_remote(place):
        return corpus_if_any(str(place)) is not None
    return is_corpus(Path(place))


def open_if_corpus(
    place: Path | str, cache_dir: Path, *, report: Callable[[str], None] = print
) -> PreparedCorpus | None:
    """Open the prepared corpus in a folder or at an address, None where there is none.

    Args:
        place: What may be a corpus.
        cache_dir: Where a corpus at an address is copied to, once.
        report: Takes each message for the user.

    Raises:
        DataError: The corpus is damaged, or the place cannot be reached.
    """
    if not is_remote(place):
        return open_corpus(Path(place)) if is_corpus(Path(place)) else None
    url = str(place)
    if corpus_if_any(url) is None:
        return None
    return fetch_corpus(url, cache_dir, report=report)


def held_copy(url: str, wanted: PreparedCorpus, cache_dir: Path) -> PreparedCorpus | None:
    """Return the copy in the cache of what an address holds, None where there is none.

    Writes nothing, so it may be the folder in which the corpus was prepared, which is replaced when
    the corpus grows: for a short look, not for a job to read.
    """
    return _held_in(_copy_of_state(url, wanted, cache_dir), wanted) or _held_in(
        cached_copy(url, cache_dir), wanted
    )


def renew_copy(url: str, prepared: PreparedCorpus, cache_dir: Path) -> None:
    """Give the copy that jobs read the files that were prepared, where there is such a copy.

    Its bytes stay the same, but where they are damaged.
    """
    folder = _copy_of_state(url, prepared, cache_dir)
    if is_corpus(folder):
        _link(prepared.path, prepared, folder, is_renewed=True)


def _link(
    prepared: Path, wanted: PreparedCorpus, folder: Path, *, is_renewed: bool = False
) -> PreparedCorpus | None:
    """Make a folder of the files of a prepared one; None where that holds, or gets, another state.

    Whoever prepares writes new files, never into those that are there. Its lock is not asked for:
    it may be held for hours.
    """
    if _held_in(prepared, wanted) is None:
        return None
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if not is_renewed and (held := _held_in(folder, wanted)):
            return held
        making = folder.with_name(f".{folder.name}{_LINKING}")
        shutil.rmtree(making, ignore_errors=True)
        names = [CORPUS_FILE, *(file.name for file in files_of(wanted))]
        try:
            before = _stamp_of(prepared)
            for name in names:
                (making / name).parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(prepared / name, making / name)
            is_of_one_state = _stamp_of(prepared) == before
        except FileNotFoundError:
            is_of_one_state = False
        except OSError as error:
            raise _not_written(making, error) from error
        if not is_of_one_state:
            shutil.rmtree(making)
            return None
        put_in_place(making, folder)
        return open_corpus(folder)


def _stamp_of(folder: Path) -> tuple[int, int]:
    """What differs where another corpus has taken the folder's name."""
    stat = (folder / CORPUS_FILE).stat()
    return stat.st_ino, stat.st_mtime_ns


def _held_in(folder: Path, wanted: PreparedCorpus) -> PreparedCorpus | None:
    """Return the corpus in a folder where it is the one wanted, else None."""
    try:
        held = open_corpus(folder) if is_corpus(folder) else None
    except DataError:
        return None
    return held if held is not None and replace(wanted, path=folder) == held else None


def _fetch_file(place: Place, file: CorpusFile, folder: Path) -> None:
    """Copy a file, unless an earlier try has done so."""
    copy = folder / file.name
    if copy.is_file() and file.sha256 and sha256_of(copy) == file.sha256:
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.get(file.name, copy)
        sync_file(copy)
    except OSError as error:
        raise _not_written(copy, error) from error
    if file.sha256 and sha256_of(copy) != file.sha256:
        copy.unlink()
        raise DataError(
            f"{shown(place.url)}/{file.name} is damaged, or was replaced on the way; fetch it "
            "again, and if it stays so, prepare the corpus again with --overwrite"
        )


def _not_written(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({error.strerror or error}); free some space, or set "
        "RRWEB_BERT_CACHE to a larger disk"
    )
