"""DOM mutations -> parts of an event: counts first, then the changes that tell most.

Alerts, dialogs and form fields come first; runs of the same change are counted, not repeated; an
event is capped at about 96 ids, and what went is `[ELIDED] [N_k]`.
"""

from __future__ import annotations

from typing import Final

from rrweb_tokenizer.attributes import attribute_id, style_classes, value_ids
from rrweb_tokenizer.chapters import Part
from rrweb_tokenizer.dom import ElementWriter
from rrweb_tokenizer.enums import NodeType
from rrweb_tokenizer.incremental import (
    AddedNode,
    ChangedAttributes,
    ChangedText,
    MutationData,
    Node,
)
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.outline import Subtree
from rrweb_tokenizer.quantize import count_to_bin
from rrweb_tokenizer.references import Target
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.tags import TAG_OF
from rrweb_tokenizer.typed_text import is_within_typed_text

__all__ = ["MAX_MUTATION_IDS", "MutationWriter", "style_signature"]

MAX_MUTATION_IDS: Final = 96
_MAX_CHANGES: Final = 4
_MAX_SUBTREE_IDS: Final = 48
_TARGET_IDS: Final = 12  # what a reference costs on average when it is new
_LEAST_ADDITION: Final = 1 + _TARGET_IDS  # with less room, no added element fits
_WITH_CONTENT: Final = (NodeType.Element, NodeType.Document)

_ADD: Final = STRUCTURAL_IDS["[MUT_ADD]"]
_REMOVE: Final = STRUCTURAL_IDS["[MUT_REMOVE]"]
_MOVE: Final = STRUCTURAL_IDS["[MUT_MOVE]"]
_ATTR: Final = STRUCTURAL_IDS["[MUT_ATTR]"]
_ATTR_DEL: Final = STRUCTURAL_IDS["[MUT_ATTR_DEL]"]
_STYLE: Final = STRUCTURAL_IDS["[MUT_STYLE]"]
_TEXT: Final = STRUCTURAL_IDS["[MUT_TEXT]"]
_TXT: Final = STRUCTURAL_IDS["[TXT]"]
_ELIDED: Final = STRUCTURAL_IDS["[ELIDED]"]
_N_0: Final = STRUCTURAL_IDS["[N_0]"]
_STYLE_LIKE: Final = frozenset(("style", "transform", "d", "points", "x", "y", "width", "height"))
_URGENT_ROLES: Final = frozenset(("alert", "alertdialog", "dialog", "status"))
_URGENT_TAGS: Final = frozenset(("dialog", "form", "input", "button", "select", "textarea"))
_URGENT_ATTRIBUTES: Final = frozenset(
    ("disabled", "checked", "open", "hidden", "aria-expanded", "aria-invalid", "aria-selected")
)


def style_signature(mutation: MutationData) -> frozenset[tuple[int, str]] | None:
    """Which attributes of which nodes change, when nothing but looks changes; else None.

    Successive events with one signature are an animation, and are written as one with a count.
    """
    if mutation.adds or mutation.removes or mutation.texts or not mutation.attributes:
        return None
    signature = frozenset((c.id, name) for c in mutation.attributes for name in c.attributes)
    if not all(name in _STYLE_LIKE or name == "class" for _, name in signature):
        return None
    return signature


class MutationWriter:
    """Applies mutations to the mirror and gives the parts that tell of them."""

    def __init__(self, mirror: Mirror, elements: ElementWriter) -> None:
        self._mirror = mirror
        self._elements = elements

    def apply(self, mutation: MutationData) -> tuple[list[Part], int]:
        """Applies a mutation; gives its parts after head and time, and how many ids were unknown.

        Removed nodes are described as they were, added ones as they are afterwards.
        """
        added_ids = {added.node.id for added in mutation.adds}
        moved_ids = {removed.id for removed in mutation.removes} & added_ids
        removed_ids = [r.id for r in mutation.removes if r.id not in moved_ids]
        parts = self._removals(removed_ids)
        num_unknown = self._mirror.apply(mutation)
        roots = [a for a in mutation.adds if a.parent_id not in added_ids]
        moved = [a for a in roots if a.node.id in moved_ids]
        fresh = sorted((a for a in roots if a.node.id not in moved_ids), key=self._urgency)
        changed = sorted(mutation.attributes, key=_attribute_urgency)
        budget = MAX_MUTATION_IDS - len(parts)
        num_elided = max(0, len(removed_ids) - 1)
        for count_id, total in ((_ADD, len(fresh)), (_MOVE, len(moved))):
            if total:
                parts += [count_id, _N_0 + count_to_bin(total)]
        for added in fresh:
            if budget < _LEAST_ADDITION and self._has_content(added.node.id):
                num_elided += 1
                continue
            budget, num_elided = self._spend(parts, self._addition(added), budget, num_elided)
        for text in mutation.texts:
            budget, num_elided = self._spend(parts, self._text(text), budget, num_elided)
        for change in changed:
            budget, num_elided = self._spend(parts, self._attributes(change), budget, num_elided)
        for added in moved[:1]:
            budget, num_elided = self._spend(
                parts, [_MOVE, Target(added.node.id)], budget, num_elided
            )
        if num_elided:
            parts += [_ELIDED, _N_0 + count_to_bin(num_elided)]
        return parts, num_unknown

    def _spend(
        self, parts: list[Part], change: list[Part], budget: int, num_elided: int
    ) -> tuple[int, int]:
        """Adds a change when it fits into the budget; else counts it as left out."""
        if not change:
            return budget, num_elided
        num_targets = list(map(type, change)).count(Target)
        cost = len(change) + num_targets * (_TARGET_IDS - 1)
        if cost > budget:
            return budget, num_elided + 1
        parts += change
        return budget - cost, num_elided

    def _removals(self, removed_ids: list[int]) -> list[Part]:
        if not removed_ids:
            return []
        parts: list[Part] = [_REMOVE, _N_0 + count_to_bin(len(removed_ids))]
        node = next((n for n in map(self._mirror.get, removed_ids) if n is not None), None)
        if node is not None and node.type == NodeType.Element:
            parts.append(self._elements.tag_id(node))
        return parts

    def _has_content(self, node_id: int) -> bool:
        node = self._mirror.get(node_id)
        return node is not None and node.type in _WITH_CONTENT

    def _addition(self, added: AddedNode) -> list[Part]:
        node = self._mirror.get(added.node.id)
        if node is None:
            return []
        if node.type == NodeType.Text:
            return self._text(ChangedText(id=node.id, value=node.text_content))
        if node.type not in _WITH_CONTENT:
            return []
        if is_within_typed_text(node, self._mirror):
            return [_ADD, Target(added.parent_id), *self._elements.typed(node)]
        subtree = self._elements.subtree(node, _MAX_SUBTREE_IDS)
        return [_ADD, Target(added.parent_id), *_cut(subtree, _MAX_SUBTREE_IDS + 8)]

    def _text(self, text: ChangedText) -> list[Part]:
        """A text that is shown, with the element it stands in: nothing of comments and of code."""
        node, parent = self._mirror.get(text.id), self._mirror.parent(text.id)
        if node is None or parent is None or node.type != NodeType.Text:
            return []
        if TAG_OF[parent.tag_name].is_unread:
            return []
        if is_within_typed_text(node, self._mirror):
            return [_TEXT, Target(parent.id), *value_ids(text.value or "")]
        if not text.value or text.value.isspace():
            return []
        ids = self._elements.text(text.value, max_pieces=16)
        return [_TEXT, Target(parent.id), _TXT, *ids] if ids else []

    def _attributes(self, changed: ChangedAttributes) -> list[Part]:
        node = self._mirror.get(changed.id)
        if node is None:
            return []
        parts: list[Part] = []
        # Below an editable element the visitor decides what links and pictures say.
        is_visitors = is_within_typed_text(node, self._mirror)
        for name in list(changed.attributes)[:_MAX_CHANGES]:
            value = changed.attributes[name]
            if is_visitors and value is not None and name != "style":
                parts.append(attribute_id(name))
            else:
                parts += self._attribute(node, name, value)
        return [_ATTR, Target(changed.id), *parts] if parts else []

    def _attribute(self, node: Node, name: str, value: object) -> list[Part]:
        if value is None:
            return [_ATTR_DEL, attribute_id(name)]
        if name == "style":
            return [_STYLE, *style_classes(value)]
        if name in _STYLE_LIKE:
            kind = "transform" if name == "transform" else "width" if "h" in name else "top"
            return [_STYLE, *style_classes(f"{kind}: 0")]
        return [*(self._elements.attribute(node, name, value) or [attribute_id(name)])]

    def _urgency(self, added: AddedNode) -> int:
        node = added.node
        if str(node.attributes.get("role")) in _URGENT_ROLES:
            return 0
        if node.tag_name.lower() in _URGENT_TAGS:
            return 1
        return 2 if node.type == NodeType.Element else 3


def _cut(subtree: Subtree, max_ids: int) -> list[int]:
    """A subtree's ids, cut between nodes; what can be clicked may leave it over its cap."""
    ids = subtree.ids()
    if len(ids) <= max_ids:
        return ids
    nodes = subtree.nodes[:-1] if subtree.num_elided else subtree.nodes
    ids = list(nodes[0])
    num_kept = 1
    while num_kept < len(nodes) and len(ids) + len(nodes[num_kept]) + 2 <= max_ids:
        ids += nodes[num_kept]
        num_kept += 1
    num_elided = subtree.num_elided + len(nodes) - num_kept
    return [*ids, _ELIDED, _N_0 + count_to_bin(num_elided)] if num_elided else ids


def _attribute_urgency(changed: ChangedAttributes) -> int:
    if any(name in _URGENT_ATTRIBUTES for name in changed.attributes):
        return 0
    return 2 if all(name in _STYLE_LIKE for name in changed.attributes) else 1
