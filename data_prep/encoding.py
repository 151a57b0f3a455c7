"""One input file -> its encoded sessions: what a worker of `prepare` does."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

import rrweb_tokenizer
from data_prep.errors import DataError
from data_prep.grouping import Grouping
from data_prep.ledger import SessionOutcome
from data_prep.limits import Limits
from data_prep.manifest import Source
from data_prep.readers import Rejected, Session, UnreadableError, read_sessions
from data_prep.sessions import at_hand
from data_prep.shards import SessionRow
from data_prep.splits import split_of
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.recognisers import Recogniser, load_recogniser, module_file
from rrweb_tokenizer.schema import DecodedEvents, Event, FullSnapshotEvent, MetaEvent, decode_events

if TYPE_CHECKING:
    from rrweb_tokenizer import EncodedSession

__all__ = [
    "EncodedSource",
    "EncoderFactory",
    "EncodingOptions",
    "PlacedSession",
    "SessionEncoder",
    "encode_placed",
    "encode_session",
    "encode_source",
    "file_sha256",
    "group_of_session",
    "load_tokenizer",
    "named_recogniser",
    "place_session",
    "recogniser_hash",
    "tokenizer_code_hash",
    "tokenizer_hashes",
    "unit_of",
]

_QUOTED = re.compile(r"'[^']*'")


class SessionEncoder(Protocol):
    """What is needed of a tokenizer here."""

    def encode_events(self, session: list[Event]) -> EncodedSession:
        """Return the ids of typed events."""

    def save_vocabulary(self, save_directory: str) -> tuple[str, ...]:
        """Write all files that decide the ids, and return their paths."""


EncoderFactory: TypeAlias = Callable[[], SessionEncoder]
"""Makes the encoder, once in each worker; must pickle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingOptions:
    """What decides the group and the split of a session, and how much is read."""

    grouping: Grouping
    test_fraction: float
    validation_fraction: float
    salt: str
    limits: Limits
    reader: str | None = None
    """Name of the reader that reads every file; by content where None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSource:
    """What came out of one file, but for its sessions."""

    sha256: str
    """Hash of the file as it lies on the disk; empty where it could not be read."""

    reasons: tuple[str, ...]
    """Why the file, or sessions of it, were rejected."""

    num_retries: int = 0
    """How often its transfer was tried again."""


def named_recogniser(name: str | None) -> Recogniser | None:
    """Return the recogniser of a name such as "my_names:find_names", None for None.

    Raises:
        DataError: Nothing has this name.
    """
    try:
        return None if name is None else load_recogniser(name)
    except ValueError as error:
        raise DataError(str(error)) from error


def recogniser_hash(name: str | None) -> dict[str, str]:
    """Return what a corpus's identity says of a recogniser: its name and its module's sha256.

    What the module itself imports or loads, a model of names for instance, is not looked at.

    Raises:
        DataError: Nothing has this name.
    """
    recogniser = named_recogniser(name)
    if recogniser is None:
        return {}
    file = module_file(recogniser)
    content = b"" if file is None else file.read_bytes()
    return {"recogniser": f"{name} {hashlib.sha256(content).hexdigest()}"}


def load_tokenizer(
    tokenizer_name_or_path: str | None, recogniser: str | None = None
) -> SessionEncoder:
    """Return the tokenizer of a folder, or the shipped one for None.

    Args:
        tokenizer_name_or_path: Folder of a tokenizer.
        recogniser: Name of a recogniser for it, "module:function".

    Raises:
        DataError: Nothing has this name, or the tokenizer was saved with a recogniser and none is
            given.
    """
    # Imported here: workers pay for it once, and a folder that is only opened never does.
    from data_prep.hub_reach import local_files_only
    from rrweb_tokenizer import RRWebTokenizer

    found = named_recogniser(recogniser)
    if tokenizer_name_or_path is None:
        return RRWebTokenizer(recogniser=found)
    tokenizer = RRWebTokenizer.from_pretrained(
        tokenizer_name_or_path,
        recogniser=found,
        local_files_only=local_files_only(tokenizer_name_or_path, "tokenizer_config.json"),
    )
    if tokenizer.saved_recogniser is not None and found is None:
        raise DataError(
            f"{tokenizer_name_or_path} was saved with a recogniser, without which it would read "
            f"what that one hides; name it: --recogniser {tokenizer.saved_recogniser}"
        )
    encoder: SessionEncoder = tokenizer
    return encoder


def tokenizer_hashes(encoder: SessionEncoder) -> dict[str, str]:
    """Return the sha256 of each file that decides the ids, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(path) for path in encoder.save_vocabulary(folder)]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def tokenizer_code_hash() -> str:
    """Return a hash over the modules of tokenizer and readers: other code may give other ids."""
    digest = hashlib.sha256()
    for package in (Path(rrweb_tokenizer.__file__).parent, Path(__file__).parent / "readers"):
        for module in sorted(package.rglob("*.py")):
            name = module.relative_to(package).as_posix()
            digest.update(name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()


def encode_source(
    source: Source,
    encoder: SessionEncoder,
    options: EncodingOptions,
    accept: Callable[[SessionRow, SessionOutcome], None],
) -> EncodedSource:
    """Read, decode and encode all sessions of one file; bad content becomes a reason.

    One session is held at a time.

    Args:
        source: The file.
        encoder: The tokenizer.
        options: Grouping, fractions and limits.
        accept: Takes each session, in the order of the file.

    Raises:
        DataError: A remote place cannot be reached.
    """
    reasons: list[str] = []
    sha256, num_retries = "", 0
    try:
        with at_hand(source, options.limits) as (path, num_retries):
            for session in read_sessions(
                path, options.limits, source_id=source.source_id, reader=options.reader
            ):
                encoded = encode_session(session, source, encoder, options)
                if isinstance(encoded, str):
                    reasons.append(encoded)
                else:
                    accept(*encoded)
            sha256 = _sha256_of(path, options.limits)
    except UnreadableError as error:
        reasons.append(error.reason)
    return EncodedSource(sha256=sha256, reasons=tuple(reasons), num_retries=num_retries)


@paused_collection()  # of one session, so that its garbage is found before the next one's
def encode_session(
    session: Session | Rejected, source: Source, encoder: SessionEncoder, options: EncodingOptions
) -> tuple[SessionRow, SessionOutcome] | str:
    """Return a session's row and what to note of it, or why it is rejected."""
    placed = place_session(session, source, options)
    return placed if isinstance(placed, str) else encode_placed(placed, encoder)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSession:
    """A session that is decoded and whose split is known; not yet tokenised, which costs most."""

    session: Session
    decoded: DecodedEvents
    group: str
    split: Literal["train", "validation", "test"]


def place_session(
    session: Session | Rejected, source: Source, options: EncodingOptions
) -> PlacedSession | str:
    """Return a session with its split, or why it is rejected."""
    if isinstance(session, Rejected):
        return session.reason + (f" (at {session.where})" if session.where else "")
    decoded = decode_events(session.parts)
    if not decoded.events:
        # The parser's message may quote the file, and the ledger must not.
        detail = f" ({_QUOTED.sub('...', decoded.first_error)})" if decoded.first_error else ""
        return f"no usable event{detail}"
    group = group_of_session(session, source, decoded.events, options.grouping)
    if group is None:
        return options.grouping.reason_without()
    split = split_of(
        group,
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        salt=options.salt,
    )
    return PlacedSession(session=session, decoded=decoded, group=group, split=split)


def encode_placed(
    placed: PlacedSession, encoder: SessionEncoder
) -> tuple[SessionRow, SessionOutcome] | str:
    """Return a session's row and what to note of it, or why it is rejected; uses up its events."""
    session, decoded = placed.session, placed.decoded
    notes = session.notes + _notes(decoded)
    encoded = encoder.encode_events(decoded.events)
    if len(encoded.ids) == 0:
        return "no event that the tokenizer encodes"
    times_ms = encoded.event_times_ms[np.isfinite(encoded.event_times_ms)]
    row = SessionRow(
        session_id=session.session_id,
        group=placed.group,
        split=placed.split,
        ids=encoded.ids,
        keyframes=encoded.keyframes,
        start_ms=float(times_ms.min()) if len(times_ms) else 0.0,
        end_ms=float(times_ms.max()) if len(times_ms) else 0.0,
        num_events=encoded.num_events,
        sha256=session.sha256,
    )
    outcome = SessionOutcome(
        session_id=session.session_id,
        split=placed.split,
        group=placed.group,
        num_events=encoded.num_events,
        num_rejected_events=decoded.num_rejected,
        num_ids=len(encoded.ids),
        counts=dict(encoded.counts),
        notes=notes,
    )
    return row, outcome


def group_of_session(
    session: Session, source: Source, events: Sequence[Event], grouping: Grouping
) -> str | None:
    """Return the group of a session, or None where it lacks what the grouping asks for."""
    first_meta = next((event for event in events if isinstance(event, MetaEvent)), None)
    return grouping.group(
        file_id=unit_of(session, source),
        paths=(source.relative, source.file_id),
        fields=session.fields,
        first_href=first_meta.data.href if first_meta is not None else None,
        parent_folder=source.path.parent.name.encode(errors="replace").decode(),
    )


def unit_of(session: Session, source: Source) -> str:
    """Return what the split keeps together where nothing better is known.

    It is the file, or the recording in it where a file holds many; windows of one stay together.
    """
    return f"{source.file_id}#{session.record}" if session.record else source.file_id


def _notes(decoded: DecodedEvents) -> tuple[str, ...]:
    has_snapshot = any(isinstance(event, FullSnapshotEvent) for event in decoded.events)
    return () if has_snapshot else ("no full snapshot",)


def file_sha256(source: Source, limits: Limits) -> str:
    """Return the hash of a file as it is stored, "" where it is not to be read.

    Raises:
        DataError: A remote place cannot be reached.
    """
    try:
        with at_hand(source, limits) as (path, _):
            return _sha256_of(path, limits)
    except UnreadableError:
        return ""


def _sha256_of(path: Path, limits: Limits) -> str:
    try:
        if not path.is_file() or not 0 < path.stat().st_size <= limits.max_container_bytes:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
