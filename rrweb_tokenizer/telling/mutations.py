"""Mutations as they are told: one phrase a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rrweb_tokenizer.telling.pages import node_phrase
from rrweb_tokenizer.telling.records import Attribute, Node, Target, Token, Value
from rrweb_tokenizer.telling.told import Fields, Raw, Told, action_of
from rrweb_tokenizer.telling.wording import (
    attribute_phrase,
    count_phrase,
    quoted,
    target_phrase,
    token_phrase,
    value_phrase,
)

__all__ = ["tell_mutation"]

_MAX_CHANGES: Final = 3

_COUNTED: Final = {
    "[MUT_ADD]": "+ {} nodes",
    "[MUT_REMOVE]": "- {} nodes",
    "[MUT_MOVE]": "{} nodes moved",
    "[ELIDED]": "{} more left out",
}
_TARGETED: Final = frozenset(("[MUT_ADD]", "[MUT_TEXT]", "[MUT_ATTR]", "[MUT_MOVE]"))


def tell_mutation(fields: Fields, raw: Raw, *, full: bool) -> Told:
    """A mutation as its changes; only the first few unless `full`."""
    changes: list[str] = []
    while fields.left:
        changes.append(_change(fields, raw))
    if not full and len(changes) > _MAX_CHANGES:
        num_more = len(changes) - _MAX_CHANGES
        changes = [*changes[:_MAX_CHANGES], f"and {num_more} more"]
    return Told(action=action_of("[IS_Mutation]"), details=tuple(changes))


def _change(fields: Fields, raw: Raw) -> str:
    """One change, taken from the front of the fields."""
    operation = fields.left.pop(0)
    name = operation.name if isinstance(operation, Token) else ""
    count = fields.take_next_token("[N_")
    if count is not None and name in _COUNTED:
        number = count_phrase(count.name)
        told = _COUNTED[name].format(number)
        if number == "1":
            told = told.replace("nodes", "node")
        if name == "[MUT_REMOVE]" and fields.left and isinstance(fields.left[0], Node):
            told += f", first {node_phrase(fields.take(Node) or Node(start=0, stop=0))}"
        return told
    target = fields.take_next(Target)
    if target is not None and name in _TARGETED:
        return _targeted(name, target, fields)
    unread = [operation, *(found for found in (count, target) if found is not None)]
    return f"? {' '.join(raw(one) for one in unread)}"


def _targeted(name: str, target: Target, fields: Fields) -> str:
    phrase = target_phrase(target)
    nodes: list[Node] = []
    if name in ("[MUT_ADD]", "[MUT_TEXT]"):
        while (node := fields.take_next(Node)) is not None:
            nodes.append(node)
    if name == "[MUT_ADD]" and fields.take_next_token("[NT_Document]") is not None:
        phrase = f"frame in {phrase}"
    value = fields.take_next(Value)
    if value is not None:  # what was typed into the page itself: its class alone is kept
        return f"{phrase} holds {value_phrase(value)}"
    if name == "[MUT_TEXT]":
        texts = [quoted(n.words.text, is_cut=n.words.is_cut) for n in nodes if n.words is not None]
        return f"{phrase} says {' '.join(texts)}" if texts else f"text of {phrase}"
    if name == "[MUT_ADD]":
        return f"+ {_subtree(nodes)}, in {phrase}"
    if name == "[MUT_MOVE]":
        return f"{phrase} moves"
    told = list(_attribute_changes(fields))
    return f"{phrase}: {', '.join(told)}" if told else f"{phrase} changes"


def _subtree(nodes: list[Node]) -> str:
    """An added subtree: its first element and the first text in it."""
    if not nodes:
        return "nodes"
    first = next((node for node in nodes if node.element is not None), nodes[0])
    phrase = node_phrase(first)
    words = next((node.words for node in nodes if node.words is not None), None)
    if words is not None and '"' not in phrase:
        phrase += f" {quoted(words.text, is_cut=words.is_cut)}"
    num_elements = sum(node.element is not None for node in nodes)
    return phrase if num_elements <= 1 else f"{phrase} with {num_elements - 1} more inside"


def _attribute_changes(fields: Fields) -> Iterator[str]:
    while True:
        if (attribute := fields.take_next(Attribute)) is not None:
            yield attribute_phrase(attribute)
        elif fields.take_next_token("[MUT_STYLE]") is not None:
            styles: list[str] = []
            while (style := fields.take_next_token("[ST_")) is not None:
                styles.append(token_phrase(style))
            yield f"looks ({', '.join(styles)})" if styles else "looks"
        elif (operation := fields.take_next_token("[MUT_ATTR_DEL]")) is not None:
            deleted = fields.take_next(Attribute)
            yield f"no {deleted.name}" if deleted is not None else operation.name
        elif fields.take_next_token("[R_DATA]") is not None:
            fields.take_next_token("[N_")  # its size
            yield "picture"
        else:
            return
