"""Sentry's segments: as files, and as messages of its Kafka topic (msgpack around the segment)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from data_prep.readers.content import Content
from data_prep.readers.reader import Reader, expander_of
from data_prep.readers.session import UnreadableError
from rrweb_tokenizer.forms.segments import find_in_segment, is_segment
from rrweb_tokenizer.recording import FoundSession, find_pieces

__all__ = ["KAFKA_READER", "READER"]


class _Message(msgspec.Struct):
    """The members of a replay recording message that are used."""

    payload: bytes
    replay_id: str = ""
    project_id: int | None = None
    org_id: int | None = None
    segment_id: int | None = None


def _is_message(head: bytes) -> bool:
    is_map = bool(head) and (0x80 <= head[0] <= 0x8F or head[0] in (0xDE, 0xDF))
    return is_map and b"replay_id" in head and b"payload" in head


def _read_segment(content: Content) -> Iterator[FoundSession]:
    yield from find_pieces(content.read_all(), expander_of(content))


def _read_message(content: Content) -> Iterator[FoundSession]:
    try:
        message = msgspec.msgpack.decode(content.read_all(), type=_Message)
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableError("no message of a replay recording") from None
    ids = {"project_id": message.project_id, "org_id": message.org_id}
    fields = {name: str(value) for name, value in ids.items() if value is not None}
    for session in find_in_segment(message.payload, expander_of(content)):
        yield replace(session, fields=fields | session.fields, record=message.replay_id)


READER: Final = Reader(name="sentry segment", detect=is_segment, read=_read_segment)
KAFKA_READER: Final = Reader(name="sentry message", detect=_is_message, read=_read_message)
