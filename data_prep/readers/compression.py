"""Compressed bytes -> bytes in bounded time and memory; the kind is told by content, not name."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import zstandard

from data_prep.limits import Limits
from data_prep.readers.session import UnreadableError

__all__ = ["decompress"]

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW_BITS: Final = 31  # 15 bits of window, and 16 for "with a gzip header"
_MAX_OUTPUT_BYTES: Final = 1 << 20
# zstandard hands out all that one piece of input gives, at most 128 KiB for 4 bytes: 64 MiB here.
_ZSTD_INPUT_BYTES: Final = 2048


def decompress(compressed: bytes, limits: Limits) -> tuple[bytes, tuple[str, ...]]:
    """Return the bytes of a .gz or .zst file, or those of any other file as they are, and notes.

    Several streams one after the other are read as one, as gzip and zstd do. Output is made piece
    by piece and given up as soon as a limit is passed, so a bomb costs no more than the limit.

    Raises:
        UnreadableError: Truncated, damaged, empty, or beyond a limit.
    """
    if compressed.startswith(_GZIP_MAGIC):
        pieces: Callable[[bytes], Iterator[tuple[bytes, int, bool]]] = _gzip_pieces
    elif compressed.startswith(_ZSTD_MAGIC):
        pieces = _zstd_pieces
    else:
        return compressed, ()
    output: list[bytes] = []
    num_bytes = 0
    has_garbage = False
    for piece, num_read, has_garbage in pieces(compressed):  # noqa: B007 - the last one counts
        num_bytes += len(piece)
        _check_size(num_bytes, num_read, limits)
        output.append(piece)
    return b"".join(output), ("bytes after the compressed stream",) if has_garbage else ()


def _check_size(num_bytes: int, num_read: int, limits: Limits) -> None:
    if num_bytes > limits.max_decompressed_bytes:
        raise UnreadableError(f"decompresses to more than {limits.max_decompressed_bytes:,} bytes")
    floor = limits.compression_ratio_floor_bytes
    if num_bytes > floor and num_bytes > limits.max_compression_ratio * num_read:
        raise UnreadableError(
            f"decompresses to more than {limits.max_compression_ratio} times its size"
        )


def _gzip_pieces(compressed: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """Yield (output, input bytes used so far, whether garbage follows)."""
    view, start = memoryview(compressed), 0
    while view[start:].nbytes:
        if bytes(view[start : start + 2]) != _GZIP_MAGIC:
            # Padding with zeros is usual (tapes, block devices); anything else is worth a note.
            yield b"", len(compressed), any(view[start:])
            return
        stream = zlib.decompressobj(_GZIP_WINDOW_BITS)
        while not stream.eof:
            source = view[start : start + _MAX_OUTPUT_BYTES]
            if not source:
                raise UnreadableError("truncated gzip", f"byte {len(compressed)}")
            try:
                piece = stream.decompress(source, _MAX_OUTPUT_BYTES)
            except zlib.error:
                raise UnreadableError("damaged gzip", f"near byte {start}") from None
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
            start += len(source) - len(rest)
            yield piece, start, False


def _zstd_pieces(compressed: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """Yield (output, input bytes used so far, whether garbage follows)."""
    view, start = memoryview(compressed), 0
    while start < len(compressed):
        if bytes(view[start : start + 4]) != _ZSTD_MAGIC:
            yield b"", len(compressed), any(view[start:])
            return
        stream = zstandard.ZstdDecompressor().decompressobj()
        while not stream.eof:
            source = view[start : start + _ZSTD_INPUT_BYTES]
            if not source:
                raise UnreadableError("truncated zstd", f"byte {len(compressed)}")
            try:
                piece = stream.decompress(source)
            except zstandard.ZstdError:
                raise UnreadableError("damaged zstd", f"near byte {start}") from None
            start += len(source) - (len(stream.unused_data) if stream.eof else 0)
            yield piece, start, False
