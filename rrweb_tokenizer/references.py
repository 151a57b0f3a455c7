"""Targets of events as references: `[REF_NEW]` and a description, later `[REF_j]`.

The list of recently used nodes holds 12; it starts empty at every keyframe and at every snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rrweb_tokenizer.dom import ElementWriter
from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

__all__ = ["RECENT_NODES", "References", "Target"]

RECENT_NODES: Final = 12

_NEW: Final = STRUCTURAL_IDS["[REF_NEW]"]
_FIRST: Final = STRUCTURAL_IDS["[REF_0]"]
_DOC: Final = STRUCTURAL_IDS["[REF_DOC]"]
_GONE: Final = STRUCTURAL_IDS["[REF_GONE]"]
_UNKNOWN: Final = STRUCTURAL_IDS["[REF_UNK]"]


@dataclass(frozen=True, slots=True)
class Target:
    """A mention of a node, to be written when its place in the recently-used list is known.

    Attributes:
        node_id: rrweb's id of the node.
        with_tag: write the tag after `[REF_j]` too, so that a click reads without following it.
    """

    node_id: int
    with_tag: bool = False


class References:
    """The recently used nodes, most recent first."""

    def __init__(self, mirror: Mirror, elements: ElementWriter) -> None:
        self._mirror = mirror
        self._elements = elements
        self._recent: list[int] = []

    def clear(self) -> None:
        """Forgets all mentions, as at a keyframe."""
        self._recent.clear()

    def snapshot(self) -> list[int]:
        """The list's present state, for `restore`."""
        return self._recent.copy()

    def restore(self, recent: list[int]) -> None:
        """Puts back a state that `snapshot` gave."""
        self._recent = recent.copy()

    def mention(self, target: Target) -> list[int]:
        """The ids of a mention; the node becomes the most recent one."""
        node = self._mirror.get(target.node_id)
        if node is None:
            return [_GONE if self._mirror.has_gone(target.node_id) else _UNKNOWN]
        if node.type == NodeType.Document and self._mirror.parent(node.id) is None:
            return [_DOC]
        if node.id in self._recent:
            place = self._recent.index(node.id)
            del self._recent[place]
            self._recent.insert(0, node.id)
            ids = [_FIRST + place]
            if target.with_tag:
                ids.append(self._elements.tag_id(node))
            return ids
        self._recent.insert(0, node.id)
        del self._recent[RECENT_NODES:]
        return [_NEW, *self._elements.describe(node, self._mirror)]
