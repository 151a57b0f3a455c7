"""zip and tar: each member is a file like any other. Nothing is ever unpacked onto the disk.

Members that are pieces of sessions (Sentry's segments, PostHog's blocks) are joined with those of
the same folder of the archive.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO, Any, Final, cast

from data_prep.limits import Limits
from data_prep.names import is_hidden, is_unrelated, without_suffixes
from data_prep.readers.content import Content
from data_prep.readers.reader import Reader
from data_prep.readers.session import Rejected, UnreadableError
from rrweb_tokenizer.forms.joining import Joiner
from rrweb_tokenizer.recording import FoundSession, NotARecording

__all__ = ["TAR_READER", "ZIP_READER"]

_ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MARK: Final = slice(257, 262)
_TAR_BLOCK_BYTES: Final = 512
_ENCRYPTED_FLAG: Final = 1
_MEMBER_ERRORS: Final = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, RecursionError),
)
_DRIVE: Final = re.compile(r"^[A-Za-z]:")


def _is_zip(head: bytes) -> bool:
    return head.startswith(_ZIP_MAGICS)


def _is_tar(head: bytes) -> bool:
    return head[_TAR_MARK] == b"ustar"


def _read_zip(content: Content) -> Iterator[FoundSession | Rejected]:
    with content.seekable() as file:
        try:
            archive = zipfile.ZipFile(file)
        except _MEMBER_ERRORS:
            raise UnreadableError("damaged zip") from None
        with archive:
            members = _Members(content, "zip")
            allowed = _expansion(content.limits, file.seek(0, io.SEEK_END))
            num_bytes = 0
            for member in archive.infolist():
                if member.is_dir():
                    continue
                # Members may overlap, so that each is harmless and all together are a bomb.
                num_bytes += member.file_size
                if num_bytes > allowed:
                    raise UnreadableError(
                        f"decompresses to more than {content.limits.max_compression_ratio} times "
                        "its size"
                    )
                if member.flag_bits & _ENCRYPTED_FLAG:
                    yield members.rejected(member.filename, "encrypted; unpack it first")
                    continue
                try:
                    opened = archive.open(member)
                except _MEMBER_ERRORS as error:
                    yield members.rejected(member.filename, _why(error))
                    continue
                with opened:
                    yield from members.read(member.filename, opened, member.file_size)
            yield from members.finish()


def _read_tar(content: Content) -> Iterator[FoundSession | Rejected]:
    members = _Members(content, "tar")
    stream = _Stream(content.stream())
    try:
        # "r|": read from start to end, so a compressed tar of any size needs no copy.
        with tarfile.open(fileobj=cast(Any, stream), mode="r|") as archive:
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    yield members.rejected(member.name, "no regular file")
                    continue
                opened = archive.extractfile(member)
                if opened is not None:
                    yield from members.read(member.name, opened, member.size)
    except (tarfile.TarError, EOFError, RecursionError, ValueError) as error:
        if isinstance(error, UnreadableError | NotARecording):
            raise
        yield from members.finish()
        raise UnreadableError("damaged or truncated tar") from None
    yield from members.finish()
    # tarfile takes a header that is cut short for the end.
    if stream.num_bytes % _TAR_BLOCK_BYTES:
        raise UnreadableError("truncated tar")
    if not stream.ends_in_zeros:
        yield Rejected(path=content.path, reason="no end mark: the tar may be cut short")


def _expansion(limits: Limits, num_bytes: int) -> int:
    return max(limits.compression_ratio_floor_bytes, limits.max_compression_ratio * num_bytes)


class _Members:
    """Reads members one after the other, and joins those that are pieces."""

    def __init__(self, content: Content, form: str) -> None:
        self._content, self._form = content, form
        self._joiner = Joiner(content.limits.max_session_bytes)
        self._num_members = self._num_pieces = 0

    def rejected(self, name: str, reason: str, where: str = "") -> Rejected:
        place = f"{_printable(name)}, {where}" if where else _printable(name)
        return Rejected(path=self._content.path, reason=reason, where=place)

    def read(
        self, name: str, opened: IO[bytes], num_bytes: int
    ) -> Iterator[FoundSession | Rejected]:
        """Yield what is in one member; the pieces of sessions are kept back."""
        # Late, for the registry knows this module.
        from data_prep.readers.registry import read_content

        limits = self._content.limits
        self._num_members += 1
        if self._num_members > limits.max_members:
            raise UnreadableError(f"more than {limits.max_members:,} members")
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or _DRIVE.match(name):
            yield self.rejected(name, "its path leaves the archive")
            return
        if is_hidden(path.parts) or is_unrelated(path.name):
            return
        if self._content.depth + 1 > limits.max_nesting_depth:
            reason = f"archives in one another more than {limits.max_nesting_depth} deep"
            yield self.rejected(name, reason)
            return
        try:
            member = Content(
                cast(Any, opened),
                limits,
                path=self._content.path,
                num_bytes=num_bytes,
                name=_printable(path.as_posix()),
                depth=self._content.depth + 1,
            )
            for found in read_content(member):
                yield from self._named(found, member)
        except (UnreadableError, NotARecording) as error:
            yield self.rejected(name, error.reason, getattr(error, "where", ""))
        except _MEMBER_ERRORS as error:
            yield self.rejected(name, _why(error))

    def finish(self) -> Iterator[FoundSession]:
        """Yield the sessions that were joined."""
        yield from self._joiner.finish()

    def _named(
        self, found: FoundSession | Rejected, member: Content
    ) -> Iterator[FoundSession | Rejected]:
        if isinstance(found, Rejected):
            yield replace(found, where=", ".join(filter(None, (member.name, found.where))))
            return
        form = f"{self._form} of {found.form}"
        found = replace(found, notes=found.notes + tuple(member.notes))
        if found.segment is None:
            record = "/".join(filter(None, (without_suffixes(member.name), found.record)))
            yield replace(found, record=record, form=form)
            return
        self._num_pieces += 1
        folder = PurePosixPath(member.name).parent.as_posix()
        record = found.record or ("" if folder == "." else folder)
        # Pieces without numbers of their own come in the order of the archive.
        segment = found.segment or self._num_pieces * (found.form == "posthog block")
        yield from self._joiner.add(replace(found, record=record, form=form, segment=segment))


class _Stream:
    """A file that can only be read on, over blocks of bytes."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""
        self.num_bytes = 0
        self.ends_in_zeros = False

    def read(self, num_bytes: int) -> bytes:
        pieces, num_missing = [], num_bytes
        while num_missing > 0:
            if not self._rest:
                self._rest = next(self._blocks, b"")
                if not self._rest:
                    break
            piece, self._rest = self._rest[:num_missing], self._rest[num_missing:]
            pieces.append(piece)
            num_missing -= len(piece)
        read = b"".join(pieces)
        if read:
            self.num_bytes += len(read)
            self.ends_in_zeros = not read[-_TAR_BLOCK_BYTES:].strip(b"\0")
        return read


def _why(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return "compressed in a way that is not supported"
    return f"damaged member ({type(error).__name__})"


def _printable(name: str) -> str:
    text = name.encode(errors="backslashreplace").decode()
    return "".join(c if c.isprintable() else "?" for c in text)


ZIP_READER: Final = Reader(name="zip", detect=_is_zip, read=_read_zip)
TAR_READER: Final = Reader(name="tar", detect=_is_tar, read=_read_tar)
