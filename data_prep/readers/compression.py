"""Compressed bytes -> bytes in bounded time and memory; the kind is told by content, not name."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import zstandard

from data_prep.limits import Limits
from data_prep.readers.session import UnreadableError

__all__ = ["decompressed", "is_compressed"]

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZLIB_MAGICS: Final = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_GZIP_WINDOW_BITS: Final = 31  # 15 bits of window, and 16 for "with a gzip header"
_ZLIB_WINDOW_BITS: Final = 15
_MAX_OUTPUT_BYTES: Final = 1 << 20
# zstandard hands out all that one piece of input gives, at most 128 KiB for 4 bytes: 64 MiB here.
_ZSTD_INPUT_BYTES: Final = 2048


def is_compressed(head: bytes) -> bool:
    """Tell whether bytes open like gzip, zstd or zlib."""
    return _kind_of(head) is not None


def decompressed(
    blocks: Iterator[bytes], limits: Limits, note: Callable[[str], None]
) -> Iterator[bytes]:
    """Yield the bytes of gzip, zstd or zlib input piece by piece.

    Several streams one after the other are read as one, as gzip and zstd do. Output is made piece
    by piece and given up as soon as its ratio to the input passes the limit, so a bomb costs no
    more than the limit.

    Args:
        blocks: The compressed bytes; the first block must hold the magic.
        limits: Caps on the ratio.
        note: Takes what is odd, but no reason to reject.

    Raises:
        UnreadableError: Truncated, damaged, or beyond a limit.
    """
    source = _Input(blocks)
    num_bytes = 0
    for piece in _pieces(source, note):
        num_bytes += len(piece)
        floor = limits.compression_ratio_floor_bytes
        if num_bytes > floor and num_bytes > limits.max_compression_ratio * source.num_taken:
            raise UnreadableError(
                f"decompresses to more than {limits.max_compression_ratio} times its size"
            )
        if piece:
            yield piece


def _kind_of(head: bytes) -> str | None:
    if head.startswith(_GZIP_MAGIC):
        return "gzip"
    if head.startswith(_ZSTD_MAGIC):
        return "zstd"
    return "zlib" if head.startswith(_ZLIB_MAGICS) else None


class _Input:
    """Blocks of input with a place in them."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block = b""
        self._start = 0
        self.num_taken = 0

    def peek(self, num_bytes: int) -> bytes:
        """Return the next bytes without taking them: fewer only at the end."""
        while len(self._block) - self._start < num_bytes:
            more = next(self._blocks, None)
            if more is None:
                break
            self._block = self._block[self._start :] + more
            self._start = 0
        return self._block[self._start : self._start + num_bytes]

    def take(self, num_bytes: int) -> None:
        self._start += num_bytes
        self.num_taken += num_bytes

    def has_only_zeros(self) -> bool:
        """Read all that is left; tell whether it is padding."""
        while rest := self.peek(_MAX_OUTPUT_BYTES):
            self.take(len(rest))
            if rest.strip(b"\0"):
                return False
        return True


def _pieces(source: _Input, note: Callable[[str], None]) -> Iterator[bytes]:
    kind = _kind_of(source.peek(4))
    while head := source.peek(4):
        if kind is None or _kind_of(head) != kind:
            # Padding with zeros is usual (tapes, block devices); anything else is worth a note.
            if not source.has_only_zeros():
                note("bytes after the compressed stream")
            return
        yield from _zstd_stream(source) if kind == "zstd" else _zlib_stream(source, kind)


def _zlib_stream(source: _Input, kind: str) -> Iterator[bytes]:
    stream = zlib.decompressobj(_GZIP_WINDOW_BITS if kind == "gzip" else _ZLIB_WINDOW_BITS)
    while not stream.eof:
        block = source.peek(_MAX_OUTPUT_BYTES)
        if not block:
            raise UnreadableError(f"truncated {kind}", f"byte {source.num_taken}")
        try:
            piece = stream.decompress(block, _MAX_OUTPUT_BYTES)
        except zlib.error:
            raise UnreadableError(f"damaged {kind}", f"near byte {source.num_taken}") from None
        rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        source.take(len(block) - len(rest))
        yield piece


def _zstd_stream(source: _Input) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    while not stream.eof:
        block = source.peek(_ZSTD_INPUT_BYTES)
        if not block:
            raise UnreadableError("truncated zstd", f"byte {source.num_taken}")
        try:
            piece = stream.decompress(block)
        except zstandard.ZstdError:
            raise UnreadableError("damaged zstd", f"near byte {source.num_taken}") from None
        source.take(len(block) - (len(stream.unused_data) if stream.eof else 0))
        yield piece
