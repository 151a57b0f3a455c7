"""What `SessionEncoder` is given -> encoded sessions: paths, events, rows of a corpus."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from data_prep.errors import DataError
from data_prep.readers import Rejected
from data_prep.session_row import SessionRow
from data_prep.sessions import open_sessions
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.session_batch import is_session

from .session_ids import session_of_row

__all__ = ["SessionError", "SessionInput", "SkippedSession", "encoded_session", "listed", "name_of"]

SessionInput: TypeAlias = Any
"""A path (str or Path), bytes, decoded JSON, an `EncodedSession` or a `SessionRow`."""


class SessionError(ValueError):
    """A session cannot be encoded; the message names its file or place, and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedSession:
    """A session that was left out, where it stood in the input, and why."""

    index: int
    name: str
    reason: str


def listed(sessions: SessionInput | Sequence[SessionInput]) -> tuple[list[SessionInput], bool]:
    """The sessions as a list, and whether one alone was given."""
    if isinstance(sessions, str | SessionRow) or is_session(sessions):
        return [sessions], True
    return list(sessions), False


def name_of(session: SessionInput, index: int, num_sessions: int) -> str:
    """How messages call a session: its path or id where it has one, else its place."""
    if isinstance(session, str | os.PathLike):
        return os.fspath(session)
    if isinstance(session, SessionRow):
        return session.session_id
    return f"session {index} of {num_sessions}"


def encoded_session(session: SessionInput, tokenizer: RRWebTokenizer, name: str) -> EncodedSession:
    """The ids of one session.

    Args:
        session: see `SessionInput`; files may be of any form that `data_prep` reads, compressed
            ones included, as long as they hold one session.
        tokenizer: the model's.
        name: what a message calls the session.

    Raises:
        SessionError: it cannot be read or holds no event, or a file holds several sessions.
    """
    try:
        if isinstance(session, EncodedSession):
            encoded = session
        elif isinstance(session, SessionRow):
            encoded = session_of_row(session)
        elif isinstance(session, str | os.PathLike):
            encoded = _read(session if isinstance(session, str) else Path(session), tokenizer)
        else:
            encoded = tokenizer.encode_session(session)
    except SessionError:
        raise
    except (DataError, ValueError, OSError) as error:
        reason = str(error).removeprefix(f"{name}: ")
        raise SessionError(f"{name}: {reason}") from error
    if not len(encoded.ids):
        raise SessionError(f"{name}: no event that the tokenizer encodes")
    return encoded


@paused_collection()
def _read(path: Path | str, tokenizer: RRWebTokenizer) -> EncodedSession:
    found = list(islice(open_sessions(path), 2))
    if len(found) > 1:
        raise SessionError(
            f"{path}: holds several sessions; read them with data_prep.sessions.open_sessions, or "
            "prepare a corpus of them, and encode that"
        )
    if not found:
        raise SessionError(f"{path}: holds no session")
    session = found[0]
    if isinstance(session, Rejected):
        where = f" (at {session.where})" if session.where else ""
        raise SessionError(f"{path}: {session.reason}{where}")
    decoded = decode_events(session.parts)
    if not decoded.events:
        raise SessionError(f"{path}: no usable event: {decoded.first_error}")
    return tokenizer.encode_events(decoded.events)
