"""Small events for the tokenizer's tests, and a text encoder that needs no model."""

from typing import Any

import msgspec

from rrweb_tokenizer.incremental import Node
from rrweb_tokenizer.schema import Event, decode_events
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS


class WordEncoder:
    """One id a word, kept so that `words` can turn ids back."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def encode(self, text: str, max_pieces: int) -> tuple[list[int], bool]:
        ids = [self.known.setdefault(word, 520 + len(self.known)) for word in text.split()]
        return ids[:max_pieces], len(ids) > max_pieces

    def render(self, ids: Any) -> list[str]:
        by_id = {token_id: word for word, token_id in self.known.items()}
        return [STRUCTURAL_TOKENS[i] if i < 520 else by_id[int(i)] for i in ids]


def element(node_id: int, tag: str, *children: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    kind = {"type": 2, "id": node_id, "tagName": tag}
    return {**kind, "attributes": named, "childNodes": list(children)}


def text(node_id: int, content: str) -> dict[str, Any]:
    return {"type": 3, "id": node_id, "textContent": content}


def page(*body: dict[str, Any]) -> dict[str, Any]:
    html = element(2, "html", element(3, "head"), element(4, "body", *body))
    return {"type": 0, "id": 1, "childNodes": [html]}


def meta(time_ms: float, href: str = "http://shop.test/") -> dict[str, Any]:
    return {"type": 4, "timestamp": time_ms, "data": {"href": href, "width": 1000, "height": 800}}


def snapshot(time_ms: float, *body: dict[str, Any]) -> dict[str, Any]:
    return {"type": 2, "timestamp": time_ms, "data": {"node": page(*body)}}


def change(time_ms: float, source: int, **members: Any) -> dict[str, Any]:
    return {"type": 3, "timestamp": time_ms, "data": {"source": source, **members}}


def click(time_ms: float, node_id: int) -> dict[str, Any]:
    return change(time_ms, 2, type=2, id=node_id, x=500, y=400)


def typed(*events: dict[str, Any]) -> list[Event]:
    decoded = decode_events([msgspec.json.encode(list(events))])
    assert decoded.num_rejected == 0, decoded.first_error
    return decoded.events


def node(builtin: dict[str, Any]) -> Node:
    return msgspec.convert(builtin, Node)
