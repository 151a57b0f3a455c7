"""Inputs -> sessions, whether they lie on the disk or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.manifest import Source, list_sources
from data_prep.readers import Rejected, Session, UnreadableError, read_sessions
from data_prep.remote import downloaded

__all__ = ["at_hand", "open_sessions", "sessions_of"]


def open_sessions(
    path_or_url: Path | str, *, reader: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Session | Rejected]:
    """Yield the sessions of a folder, a file or an address, and a `Rejected` for what is none.

    Args:
        path_or_url: What `prepare` takes: a folder (recursively), a file, or an address as
            `s3://bucket/prefix`.
        reader: Name of the reader that reads every file; by content where not given.
        limits: Caps on what is read from one file.

    Raises:
        DataError: There is nothing, no such reader, or the place cannot be reached.
    """
    for source in list_sources([path_or_url]).sources:
        yield from sessions_of(source, limits, reader=reader)


def sessions_of(
    source: Source, limits: Limits, *, reader: str | None = None
) -> Iterator[Session | Rejected]:
    """Yield the sessions of one file, wherever it lies; see `read_sessions`."""
    try:
        with at_hand(source, limits) as (path, _):
            found = read_sessions(path, limits, source_id=source.source_id, reader=reader)
            for session in found:
                yield session if source.url is None else replace(session, path=source.path)
    except UnreadableError as error:
        yield Rejected(path=source.path, reason=error.reason, where=error.where)


@contextmanager
def at_hand(source: Source, limits: Limits) -> Iterator[tuple[Path, int]]:
    """Give a path at which a file can be read, and how often its transfer was tried again.

    Raises:
        UnreadableError: A remote file is gone, closed to us, or too large.
        DataError: A remote place cannot be reached.
    """
    if source.url is None:
        yield source.path, 0
    else:
        with downloaded(source.url, source.num_bytes, limits) as copy:
            yield copy
