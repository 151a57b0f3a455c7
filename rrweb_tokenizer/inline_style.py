"""Style attributes: recorded changes of single properties applied to the attribute's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MAX_DECLARATIONS", "InlineStyles", "change_style", "parse_style"]

MAX_DECLARATIONS: Final = 512
"""What a style may declare, more than all properties there are; it bounds the cost of a change."""

_SIDES: Final = ("top", "right", "bottom", "left")
_CORNERS: Final = ("top-left", "top-right", "bottom-right", "bottom-left")
_BORDER: Final = ("width", "style", "color")


def _boxes() -> dict[str, tuple[str, ...]]:
    """Shorthands of four values in the order top, right, bottom, left."""
    boxes = {name: tuple(f"{name}-{side}" for side in _SIDES) for name in ("margin", "padding")}
    boxes["inset"] = _SIDES
    for kind in _BORDER:
        boxes[f"border-{kind}"] = tuple(f"border-{side}-{kind}" for side in _SIDES)
    boxes["border-radius"] = tuple(f"border-{corner}-radius" for corner in _CORNERS)
    return boxes


_BOXES: Final = _boxes()
_PAIRS: Final = {
    "overflow": ("overflow-x", "overflow-y"),
    "gap": ("row-gap", "column-gap"),
    "place-content": ("align-content", "justify-content"),
    "place-items": ("align-items", "justify-items"),
    "place-self": ("align-self", "justify-self"),
}
_OTHERS: Final = {
    "border": tuple(f"border-{side}-{kind}" for side in _SIDES for kind in _BORDER),
    **{f"border-{side}": tuple(f"border-{side}-{kind}" for kind in _BORDER) for side in _SIDES},
    "background": tuple(
        f"background-{part}" for part in ("color", "image", "position-x", "position-y", "size")
    ),
    "flex": ("flex-grow", "flex-shrink", "flex-basis"),
    "flex-flow": ("flex-direction", "flex-wrap"),
    "font": ("font-family", "font-size", "font-style", "font-weight", "line-height"),
    "list-style": ("list-style-image", "list-style-position", "list-style-type"),
    "outline": ("outline-color", "outline-style", "outline-width"),
    "text-decoration": tuple(
        f"text-decoration-{part}" for part in ("color", "line", "style", "thickness")
    ),
    "transition": tuple(
        f"transition-{part}" for part in ("delay", "duration", "property", "timing-function")
    ),
    "animation": tuple(
        f"animation-{part}"
        for part in "delay direction duration iteration-count name timing-function".split()
    ),
}
# Reset by `font`, too; which of them a browser knows depends on its age.
_FONT_EXTRAS: Final = tuple(
    f"font-{part}"
    for part in "variant stretch optical-sizing size-adjust kerning feature-settings "
    "variation-settings language-override".split()
)
_CSS_WIDE: Final = frozenset(("inherit", "initial", "unset", "revert"))
_LONGHANDS: Final = _BOXES | _PAIRS | _OTHERS


def _shorthands() -> dict[str, tuple[str, ...]]:
    """Property -> the shorthands that set it, too."""
    found: dict[str, list[str]] = {}
    for shorthand, longhands in _LONGHANDS.items():
        for longhand in longhands:
            found.setdefault(longhand, []).append(shorthand)
    return {longhand: tuple(shorthands) for longhand, shorthands in found.items()}


_SHORTHANDS: Final = _shorthands()


class InlineStyles:
    """Style attributes by node id, parsed anew only when they were set as a whole."""

    def __init__(self) -> None:
        self._parsed: dict[int, tuple[str, dict[str, str]]] = {}

    def change(self, node_id: int, text: object, changes: Mapping[str, Any]) -> str:
        """The new text of a node's style attribute; `text` is its present value, if any."""
        known_text, declarations = self._parsed.get(node_id, (None, None))
        if declarations is None or known_text is not text:
            declarations = parse_style(text) if isinstance(text, str) else {}
        changed = change_style(declarations, changes)
        self._parsed[node_id] = (changed, declarations)
        return changed


def parse_style(text: str) -> dict[str, str]:
    """Property -> value of a style attribute, a later declaration in place of an earlier one."""
    declarations: dict[str, str] = {}
    for declaration in _split(text):
        name, colon, value = declaration.partition(":")
        name, value = name.strip(), value.strip()
        if colon and name and value:
            name = name if name.startswith("--") else name.lower()
            declarations.pop(name, None)
            declarations[name] = value
            if len(declarations) == MAX_DECLARATIONS:
                break
    return declarations


def change_style(declarations: dict[str, str], changes: Mapping[str, Any]) -> str:
    """Changes declarations as recorded, and gives the text of the style attribute.

    `change_style({"color": "red", "top": "0"}, {"top": "5px", "color": False})` is `"top: 5px;"`.

    A property that is set is written last, so that it wins against a shorthand before it. One
    that is removed is taken out of a shorthand of sides or pairs; out of another shorthand only
    together with its fellows.

    Args:
        declarations: what the attribute declares, from `parse_style`; it is changed.
        changes: rrweb's style object: property -> value, `[value, priority]`, or False to remove.
    """
    for name, value in changes.items():
        name = name if name.startswith("--") else name.lower()
        value = _value(value)
        if not value:
            _remove(declarations, name, changes)
        elif name in declarations or len(declarations) < MAX_DECLARATIONS:
            declarations.pop(name, None)
            declarations[name] = value
    return " ".join([f"{name}: {value};" for name, value in declarations.items()])


def _value(value: object) -> str:
    """A property's new value as CSS text, empty when it is to go."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and value and isinstance(value[0], str):
        is_important = len(value) > 1 and value[1] == "important"
        return f"{value[0]} !important" if is_important and value[0] else value[0]
    return ""


def _split(text: str) -> list[str]:
    """The declarations of a style attribute; `;` within quotes and brackets parts nothing."""
    if not any(mark in text for mark in "('\"\\["):
        return text.split(";")
    parts: list[str] = []
    start, depth, quote, is_escaped = 0, 0, "", False
    for place, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif character == "\\":
            is_escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth = max(0, depth - 1)
        elif character == ";" and not depth:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return parts


def _remove(declarations: dict[str, str], name: str, changes: Mapping[str, Any]) -> None:
    """Removes a property, also where a shorthand declares it."""
    declarations.pop(name, None)
    for longhand in _LONGHANDS.get(name, ()):
        declarations.pop(longhand, None)
    for shorthand in _SHORTHANDS.get(name, ()):
        value = declarations.get(shorthand)
        if value is None:
            continue
        longhands = _LONGHANDS[shorthand]
        parts = _expanded(shorthand, value)
        if parts is not None:
            _replace(declarations, shorthand, parts, name)
        elif all(not _value(changes.get(fellow, "kept")) for fellow in longhands):
            del declarations[shorthand]


def _expanded(shorthand: str, value: str) -> dict[str, str] | None:
    """The declarations for which a shorthand stands, where that is told by counting, else None."""
    value, important, _ = value.partition("!")
    parts = value.split()
    longhands = _LONGHANDS[shorthand]
    if len(parts) == 1 and parts[0] in _CSS_WIDE:
        longhands += _FONT_EXTRAS if shorthand == "font" else ()
        values = parts * len(longhands)
    elif not parts or "(" in value or "/" in value:
        return None
    elif shorthand in _BOXES and len(parts) <= 4:
        top = parts[0]
        right = parts[1] if len(parts) > 1 else top
        bottom = parts[2] if len(parts) > 2 else top
        values = [top, right, bottom, parts[3] if len(parts) > 3 else right]
    elif shorthand in _PAIRS and len(parts) <= 2:
        values = [parts[0], parts[-1]]
    else:
        return None
    if important:
        values = [f"{part} !important" for part in values]
    return dict(zip(longhands, values, strict=True))


def _replace(
    declarations: dict[str, str], shorthand: str, longhands: dict[str, str], removed: str
) -> None:
    """Puts longhands but one in the place of a shorthand; what is declared after it stays."""
    found = list(declarations.items())
    declarations.clear()
    for name, value in found:
        if name != shorthand:
            declarations.pop(name, None)
            declarations[name] = value
            continue
        for longhand, part in longhands.items():
            if longhand != removed:
                declarations.pop(longhand, None)
                declarations[longhand] = part
