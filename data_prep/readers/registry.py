"""The readers in the order in which they are asked, and the door through which files are read."""

from __future__ import annotations

import hashlib
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.readers import archives, json_text, parquet, sentry, snappy_block, sqlite
from data_prep.readers.content import Content
from data_prep.readers.reader import Reader, plug_in
from data_prep.readers.session import Rejected, Session, UnreadableError
from rrweb_tokenizer.forms.found import DECODE_ERRORS
from rrweb_tokenizer.forms.joining import Joiner
from rrweb_tokenizer.recording import FoundSession, NotARecording

__all__ = ["READERS", "read_content", "read_sessions", "reader_of"]

# Marks that cannot be mistaken come first; JSON text, told by one bracket, last.
READERS: Final[tuple[Reader, ...]] = (
    parquet.READER,
    sqlite.READER,
    archives.ZIP_READER,
    archives.TAR_READER,
    sentry.READER,
    sentry.KAFKA_READER,
    json_text.READER,
    snappy_block.READER,
)

_MAX_NAME_CHARS: Final = 200

_FORMS: Final = (
    "JSON or JSON Lines with rrweb events, exports of session replay services, Parquet, SQLite, "
    "zip, tar, also as .gz or .zst: docs/containers.md"
)


def reader_of(name: str) -> Reader:
    """Return the reader of a name: one of `READERS`, an entry point, or `module:function`.

    Raises:
        DataError: There is none; says which there are.
    """
    built_in = {reader.name: reader for reader in READERS}
    return built_in.get(name) or plug_in(name)


def read_sessions(
    path: Path,
    limits: Limits = DEFAULT_LIMITS,
    *,
    source_id: str | None = None,
    reader: str | None = None,
) -> Iterator[Session | Rejected]:
    """Yield the sessions of a file, and a `Rejected` for each thing in it that cannot be used.

    Never raises for bad content. Sessions found before the file turns bad are kept; the `Rejected`
    for the file then comes last. Memory is bounded by the limits, not by the file's size.

    Args:
        path: A file; links are followed.
        limits: Caps on sizes, ratios, depth and counts.
        source_id: Stable name of the file; its name without suffixes where not given.
        reader: Reads the file whatever it looks like; by content where not given.

    Raises:
        DataError: There is no reader of that name.
    """
    chosen = reader_of(reader) if reader is not None else None
    source_id = source_id if source_id is not None else path.name.split(".")[0] or path.name
    names: Counter[str] = Counter()
    num_sessions = num_rejected = 0
    try:
        with _opened(path) as (file, num_bytes):
            content = Content(file, limits, path=path, num_bytes=num_bytes)
            found = _joined(read_content(content, chosen), limits)
            for session in found:
                if isinstance(session, Rejected):
                    num_rejected += 1
                    yield session
                    continue
                num_sessions += 1
                if num_sessions > limits.max_sessions_per_file:
                    raise UnreadableError(f"more than {limits.max_sessions_per_file:,} sessions")
                yield _named(session, content, source_id, names)
            if not num_sessions and not num_rejected:
                raise UnreadableError("no session in it")
    except (UnreadableError, NotARecording) as error:
        where = error.where if isinstance(error, UnreadableError) else ""
        yield Rejected(path=path, reason=error.reason, where=where)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        yield Rejected(path=path, reason=reason)


def read_content(
    content: Content, reader: Reader | None = None
) -> Iterator[FoundSession | Rejected]:
    """Yield what a reader finds in a content: the one given, else the first that recognises it.

    Raises:
        UnreadableError: No reader recognises it, or it is damaged or beyond a limit.
        NotARecording: It is JSON without events.
    """
    if not content.head:
        raise UnreadableError("empty file")
    chosen = reader or next((r for r in READERS if r.detect(content.head)), None)
    if chosen is None:
        raise UnreadableError(f"none of the known forms ({_FORMS})", "byte 0")
    try:
        yield from chosen.read(content)
    except DECODE_ERRORS as error:
        raise UnreadableError(f"not valid within ({type(error).__name__})") from None


def _joined(
    found: Iterator[FoundSession | Rejected], limits: Limits
) -> Iterator[FoundSession | Rejected]:
    """Pass whole sessions on, and put pieces together."""
    joiner = Joiner(limits.max_session_bytes)
    num_out = 0
    for session in found:
        if isinstance(session, Rejected) or session.segment is None:
            num_out += 1
            yield session
        else:
            yield from joiner.add(session)
    yield from joiner.finish(is_whole=num_out == 0)


def _named(found: FoundSession, content: Content, source_id: str, names: Counter[str]) -> Session:
    record, window = _shortened(found.record), _shortened(found.window)
    unique = "#".join(filter(None, (record, window)))
    names[unique] += 1
    if names[unique] > 1:
        unique = f"{unique}~{names[unique]}"
    digest = hashlib.sha256()
    for part in found.parts:
        digest.update(part)
    return Session(
        session_id=f"{source_id}#{unique}" if unique else source_id,
        path=content.path,
        record=record,
        window=window,
        form=found.form,
        parts=found.parts,
        fields=found.fields,
        sha256=digest.hexdigest(),
        num_bytes=sum(map(len, found.parts)),
        notes=found.notes + tuple(content.notes),
    )


def _shortened(name: str) -> str:
    """Return a name that an id can hold: printable, and not longer than it need be."""
    name = "".join(c if c.isprintable() else "?" for c in name)
    name = name.encode(errors="backslashreplace").decode()
    if len(name) <= _MAX_NAME_CHARS:
        return name
    return name[:_MAX_NAME_CHARS] + hashlib.sha256(name.encode()).hexdigest()[:16]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Give a regular file, open, and its size."""
    try:
        status = path.stat()
    except ValueError:
        raise UnreadableError("cannot be read: its name is not valid") from None
    # A pipe or device would block or never end, so it is not even opened.
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("a folder" if stat.S_ISDIR(status.st_mode) else "no regular file")
    with path.open("rb") as file:
        yield file, status.st_size
