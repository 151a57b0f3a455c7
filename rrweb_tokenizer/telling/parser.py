"""Ids -> records: events with their fields, targets resolved as far as the ids tell.

Any ids give records, illegal sequences and random ones too: what does not fit becomes a `Token` of
the event it stands in. The recently-used list behind `[REF_j]` is rebuilt by the rules of
`references`: it starts empty at keyframes, page snapshots and changes of window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rrweb_tokenizer.references import RECENT_NODES
from rrweb_tokenizer.structural_vocab import MAX_VOCAB_SIZE
from rrweb_tokenizer.telling.reader import ATTRIBUTE_GROUPS, TAG_GROUPS, Decode, IdReader
from rrweb_tokenizer.telling.records import (
    Address,
    Element,
    Event,
    Field,
    Frame,
    Key,
    Keyframe,
    Node,
    Place,
    Record,
    Stroke,
    Target,
    Token,
    Words,
)

__all__ = ["parse_ids"]

_HEADS: Final = frozenset(
    ("EventType", "IncrementalSource", "MouseInteractions", "MediaInteractions")
)
_FRAMES: Final = frozenset(("[CLS]", "[SEP]", "[PAD]"))
_KEYFRAME_GROUPS: Final = frozenset(("viewport", "scroll depth"))
# A change of window; within a keyframe it names the window.
_TAB: Final = "[TAB]"
# Heads that empty the recently-used list: another document.
_FORGETTING: Final = frozenset(("[EV_FullSnapshot]", _TAB))
_PREFIXES: Final = frozenset(("[SHADOW_ROOT]", "[WRAPPED]", "[IFRAME_DOC]"))
_LEVELS_UP: Final = {f"[UP_{k}]": k for k in range(1, 6)} | {"[UP_6+]": 6}


def parse_ids(
    ids: Sequence[int],
    decode: Decode,
    *,
    event_starts: Sequence[int] = (),
    event_times_ms: Sequence[float] = (),
) -> list[Record]:
    """The records of a session or a window, in the order in which they begin.

    A keyframe within an event is a record of its own, after the event's; the event's span runs
    across it.

    Args:
        ids: any ids of the vocabulary, [CLS], [SEP] and [PAD] included.
        decode: gives the text of pieces.
        event_starts: offsets of events' heads, as in an `EncodedSession`; may be left out.
        event_times_ms: their times.

    Raises:
        ValueError: an id lies outside the vocabulary.
    """
    outside = next((i for i in ids if not 0 <= i < MAX_VOCAB_SIZE), None)
    if outside is not None:
        raise ValueError(f"id {outside} is outside 0..{MAX_VOCAB_SIZE - 1}")
    numbers = {int(start): number for number, start in enumerate(event_starts)}
    times = {number: float(time_ms) for number, time_ms in enumerate(event_times_ms)}
    return _Parser([int(i) for i in ids], decode, numbers, times).records()


class _Parser:
    """Makes records; every step takes at least one id."""

    def __init__(
        self, ids: list[int], decode: Decode, numbers: dict[int, int], times: dict[int, float]
    ) -> None:
        self._ids = IdReader(ids, decode)
        self._numbers = numbers
        self._times = times
        self._recent: list[Element | None] = []
        self._head: str | None = None

    # Records.

    def records(self) -> list[Record]:
        records: list[Record] = []
        while not self._ids.is_done:
            if self._ids.name() in _FRAMES:
                records.append(self._frame())
            elif self._ids.name().startswith("[KEY_"):
                records.append(self._keyframe())
            else:
                records += self._event()
        return records

    def _frame(self) -> Frame:
        name, start = self._ids.name(), self._ids.at
        self._recent.clear()
        while self._ids.name() == name:
            self._ids.take()
        return Frame(name=name, start=start, stop=self._ids.at)

    def _keyframe(self) -> Keyframe:
        start, key = self._ids.at, self._ids.name()
        self._recent.clear()
        self._ids.take()
        elapsed_bin: int | None = None
        address: Address | None = None
        others: list[Token] = []
        while True:
            if self._ids.group() == "elapsed" and elapsed_bin is None:
                elapsed_bin = self._ids.bin()
                self._ids.take()
            elif self._ids.name() == "[URL]" and address is None:
                address = self._ids.address()
            elif (
                self._ids.group() in _KEYFRAME_GROUPS
                or self._ids.name() == "[NO_SNAPSHOT]"
                or (self._ids.name() == _TAB and self._ids.group(1) == "sibling")
                or (self._ids.group() == "sibling" and others and others[-1].name == _TAB)
            ):
                others.append(self._ids.token())
            else:
                break
        return Keyframe(
            key=key,
            elapsed_bin=elapsed_bin,
            address=address,
            others=tuple(others),
            start=start,
            stop=self._ids.at,
        )

    def _event(self) -> list[Record]:
        """An event, and the keyframes that stand within it."""
        start = self._ids.at
        index = self._numbers.get(start)
        self._head = self._ids.name() if self._is_head() else None
        if self._head is not None:
            self._ids.take()
        if self._head in _FORGETTING:
            self._recent.clear()
        time_bin: int | None = None
        if self._head is not None and self._ids.group() == "time delta":
            time_bin = self._ids.bin()
            self._ids.take()
        fields: list[Field] = []
        keyframes: list[Record] = []
        stop = self._ids.at
        while not self._ids.is_done and not self._is_boundary():
            if self._ids.name().startswith("[KEY_"):
                before = self._ids.at
                keyframe = self._keyframe()
                if self._ids.is_done or self._is_boundary():
                    self._ids.at = before  # it opens a chapter of its own
                    break
                keyframes.append(keyframe)
            else:
                fields.append(self._field(is_in_page=bool(fields) and isinstance(fields[-1], Node)))
            stop = self._ids.at
        event = Event(
            head=self._head,
            time_bin=time_bin,
            fields=tuple(fields),
            index=index,
            time_ms=None if index is None else self._times.get(index),
            start=start,
            stop=stop,
        )
        return [event, *keyframes]

    def _is_boundary(self) -> bool:
        return self._is_head() or self._ids.name() in _FRAMES

    def _is_head(self) -> bool:
        return self._ids.group() in _HEADS or self._ids.name() == _TAB

    # Fields.

    def _field(self, *, is_in_page: bool) -> Field:
        name, group, start = self._ids.name(), self._ids.group(), self._ids.at
        if group == "reference":
            return self._target()
        if group in TAG_GROUPS or name in _PREFIXES or name == "[TXT]" or name in _LEVELS_UP:
            return self._node()
        if group in ATTRIBUTE_GROUPS:
            return self._ids.attribute()
        if name == "[URL]":
            return self._ids.address()
        value = self._ids.value()
        if value is not None:
            return value
        if is_in_page and (words := self._ids.words()) is not None:
            return Node(words=words, start=start, stop=self._ids.at)
        if name == "[VAL]":
            self._ids.take()
            words = self._ids.words()
            return Key(text=words.text if words else "", start=start, stop=self._ids.at)
        if group == "x" and self._ids.group(1) == "y":
            bins = self._ids.bin(), self._ids.bin(1)
            self._ids.take(2)
            return Place(x=bins[0], y=bins[1], start=start, stop=self._ids.at)
        if [group, self._ids.group(1), self._ids.group(2)] == [
            "direction",
            "distance",
            "time delta",
        ]:
            stroke = self._ids.bin(), self._ids.bin(1), self._ids.bin(2)
            self._ids.take(3)
            return Stroke(
                direction=stroke[0],
                distance=stroke[1],
                time_bin=stroke[2],
                start=start,
                stop=self._ids.at,
            )
        return self._ids.words() or self._ids.token()

    def _node(self) -> Node:
        start = self._ids.at
        levels_up = _LEVELS_UP.get(self._ids.name(), 0)
        if levels_up:
            self._ids.take()
        prefixes: list[str] = []
        while self._ids.name() in _PREFIXES:
            prefixes.append(self._ids.name())
            self._ids.take()
        element: Element | None = None
        words: Words | None = None
        if self._ids.group() in TAG_GROUPS:
            element = self._ids.element(is_target=False)
        elif self._ids.name() == "[TXT]" and not prefixes:
            text_start = self._ids.at
            self._ids.take()
            words = self._ids.words() or Words(text="", start=text_start, stop=self._ids.at)
        elif levels_up and not prefixes:
            words = self._ids.words()
        return Node(
            levels_up=levels_up,
            prefixes=tuple(prefixes),
            element=element,
            words=words,
            start=start,
            stop=self._ids.at,
        )

    def _target(self) -> Target:
        start, reference = self._ids.at, self._ids.name()
        place = self._ids.bin() - 1  # [REF_NEW] comes first
        self._ids.take()
        element: Element | None = None
        tag: str | None = None
        has_tag = self._ids.group() in TAG_GROUPS or self._ids.group() == "NodeType"
        if reference == "[REF_NEW]":
            element = self._ids.element(is_target=True) if has_tag else None
            self._recent.insert(0, element)
            del self._recent[RECENT_NODES:]
        elif place < RECENT_NODES:
            if place < len(self._recent):
                element = self._recent.pop(place)
                self._recent.insert(0, element)
            # In mutations, what follows a target is what happens to it: an added node.
            if has_tag and self._head != "[IS_Mutation]":
                tag = self._ids.name()
                self._ids.take()
        return Target(reference=reference, element=element, tag=tag, start=start, stop=self._ids.at)
