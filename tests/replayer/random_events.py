"""Random recordings: a document is really changed, and each change is told as rrweb tells it.

A mutation names what was removed or moved with its old parent, and adds each node that is new or
moved, all below it included, with its parent and next sibling as they are in the end. The order of
the adds is shuffled. With `gaps`, some mutations are lost, so that later ones name unknown nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

__all__ = ["random_recording"]

_TAGS = ("div", "p", "span", "div", "style", "textarea", "iframe", "html-like")
_HOLDERS = frozenset(("body", "div", "p", "span", "html-like"))
_STYLES = ("color: red", "margin: 1px 2px; top: 3px", "overflow: hidden; margin-top: 4px;", "top:0")


@dataclass(slots=True, eq=False)
class _Node:
    """A node of the simulated document; tag "" is a text."""

    id: int
    tag: str
    text: str = ""
    is_shadow: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    children: list[_Node] = field(default_factory=list)
    parent: _Node | None = None

    def walk(self) -> list[_Node]:
        found = [self]
        for node in found:
            found.extend(node.children)
        return found

    def serialized(self, *, with_children: bool) -> dict[str, Any]:
        shadow = {"isShadow": True} if self.is_shadow else {}
        if not self.tag:
            return {"type": 3, "id": self.id, "textContent": self.text, **shadow}
        host = {"isShadowHost": True} if any(c.is_shadow for c in self.children) else {}
        children = (
            [c.serialized(with_children=True) for c in self.children] if with_children else []
        )
        element = {"type": 2, "id": self.id, "tagName": self.tag, "childNodes": children}
        return {**element, "attributes": dict(self.attributes), **host, **shadow}


def random_recording(
    random: Random, num_mutations: int = 12, *, gaps: bool = False
) -> list[dict[str, Any]]:
    """The events of a random session; with `gaps`, a fifth of its mutations is missing."""
    simulation = _Simulation(random)
    html = {"type": 2, "id": 2, "tagName": "html", "attributes": {}}
    html["childNodes"] = [simulation.body.serialized(with_children=True)]
    document = {"type": 0, "id": 1, "childNodes": [html]}
    events: list[dict[str, Any]] = [
        {
            "type": 4,
            "timestamp": 0,
            "data": {"href": "http://a.test/", "width": 800, "height": 600},
        },
        {"type": 2, "timestamp": 1, "data": {"node": document, "initialOffset": {}}},
    ]
    for number in range(num_mutations):
        data = {"source": 0, **simulation.mutation()}
        if not gaps or random.random() < 0.8:
            events.append({"type": 3, "timestamp": 10 + number, "data": data})
    return events


class _Simulation:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._next_id = 4
        self.body = _Node(3, "body")
        for _ in range(random.randrange(3, 12)):
            self._insert(self._new_node(), self._some_holder(), [])

    def mutation(self) -> dict[str, Any]:
        """Changes the document and gives the mutation that tells of it."""
        random = self._random
        before = {node.id: (node.parent, node.is_shadow) for node in self.body.walk()}
        moved: list[_Node] = []
        changes: dict[int, dict[str, Any]] = {}
        texts: dict[int, str] = {}
        for _ in range(random.randrange(1, 5)):
            node = random.choice(self.body.walk())
            action = random.choice(("insert", "move", "remove", "attributes", "text"))
            if action == "insert":
                self._insert(self._new_node(), self._some_holder(), moved)
            elif action == "remove" and node is not self.body:
                self._take_out(node)
            elif action == "move" and node is not self.body:
                holders = [n for n in self._holders() if n not in node.walk()]
                if not node.is_shadow and holders:
                    self._take_out(node)
                    self._insert(node, random.choice(holders), moved)
            elif action == "attributes" and node.tag and node.id in before:
                changes.setdefault(node.id, {}).update(self._change(node))
            elif action == "text" and not node.tag:
                texts[node.id] = node.text = self._word()
        return self._told(before, moved, changes, texts)

    def _told(
        self,
        before: dict[int, tuple[_Node | None, bool]],
        moved: list[_Node],
        changes: dict[int, dict[str, Any]],
        texts: dict[int, str],
    ) -> dict[str, Any]:
        now = self.body.walk()
        is_there = {node.id for node in now}
        roots = {node.id for node in moved}
        removes = [
            {"id": node_id, "parentId": parent.id, **({"isShadow": True} if is_shadow else {})}
            for node_id, (parent, is_shadow) in before.items()
            if parent is not None
            and (node_id in roots or (node_id not in is_there and parent.id in is_there))
        ]
        added = {inner.id: inner for node in moved if node.id in is_there for inner in node.walk()}
        adds = []
        for node in added.values():
            assert node.parent is not None
            siblings = [c for c in node.parent.children if c.is_shadow == node.is_shadow]
            following = [*siblings, None][siblings.index(node) + 1]
            next_id = None if following is None else following.id
            serialized = node.serialized(with_children=False)
            adds.append({"parentId": node.parent.id, "nextId": next_id, "node": serialized})
        self._random.shuffle(adds)
        attributes = [
            {"id": i, "attributes": c} for i, c in changes.items() if i in is_there - added.keys()
        ]
        told_texts = [
            {"id": i, "value": t} for i, t in texts.items() if i in is_there - added.keys()
        ]
        return {"removes": removes, "adds": adds, "texts": told_texts, "attributes": attributes}

    def _holders(self) -> list[_Node]:
        return [node for node in self.body.walk() if node.tag in _HOLDERS]

    def _some_holder(self) -> _Node:
        return self._random.choice(self._holders())

    def _new_node(self) -> _Node:
        self._next_id += 1
        if self._random.random() < 0.3:
            return _Node(self._next_id, "", self._word())
        tag = self._random.choice(_TAGS)
        node = _Node(self._next_id, tag, attributes={"class": self._word()})
        if self._random.random() < 0.3:
            node.attributes["style"] = self._random.choice(_STYLES)
        if tag == "style" and self._random.random() < 0.5:
            node.attributes["_cssText"] = f"p {{ color: {self._word()}; }}"
        if tag == "textarea" and self._random.random() < 0.5:
            node.attributes["value"] = self._word()
        elif tag in ("style", "textarea"):
            self._next_id += 1
            text = _Node(
                self._next_id, "", "" if "_cssText" in node.attributes else "p { top: 0; }"
            )
            text.parent = node
            node.children.append(text)
        return node

    def _insert(self, node: _Node, parent: _Node, moved: list[_Node]) -> None:
        is_host = any(child.is_shadow for child in parent.children)
        wants_shadow = node.parent is None and not node.is_shadow and parent is not self.body
        if wants_shadow and (is_host or not parent.children) and self._random.random() < 0.2:
            node.is_shadow = is_host or parent.tag in ("div", "span")
        parent.children.insert(self._random.randrange(len(parent.children) + 1), node)
        node.parent = parent
        moved.append(node)

    def _take_out(self, node: _Node) -> None:
        assert node.parent is not None
        node.parent.children.remove(node)

    def _change(self, node: _Node) -> dict[str, Any]:
        random = self._random
        style: dict[str, Any] = {"margin-top": random.choice((False, "7px", ["8px", "important"]))}
        style[random.choice(("color", "overflow-x", "top"))] = random.choice((False, "inherit"))
        changes: dict[str, Any] = random.choice(
            (
                {"class": self._word()},
                {"class": None, "title": self._word()},
                {"style": style},
                {"style": random.choice(_STYLES)},
                {"style": None},
            )
        )
        node.attributes.update({k: v for k, v in changes.items() if not isinstance(v, dict)})
        return changes

    def _word(self) -> str:
        return self._random.choice(("alpha", "beta", "gamma")) + str(self._random.randrange(1000))
