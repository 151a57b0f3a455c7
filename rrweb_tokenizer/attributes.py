"""Attributes of elements -> ids: a named token and a value that tells something.

Booleans, roles and input types are single tokens; class names are split and machine-made ones
dropped; URLs lose their query values; form values become classes. What tells nothing gives no id.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rrweb_tokenizer.memo import IdsMemo
from rrweb_tokenizer.quantize import count_to_bin
from rrweb_tokenizer.redact import classify_identifier, classify_value
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_encoder import TextEncoder
from rrweb_tokenizer.urls import UrlWriter, resource_kind

__all__ = ["AttributeWriter", "attribute_id", "style_classes", "value_ids"]

_MAX_ATTRIBUTE_CHARS: Final = 4_096
_MEMO_BYTES: Final = 4 << 20
_MAX_TEXT_PIECES: Final = 8
_MAX_CLASS_NAMES: Final = 3
_MAX_CLASS_PIECES: Final = 4

_AT: Final = {token[4:-1]: i for token, i in STRUCTURAL_IDS.items() if token.startswith("[AT_")}
_TYPES: Final = {
    token[6:-1]: i for token, i in STRUCTURAL_IDS.items() if token.startswith("[TYPE_")
}
_ROLES: Final = {
    token[6:-1]: i for token, i in STRUCTURAL_IDS.items() if token.startswith("[ROLE_")
}
_TRUE: Final = STRUCTURAL_IDS["[TRUE]"]
_FALSE: Final = STRUCTURAL_IDS["[FALSE]"]
_N_0: Final = STRUCTURAL_IDS["[N_0]"]
_R_DATA: Final = STRUCTURAL_IDS["[R_DATA]"]
_VAL: Final = STRUCTURAL_IDS["[VAL]"]
_EMPTY: Final = STRUCTURAL_IDS["[V_EMPTY]"]

_TEXTS: Final = frozenset(
    "title alt placeholder aria-label name for id data-testid data-state target rel "
    "autocomplete lang method".split()
)
_BOOLEANS: Final = frozenset(
    "hidden required disabled readonly checked selected multiple open contenteditable draggable "
    "aria-hidden aria-expanded aria-selected aria-checked aria-disabled aria-current aria-pressed "
    "aria-haspopup aria-invalid aria-live aria-modal download".split()
)
_NUMBERS: Final = frozenset("min max maxlength tabindex".split())
_PIXELS: Final = frozenset(("rr_width", "rr_height", "rr_scrollTop"))
_URLS: Final = frozenset("href action".split())
_RESOURCES: Final = frozenset("src srcset".split())
_TEST_IDS: Final = frozenset("data-testid data-test-id data-test data-cy data-qa".split())

# Style property -> the class of change it makes, first match wins.
_STYLE_CLASSES: Final = (
    ("ST_OPACITY", re.compile(r"opacity")),
    ("ST_TRANSFORM", re.compile(r"transform|translate|rotate|scale|animation|transition")),
    ("ST_SIZE", re.compile(r"width|height|size|padding|flex|grid")),
    ("ST_POSITION", re.compile(r"^(top|left|right|bottom|inset|position|margin|z-index|float)")),
    ("ST_COLOR", re.compile(r"color|background|fill|stroke|shadow|border")),
)
_HIDES: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|content-visibility\s*:\s*hidden"
)
_SHOWS: Final = re.compile(r"display\s*:|visibility\s*:")
# Class names that a build tool made, or that only move pixels (Tailwind, Bootstrap spacing).
_MACHINE_NAME: Final = re.compile(
    r"^(css|sc|jss|emotion|svelte|_ng\w*|ng|v|data-v)-(?=[\w-]+$)[\w-]*\d|"
    r"^(?=[\w-]{6,34}$)(?=[\w-]*\d[\w-]*[A-Za-z])[\w-]{0,24}[_-]{1,2}[A-Za-z0-9]{5,8}$|"
    r"^-?([mp][trblxyse]?|w|h|g|gap|min-[wh]|max-[wh]|top|left|right|bottom|inset|z|order|col|row|"
    r"fs|fw|lh|space-[xy]|leading|tracking|rounded|border|opacity|translate-[xy]|basis|grow|shrink)"
    r"-?(\[|\d|auto|full|px|sm|md|lg|xl|xs|none|[se]-\d)[\w./%\]-]*$|[:\[\]]"
)
_HAS_RUN_OF_DIGITS: Final = re.compile(r"\d{4,}")


@lru_cache(maxsize=4096)
def attribute_id(name: str) -> int:
    """The `[AT_*]` id of an attribute name; families and `[AT_other]` take what is not named."""
    known = _AT.get(name)
    if known is not None:
        return known
    if name in _TEST_IDS:
        return _AT["data-testid"]
    for prefix, family in (("aria-", "aria-*"), ("data-", "data-*"), ("on", "on*")):
        if name.startswith(prefix):
            return _AT[family]
    if name in ("rr_scrollTop", "rr_scrollLeft"):
        return _AT["rr_scroll"]
    if name in ("rr_width", "rr_height"):
        return _AT["rr_size"]
    return _AT["rr_media"] if name.startswith("rr_media") else _AT["other"]


def style_classes(style: object) -> list[int]:
    """The `[ST_*]` ids of a style change, at most three, in a fixed order.

    Args:
        style: the text of a style attribute, or rrweb's object of changed properties.
    """
    if isinstance(style, dict):
        text = "; ".join(
            f"{name}: {value[0] if isinstance(value, list) and value else value}"
            for name, value in style.items()
        )
    else:
        text = str(style)
    return _style_classes(text[:_MAX_ATTRIBUTE_CHARS])


@lru_cache(maxsize=1024)
def _style_classes(text: str) -> list[int]:
    text = text.lower()
    found: list[int] = []
    if _HIDES.search(text):
        found.append(STRUCTURAL_IDS["[ST_HIDE]"])
    elif _SHOWS.search(text):
        found.append(STRUCTURAL_IDS["[ST_SHOW]"])
    names = [part.partition(":")[0].strip() for part in text.split(";")]
    for label, pattern in _STYLE_CLASSES:
        if any(pattern.search(name) for name in names):
            found.append(STRUCTURAL_IDS[f"[{label}]"])
    return found[:3] or [STRUCTURAL_IDS["[ST_OTHER]"]]


def value_ids(value: str) -> list[int]:
    """A form value as its class and length bin, never its characters.

    An empty value is `[V_EMPTY]` alone; plain text without a class is `[VAL] [N_k]`.
    """
    value_class = classify_value(value[:_MAX_ATTRIBUTE_CHARS])
    if value_class is None:
        return [_VAL, _N_0 + count_to_bin(len(value))]
    class_id = STRUCTURAL_IDS[f"[{value_class.value}]"]
    return [class_id] if class_id == _EMPTY else [class_id, _N_0 + count_to_bin(len(value))]


def _is_true(value: object) -> bool:
    return str(value).lower() not in ("false", "0", "none", "off")


def _is_machine_made(name: str) -> bool:
    return bool(_MACHINE_NAME.search(name) or _HAS_RUN_OF_DIGITS.search(name))


class AttributeWriter:
    """Writes attributes as ids; repeated ones come from a memo of at most about 8 MB."""

    def __init__(self, text_encoder: TextEncoder, urls: UrlWriter) -> None:
        self._text_encoder = text_encoder
        self._urls = urls
        self._memo = IdsMemo(_MEMO_BYTES)
        self._names = IdsMemo(_MEMO_BYTES)

    def write(self, tag: str, name: str, value: object, page_host: str) -> list[int]:
        """The ids of one attribute, its `[AT_*]` token first; empty when it tells nothing.

        Args:
            tag: the element's tag name, lower case.
            name: the attribute's name.
            value: its value as recorded: a string, a number, a bool or a style object.
            page_host: links to this host are written without it.
        """
        if name == "style":
            return [_AT["style"], *style_classes(value)] if value else []
        if value is None or isinstance(value, dict | list):
            return []
        text = str(value)[:_MAX_ATTRIBUTE_CHARS]
        key = (name, text, tag if name == "value" else page_host if name in _URLS else "")
        ids = self._memo.get(key)
        if ids is None:
            ids = self._write(tag, name, text, page_host)
            self._memo.put_ids(key, ids, len(text))
        return ids

    def _write(self, tag: str, name: str, value: str, page_host: str) -> list[int]:
        name_id = attribute_id(name)
        if name == "class":
            return self._class_names(value)
        if name == "type":
            return [_TYPES[value]] if value in _TYPES else []
        if name == "role":
            return [_ROLES[value]] if value in _ROLES else []
        if name in _BOOLEANS:
            return [name_id, _TRUE if _is_true(value) else _FALSE]
        if name in _TEXTS or name in _TEST_IDS:
            return self._text(name_id, value)
        if name in _URLS:
            return [name_id, *self._urls.write(value, page_host)]
        if name in _RESOURCES:
            return [name_id, resource_kind(value)]
        if name in _NUMBERS:
            return [name_id, _N_0 + count_to_bin(_number(value))]
        if name == "value":
            return self._value(tag, name_id, value)
        if name == "rr_mediaState":
            return [name_id, _TRUE if value == "played" else _FALSE]
        if name == "rr_open_mode":
            return [_AT["aria-modal"], _TRUE if value == "modal" else _FALSE]
        if name in _PIXELS:
            return [name_id, _N_0 + count_to_bin(_number(value.removesuffix("px")))]
        if name == "rr_dataURL":
            return [_R_DATA, _N_0 + count_to_bin(len(value) // 1024)]
        return []

    def _text(self, name_id: int, value: str) -> list[int]:
        value = value.strip()
        value_class = classify_identifier(value) if value else None
        if value_class is not None:
            return [name_id, STRUCTURAL_IDS[f"[{value_class.value}]"]]
        if not value or (name_id == _AT["id"] and _is_machine_made(value)):
            return []
        return [name_id, *self._text_encoder.encode(value, _MAX_TEXT_PIECES)[0]]

    def _value(self, tag: str, name_id: int, value: str) -> list[int]:
        if tag in ("input", "textarea", "select"):
            return [name_id, *value_ids(value)]
        return []

    def _class_names(self, value: str) -> list[int]:
        ids: list[int] = []
        kept = 0
        for name in value.split():
            name_ids = self._class_name(name)
            if not name_ids:
                continue
            ids += name_ids
            kept += 1
            if kept == _MAX_CLASS_NAMES:
                break
        return [_AT["class"], *ids] if ids else []

    def _class_name(self, name: str) -> list[int]:
        """The ids of one class name, empty for one that a tool made."""
        ids = self._names.get(name)
        if ids is None:
            is_told = not _is_machine_made(name) and classify_identifier(name) is None
            ids = self._text_encoder.encode(name, _MAX_CLASS_PIECES)[0] if is_told else []
            self._names.put_ids(name, ids, len(name))
        return ids


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0
