"""A file's bytes after decompression, handed out once: as a whole, line by line, or seekable."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from data_prep.limits import Limits
from data_prep.readers.compression import decompressed, is_compressed
from data_prep.readers.session import UnreadableError

__all__ = ["Content"]

_FIRST_BLOCK_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 8 << 20
_NEEDED_HEAD_BYTES: Final = 512  # a tar's mark lies at byte 257
_SPOOLED_BYTES: Final = 16 << 20


class Content:
    """What a reader gets: the bytes of one file or of one member of an archive.

    `head` may be looked at any number of times; then exactly one of `read_all`, `lines`, `stream`
    and `seekable` is used, once.

    Args:
        file: The bytes as they are stored.
        limits: Caps on sizes and ratios.
        path: The file on the disk that it is, or that it stands in.
        num_bytes: Size as stored; None where it is not known.
        name: Path of a member in its archive; empty for a file.
        depth: Number of archives around it.
    """

    def __init__(
        self,
        file: BinaryIO,
        limits: Limits,
        *,
        path: Path,
        num_bytes: int | None = None,
        name: str = "",
        depth: int = 0,
    ) -> None:
        self.path, self.name, self.depth, self.limits = path, name, depth, limits
        self.notes: list[str] = []
        self._file, self._num_bytes = file, num_bytes
        first = file.read(_FIRST_BLOCK_BYTES)
        self.is_compressed = is_compressed(first)
        self._blocks = self._stored_blocks(first)
        if self.is_compressed:
            self._blocks = decompressed(self._blocks, limits, self._note)
        self._taken: list[bytes] = []
        num_taken = 0
        while num_taken < _NEEDED_HEAD_BYTES and (block := next(self._blocks, None)):
            self._taken.append(block)
            num_taken += len(block)
        self.head = b"".join(self._taken)
        self._taken = [self.head] if self.head else []

    def read_up_to(self, num_bytes: int) -> tuple[bytes, bool]:
        """Return at least `num_bytes` from the start, or all there is; and whether it is all.

        The bytes stay there for the methods below.
        """
        num_taken = sum(map(len, self._taken))
        is_all = False
        while num_taken <= num_bytes:
            block = next(self._blocks, None)
            if block is None:
                is_all = True
                break
            self._taken.append(block)
            num_taken += len(block)
        if len(self._taken) > 1:
            self._taken = [b"".join(self._taken)]
        return (self._taken[0] if self._taken else b""), is_all

    def read_all(self) -> bytes:
        """Return all bytes.

        Raises:
            UnreadableError: More than the limits allow for one text.
        """
        limits = self.limits
        allowed, reason = limits.max_file_bytes, f"larger than {limits.max_file_bytes:,} bytes"
        if self.is_compressed:
            allowed = limits.max_decompressed_bytes
            reason = f"decompresses to more than {allowed:,} bytes"
        elif self._num_bytes is not None and self._num_bytes > allowed:
            raise UnreadableError(reason)
        num_taken = 0
        pieces: list[bytes] = []
        for piece in self.stream():
            num_taken += len(piece)
            if num_taken > allowed:
                raise UnreadableError(reason)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def stream(self) -> Iterator[bytes]:
        """Yield the bytes block by block, in memory that does not grow."""
        while self._taken:
            yield self._taken.pop(0)
        yield from self._blocks

    def lines(self) -> Iterator[bytes]:
        r"""Yield the lines, without their ends (`\n` or `\r\n`).

        Raises:
            UnreadableError: A line is longer than a session may be.
        """
        pending: list[bytes] = []
        num_pending = number = 0
        for block in self.stream():
            *whole, last = block.split(b"\n")
            for line in whole:
                number += 1
                self._check_line(num_pending + len(line), number)
                yield b"".join((*pending, line)).removesuffix(b"\r")
                pending, num_pending = [], 0
            pending.append(last)
            num_pending += len(last)
            self._check_line(num_pending, number + 1)
        if last_line := b"".join(pending):
            yield last_line

    def _check_line(self, num_bytes: int, number: int) -> None:
        allowed = self.limits.max_session_bytes
        if num_bytes > allowed:
            raise UnreadableError(f"a line of more than {allowed:,} bytes", f"line {number}")

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Give a file that can be sought in: the stored one, or a temporary copy."""
        if not self.is_compressed and self.depth == 0:
            self._file.seek(0)
            yield self._file
            return
        with tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES) as copy:
            self._copy_to(copy)
            yield cast(BinaryIO, copy)

    @contextmanager
    def on_disk(self) -> Iterator[str]:
        """Give the path of a file with these bytes, for libraries that need one."""
        if not self.is_compressed and self.depth == 0:
            yield str(self.path)
            return
        with tempfile.NamedTemporaryFile(prefix="rrweb-bert-") as copy:
            self._copy_to(copy)
            copy.flush()
            yield copy.name

    def _copy_to(self, copy: IO[bytes]) -> None:
        num_bytes = 0
        for piece in self.stream():
            num_bytes += len(piece)
            if num_bytes > self.limits.max_container_bytes:
                raise UnreadableError(f"larger than {self.limits.max_container_bytes:,} bytes")
            copy.write(piece)
        copy.seek(0)

    def _stored_blocks(self, first: bytes) -> Iterator[bytes]:
        if first:
            yield first
        while block := self._file.read(_BLOCK_BYTES):
            yield block

    def _note(self, note: str) -> None:
        self.notes.append(note)
