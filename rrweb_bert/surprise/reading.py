"""Files and folders -> encoded sessions, and the reason for each that is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_prep.limits import DEFAULT_LIMITS
from data_prep.manifest import Source, list_sources
from data_prep.readers import Rejected, Session
from data_prep.sessions import sessions_of
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.telling.reader import printable

__all__ = ["NamedSession", "RejectedSession", "read_encoded", "read_source"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedSession:
    """A session and what output calls it; names are printable."""

    name: str
    session: EncodedSession
    sha256: str = ""
    """Of its events as they stand in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedSession:
    """A file, or a session of it, that cannot be judged, and why."""

    name: str
    reason: str


def read_encoded(
    path: Path | str, tokenizer: RRWebTokenizer, *, reader: str | None = None
) -> Iterator[NamedSession | RejectedSession]:
    """The sessions of a file, folder or address, one after another.

    Raises:
        DataError: there is nothing at all, or the place cannot be reached.
    """
    for source in list_sources([path]).sources:
        yield from read_source(source, tokenizer, reader=reader)


def read_source(
    source: Source, tokenizer: RRWebTokenizer, *, reader: str | None = None
) -> Iterator[NamedSession | RejectedSession]:
    """The sessions of one file, one after another; read by content where no reader is named."""
    for found in sessions_of(source, DEFAULT_LIMITS, reader=reader):
        yield _encode(found, tokenizer)


@paused_collection()
def _encode(found: Session | Rejected, tokenizer: RRWebTokenizer) -> NamedSession | RejectedSession:
    if isinstance(found, Rejected):
        where = f" (at {found.where})" if found.where else ""
        reason = printable(f"{found.reason}{where}")
        return RejectedSession(name=printable(str(found.path)), reason=reason)
    name = printable(found.session_id)
    decoded = decode_events(found.parts)
    if not decoded.events:
        reason = printable(str(decoded.first_error or "it holds no event"))
        return RejectedSession(name=name, reason=f"no usable event: {reason}")
    session = tokenizer.encode_events(decoded.events)
    if not len(session.ids):
        return RejectedSession(name=name, reason="no event that the tokenizer encodes")
    return NamedSession(name=name, session=session, sha256=found.sha256)
