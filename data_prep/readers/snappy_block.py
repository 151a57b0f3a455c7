r"""PostHog's stored blocks: one snappy block of JSON Lines `["<window>", {event}]`, zero-padded.

A block is a piece of a session; the blocks of a session lie in one folder, or in the folder `data`
of the zip that is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from data_prep.readers.content import Content
from data_prep.readers.reader import Reader, expander_of, missing_library
from data_prep.readers.session import UnreadableError
from rrweb_tokenizer.forms.lines import find_in_lines
from rrweb_tokenizer.recording import FoundSession

__all__ = ["READER"]

_MAX_LENGTH_BYTES: Final = 5
_MAX_TAG_BYTES: Final = 5
_MAX_ZEROS_OF_A_BLOCK: Final = 8


def _is_block(head: bytes) -> bool:
    """Tell a block by its start: a length, the tag of a literal, and the first row."""
    block = head.lstrip(b"\0")
    place = block.find(b'["', 0, _MAX_LENGTH_BYTES + _MAX_TAG_BYTES + 2)
    # Lowest bits 00 mark a literal; the length's last byte has no high bit.
    return place >= 2 and any(
        block[n] < 0x80 and block[n + 1] & 3 == 0 for n in range(min(place - 1, _MAX_LENGTH_BYTES))
    )


def _read(content: Content) -> Iterator[FoundSession]:
    """Yield a piece for each window of the block.

    Raises:
        UnreadableError: Damaged, too large, or the library for it is missing.
    """
    rows = _unpack(content.read_all(), content.limits.max_decompressed_bytes)
    found = find_in_lines(
        rows.splitlines(),
        expander_of(content),
        max_bytes=content.limits.max_session_bytes,
        is_whole=False,
    )
    for session in found:
        yield replace(session, form="posthog block", segment=0)


def _unpack(stored: bytes, max_bytes: int) -> bytes:
    try:
        from cramjam import DecompressionError, snappy
    except ImportError:
        raise UnreadableError(missing_library("cramjam")) from None
    block = stored.strip(b"\0")
    if _length_of(block) > max_bytes:
        raise UnreadableError(f"decompresses to more than {max_bytes:,} bytes")
    # Zeros at the end may belong to the block: they are given back one by one.
    for num_zeros in range(_MAX_ZEROS_OF_A_BLOCK):
        try:
            return bytes(snappy.decompress_raw(block + b"\0" * num_zeros))
        except DecompressionError:
            continue
    raise UnreadableError("damaged snappy block")


def _length_of(block: bytes) -> int:
    """Return the length that a block announces: seven bits a byte, the low ones first."""
    length = 0
    for shift, byte in enumerate(block[:_MAX_LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            break
    return length


READER: Final = Reader(name="snappy block", detect=_is_block, read=_read)
