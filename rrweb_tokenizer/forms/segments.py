r"""Sentry's segments: `{"segment_id":N}\n`, then a JSON list of events, as text or as zlib."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from rrweb_tokenizer.forms.event_list import find_in_list
from rrweb_tokenizer.forms.found import DECODE_ERRORS, FoundSession, NotARecording
from rrweb_tokenizer.forms.packed import Expander, PackedError
from rrweb_tokenizer.surrogates import without_lone_surrogates

__all__ = ["find_in_segment", "is_segment"]

_HEADER: Final = re.compile(rb'\s*\{\s*"segment_id"\s*:\s*(\d{1,9})[^{}\n]*\}\s*?\n')


def is_segment(text: bytes) -> bool:
    """Whether bytes open with a segment's header."""
    return _HEADER.match(text) is not None


def find_in_segment(text: bytes, expander: Expander) -> Iterator[FoundSession]:
    """Yield a segment's events, as a piece of a session.

    Raises:
        NotARecording: what follows the header is neither a list nor zlib of one.
        msgspec.DecodeError: it is no JSON.
    """
    header = _HEADER.match(text)
    if header is None:
        raise NotARecording("a segment without a header")
    body = text[header.end() :].strip(b"\n")
    if body[:1] != b"[":
        try:
            body = expander.inflate(text[header.end() :])
        except PackedError as error:
            raise NotARecording(f"segment events are neither text nor zlib ({error})") from None
        if body.lstrip()[:1] != b"[":
            raise NotARecording("a segment that holds no list")
    number = header.group(1).decode()
    try:
        found = list(find_in_list(body, expander))
    except DECODE_ERRORS:
        found = list(find_in_list(without_lone_surrogates(body), expander))
    for session in found:
        fields = session.fields | {"segment_id": number}
        yield replace(session, fields=fields, form="sentry segment", segment=int(number))
