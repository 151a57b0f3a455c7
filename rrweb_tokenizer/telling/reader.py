"""A place in a sequence of ids, and the smaller things that can be read from there.

What belongs together is read as far as it goes, whatever follows: nothing here can fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rrweb_tokenizer.structural_vocab import (
    GROUPS,
    NUM_STRUCTURAL,
    STRUCTURAL_TOKENS,
    TEXT_GROUP,
    group_of,
)
from rrweb_tokenizer.telling.records import Address, Attribute, Element, Token, Value, Words

__all__ = ["ATTRIBUTE_GROUPS", "TAG_GROUPS", "VALUE_NAMES", "Decode", "IdReader", "printable"]

Decode = Callable[[list[int]], str]
"""Ids of text pieces (520 and above) -> their text."""

ATTRIBUTE_GROUPS: Final = frozenset(("attribute", "input type", "role"))
TAG_GROUPS: Final = frozenset(("tag", "svg tag"))
# How a value class reads within a text.
VALUE_NAMES: Final = {
    "[V_EMPTY]": "nothing",
    "[V_MASKED]": "masked text",
    "[V_EMAIL]": "e-mail address",
    "[V_PHONE]": "phone number",
    "[V_CARD]": "card number",
    "[V_SSN_ID]": "identity number",
    "[V_NUMBER]": "number",
    "[V_MONEY]": "amount of money",
    "[V_DATE]": "date",
    "[V_TIME]": "time",
    "[V_UUID_HEX]": "hexadecimal id",
    "[V_URL]": "web address",
    "[V_IP]": "IP address",
    "[V_LONGTEXT]": "long text",
    "[V_ADDRESS]": "street address",
    "[V_IBAN]": "bank account",
    "[V_TOKEN]": "random string",
    "[V_NAME]": "name",
}

_ADDRESS_PARTS: Final = frozenset(("[HOST]", "[PATH]", "[QUERY]", "[HASH]"))
_LINK_VALUES: Final = frozenset(("[V_EMAIL]", "[V_PHONE]", "[V_URL]"))
_FIRST_BIN: Final = {group.name: group.start for group in GROUPS}
_DATA: Final = "[R_DATA]"
# Joiners that shape words and emoji are no danger to a terminal, other format characters are.
_JOINERS: Final = frozenset("\u200c\u200d")
# Segments are written one after another; a value class within them keeps its spaces.
_BETWEEN_SEGMENTS: Final = re.compile(r" (?![^<>]*>)")


def printable(text: str) -> str:
    """The text with all that could steer a terminal replaced by U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else "\ufffd" for c in text)


class IdReader:
    """Reads ids from left to right.

    Attributes:
        at: offset of the next id.
    """

    def __init__(self, ids: list[int], decode: Decode) -> None:
        self._ids = ids
        self._decode = decode
        self.at = 0

    @property
    def is_done(self) -> bool:
        """Whether no id is left."""
        return self.at >= len(self._ids)

    def name(self, ahead: int = 0) -> str:
        """The structural token so many ids ahead; "" for a text piece and after the end."""
        place = self.at + ahead
        if place >= len(self._ids) or self._ids[place] >= NUM_STRUCTURAL:
            return ""
        return STRUCTURAL_TOKENS[self._ids[place]]

    def group(self, ahead: int = 0) -> str:
        """The group of the id so many ahead; "" after the end."""
        place = self.at + ahead
        return group_of(self._ids[place]) if place < len(self._ids) else ""

    def bin(self, ahead: int = 0) -> int:
        """The place of the structural token so many ids ahead in its group."""
        token_id = self._ids[self.at + ahead]
        return token_id - _FIRST_BIN[group_of(token_id)]

    def take(self, count: int = 1) -> None:
        """Goes ahead."""
        self.at += count

    def token(self) -> Token:
        """The next token as it is."""
        name = self.name()
        self.take()
        return Token(name=name, start=self.at - 1, stop=self.at)

    def words(self) -> Words | None:
        """A run of text pieces and value classes; None where there is none."""
        start = self.at
        parts: list[str] = []
        pieces: list[int] = []
        while True:
            if self.group() == TEXT_GROUP:
                pieces.append(self._ids[self.at])
            elif self.group() == "value class" and not self._is_value():
                parts += [self._text_of(pieces), f"<{_value_name(self.name())}>"]
                pieces = []
            else:
                break
            self.take()
        if self.at == start:
            return None
        parts.append(self._text_of(pieces))
        is_cut = self.name() == "[TRUNC]"
        if is_cut:
            self.take()
        text = " ".join(part for part in parts if part)
        return Words(text=text, is_cut=is_cut, start=start, stop=self.at)

    def _text_of(self, pieces: list[int]) -> str:
        return printable(" ".join(self._decode(pieces).split())) if pieces else ""

    def _is_value(self) -> bool:
        """Whether a value class is one of a form's value: those have a count, or are empty."""
        return self.name() == "[V_EMPTY]" or self.group(1) == "count"

    def value(self) -> Value | None:
        """A form value; None where there is none."""
        name = self.name()
        is_value = self.group() == "value class" and self._is_value()
        if not is_value and not (name == "[VAL]" and self.group(1) == "count"):
            return None
        count = self.name(1) if self.group(1) == "count" and name != "[V_EMPTY]" else None
        start = self.at
        self.take(2 if count else 1)
        return Value(value_class=name, count=count, start=start, stop=self.at)

    def address(self) -> Address:
        """An address, with or without `[URL]` before it."""
        start = self.at
        if self.name() == "[URL]":
            self.take()
        if self.name() in _LINK_VALUES or self.group() == "resource":
            other = self.name()
            has_size = other == _DATA and self.group(1) == "count"
            self.take(2 if has_size else 1)
            return Address(other=other, start=start, stop=self.at)
        found: dict[str, list[str]] = {}
        while self.name() in _ADDRESS_PARTS:
            part = self.name()
            if part in found and part != "[QUERY]":
                break
            self.take()
            is_cut = self.name() == "[TRUNC]"
            if is_cut:
                self.take()
            words = self.words()
            text = words.text if words else ""
            found.setdefault(part, []).append(f"... {text}" if is_cut else text)
        return Address(
            host=_join(found.get("[HOST]"), "") or "",
            path=_join(found.get("[PATH]"), "/"),
            query_keys=tuple(found.get("[QUERY]", ())),
            fragment=_join(found.get("[HASH]"), "/"),
            start=start,
            stop=self.at,
        )

    def attribute(self) -> Attribute:
        """An attribute from its name on."""
        name, group, start = self.name(), self.group(), self.at
        self.take()
        prefix = {"input type": "type", "role": "role"}.get(group)
        if prefix is not None:
            value: Words | Address | Value | str | None = name.partition("_")[2][:-1]
            return Attribute(name=prefix, value=value, start=start, stop=self.at)
        return Attribute(
            name=name[4:-1], value=self._attribute_value(name), start=start, stop=self.at
        )

    def _attribute_value(self, name: str) -> Words | Address | Value | str | None:
        if self.group() in ("boolean", "count"):
            value = self.name()
            self.take()
            return value[1:-1].lower() if value in ("[TRUE]", "[FALSE]") else value
        if self.name() in _ADDRESS_PARTS or self.group() == "resource":
            return self.address()
        if name in ("[AT_href]", "[AT_action]") and self.name() in _LINK_VALUES:
            return self.address()
        return self.value() or self.words()

    def element(self, *, is_target: bool) -> Element:
        """An element from its tag on; a target's goes on to its depth and place."""
        start, tag = self.at, self.name()
        self.take()
        is_blocked = self.name() == "[BLOCKED]"
        if is_blocked:
            self.take()
        attributes: list[Attribute] = []
        words = self.words() if tag == "[TAG_svg]" and not is_target else None
        while self.group() in ATTRIBUTE_GROUPS:
            attributes.append(self.attribute())
        value = None if is_target else self.value()
        if is_target:
            if self.name() == "[TXT]":
                self.take()
                words = self.words()
            for group in ("depth", "sibling"):
                if self.group() == group:
                    self.take()
        return Element(
            tag=tag,
            attributes=tuple(attributes),
            label=words.text if words else "",
            value=value,
            is_blocked=is_blocked,
            start=start,
            stop=self.at,
        )


def _value_name(name: str) -> str:
    return VALUE_NAMES.get(name, name[3:-1].lower())


def _join(texts: list[str] | None, prefix: str) -> str | None:
    """An address's part as one string; None where the part is not there."""
    if texts is None:
        return None
    text = " ".join(texts)
    return prefix + _BETWEEN_SEGMENTS.sub("/", text) if prefix else text
