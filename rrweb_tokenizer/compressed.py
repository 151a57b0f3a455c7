"""The bytes of a recording's file -> its text: gzip and zstd are unpacked, within a limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

import zstandard

from rrweb_tokenizer.forms.found import NotARecording

__all__ = ["unpacked"]

_MAX_BYTES: Final = 1 << 30
# Recordings unpack to 50 times their size, a gzip bomb to 1,028 times; short ones are harmless.
_MAX_RATIO: Final = 500
_RATIO_FLOOR_BYTES: Final = 16 << 20
# zstandard gives at once all that a piece unpacks to, at most 128 KiB for 4 bytes: 64 MiB here.
_PIECE_BYTES: Final = 2048
_GZIP_WINDOW_BITS: Final = 31  # 15 bits of window, and 16 for "with a gzip header"
_BEGINS: Final[dict[bytes, tuple[str, Callable[[], Any]]]] = {
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(_GZIP_WINDOW_BITS)),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda: zstandard.ZstdDecompressor().decompressobj()),
}


def unpacked(content: bytes) -> bytes:
    """What is stored in gzip or zstd, told by how it begins; anything else as it is.

    Several streams one after the other are one text, as gzip and zstd have it; zeros behind the
    last are padding of a tape or a block device.

    Raises:
        NotARecording: It is damaged, cut short, or unpacks to too much.
    """
    known = next((known for magic, known in _BEGINS.items() if content.startswith(magic)), None)
    if known is None:
        return content
    name, begin = known
    max_bytes = min(_MAX_BYTES, max(_RATIO_FLOOR_BYTES, _MAX_RATIO * len(content)))
    stream, text = begin(), bytearray()
    for start in range(0, len(content), _PIECE_BYTES):
        piece = content[start : start + _PIECE_BYTES]
        while piece:
            if stream.eof:
                if piece.startswith(b"\0"):
                    if (piece + content[start + _PIECE_BYTES :]).strip(b"\0"):
                        raise NotARecording(f"damaged {name}")
                    return bytes(text)
                stream = begin()
            try:
                text += stream.decompress(piece)
            except (zlib.error, zstandard.ZstdError):
                raise NotARecording(f"damaged {name}") from None
            if len(text) > max_bytes:
                raise NotARecording(f"{name} that unpacks to more than {max_bytes:,} bytes")
            piece = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise NotARecording(f"truncated {name}")
    return bytes(text)
