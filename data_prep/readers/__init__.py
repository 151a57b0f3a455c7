"""Container forms: a file -> its sessions, or a reason. The form is told by content, not by name.

A new form is one module with a function that recognises it and one that reads it, and one line in
`FORMS`. The first form that recognises the content reads it.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.readers.compression import decompress
from data_prep.readers.json_text import is_json_text, read_json_text
from data_prep.readers.session import Rejected, Session, UnreadableError

__all__ = ["FORMS", "Form", "Rejected", "Session", "read_sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One container form."""

    name: str
    """What the form is called in messages."""

    recognises: Callable[[bytes], bool]
    """Tell from a file's decompressed content whether it has this form."""

    read: Callable[[bytes, Path, str, Limits], Iterator[Session]]
    """Yield the sessions of (content, path, source_id, limits); UnreadableError ends the file."""


FORMS: tuple[Form, ...] = (Form(name="JSON text", recognises=is_json_text, read=read_json_text),)


def read_sessions(
    path: Path, limits: Limits = DEFAULT_LIMITS, *, source_id: str | None = None
) -> Iterator[Session | Rejected]:
    """Yield the sessions of a file in file order, or one `Rejected`; never raises for bad content.

    Sessions found before the file turns bad are kept; the `Rejected` then comes last.

    Args:
        path: A file; links are followed.
        limits: Caps on size.
        source_id: Stable name of the file; its name without suffixes where not given.
    """
    source_id = source_id if source_id is not None else path.name.split(".")[0] or path.name
    try:
        content, notes = decompress(_read_file(path, limits), limits)
        if not content:
            raise UnreadableError("empty file")
        form = next((form for form in FORMS if form.recognises(content)), None)
        if form is None:
            known = ", ".join(form.name for form in FORMS)
            raise UnreadableError(f"none of the known forms ({known})", "byte 0")
        sessions = form.read(content, path, source_id, limits)
        for session in islice(sessions, limits.max_sessions_per_file):
            yield replace(session, notes=session.notes + notes) if notes else session
        if next(sessions, None) is not None:
            raise UnreadableError(f"more than {limits.max_sessions_per_file:,} sessions")
    except UnreadableError as error:
        yield Rejected(path=path, reason=error.reason, where=error.where)


def _read_file(path: Path, limits: Limits) -> bytes:
    try:
        status = path.stat()
        # A pipe or device would block or never end, so it is not even opened.
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("a folder" if stat.S_ISDIR(status.st_mode) else "no regular file")
        if status.st_size > limits.max_file_bytes:
            raise UnreadableError(f"larger than {limits.max_file_bytes:,} bytes")
        with path.open("rb") as file:
            content = file.read(limits.max_file_bytes + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError("cannot be read: its name is not valid") from None
    if len(content) > limits.max_file_bytes:
        raise UnreadableError(f"larger than {limits.max_file_bytes:,} bytes")
    return content
