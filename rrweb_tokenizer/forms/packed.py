"""Compressed JSON inside JSON strings: one latin-1 character a byte, or base64; zlib or gzip."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Final

from rrweb_tokenizer.forms.found import NotARecording

__all__ = ["Expander", "PackedError"]

_ZLIB_OR_GZIP: Final = 47  # 15 bits of window, and 32 for "tell the header by itself"
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_MIB: Final = 1 << 20


class PackedError(ValueError):
    """A packed string is damaged; the event that it stands for is lost, the others are not."""


class Expander:
    """Unpacks strings of one file, and keeps count so that a bomb costs bounded memory.

    Args:
        max_bytes: Most bytes that all strings of the file may expand to together.
        max_ratio: Most expanded bytes for each packed one, counted from `floor_bytes` on.
        floor_bytes: Expanded bytes below which the ratio does not count.
    """

    def __init__(
        self, max_bytes: int = 1024 * _MIB, max_ratio: int = 500, floor_bytes: int = 16 * _MIB
    ) -> None:
        self._max_bytes, self._max_ratio, self._floor_bytes = max_bytes, max_ratio, floor_bytes
        self._num_packed = self._num_expanded = 0

    def inflate(self, packed: bytes) -> bytes:
        """The content of a zlib or gzip stream.

        Raises:
            PackedError: it is damaged or cut short.
            NotARecording: the file's strings expand to too much.
        """
        self._num_packed += len(packed)
        allowed = max(self._floor_bytes, self._max_ratio * self._num_packed)
        room = min(self._max_bytes, allowed) - self._num_expanded
        stream = zlib.decompressobj(_ZLIB_OR_GZIP)
        try:
            expanded = stream.decompress(packed, room + 1)
        except zlib.error:
            raise PackedError("damaged packed string") from None
        self._num_expanded += len(expanded)
        if len(expanded) > room:
            raise NotARecording("packed strings expand to more than is allowed")
        if not stream.eof:
            raise PackedError("truncated packed string")
        return expanded

    def unpack(self, text: str) -> bytes:
        """The JSON in a string: as it stands, or latin-1 or base64 of a zlib or gzip stream.

        Like rrweb's own `unpack`, plain JSON passes.

        Raises:
            PackedError: the string is none of these.
            NotARecording: the file's strings expand to too much.
        """
        if text.lstrip()[:1] in ("{", "["):
            return text.encode(errors="replace")
        if text[:1] in ("\x1f", "x"):
            try:
                return self.inflate(text.encode("latin-1"))
            except UnicodeEncodeError:
                raise PackedError("no packed string") from None
        if text[:2] in ("eJ", "eA", "eN", "H4") and _BASE64.fullmatch(text):
            try:
                return self.inflate(base64.b64decode(text))
            except binascii.Error:
                raise PackedError("damaged base64") from None
        raise PackedError("no packed string")
