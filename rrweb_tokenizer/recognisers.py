"""The hook for a recogniser of one's own, which finds what patterns cannot: names in free text.

A recogniser is any function that takes a text and gives the spans to hide::

    def find_names(text: str) -> list[tuple[int, int, ValueClass]]:
        return [(m.start(), m.end(), ValueClass.V_NAME) for m in NAMES.finditer(text)]

It runs after the patterns of `kinds.KINDS`, on the segments that these left, and before the text is
split into pieces. It must give the same spans for the same text: answers are remembered.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from rrweb_tokenizer.value_classes import ValueClass

__all__ = ["Recogniser", "hide_recognised", "load_recogniser", "module_file", "recogniser_name"]

Recogniser: TypeAlias = Callable[[str], Iterable[tuple[int, int, ValueClass]]]
"""Text -> spans (start, stop, class), half-open, in characters; they may overlap, in any order."""


def hide_recognised(segment: str, recogniser: Recogniser) -> list[str | ValueClass]:
    """The segment with every recognised span replaced by its class.

    Spans that overlap are hidden as one, with the class of the first.

    Raises:
        ValueError: A span lies outside the text, or its class is none.
    """
    parts: list[str | ValueClass] = []
    place = 0
    for start, stop, value_class in sorted(recogniser(segment), key=lambda span: span[:2]):
        is_within = 0 <= start <= stop <= len(segment)
        if not is_within or not isinstance(value_class, ValueClass):
            raise ValueError(
                f"{recogniser_name(recogniser)} gave ({start!r}, {stop!r}, {value_class!r}) for a "
                f"text of {len(segment)} characters; a span is (start, stop, ValueClass) within it"
            )
        if stop <= max(place, start):
            continue
        if start >= place:
            parts += _stripped(segment[place:start])
            parts.append(value_class)
        place = stop
    return parts + _stripped(segment[place:])


def _stripped(text: str) -> list[str]:
    return [text.strip()] if text and not text.isspace() else []


def recogniser_name(recogniser: Recogniser) -> str:
    """The name under which a recogniser is imported, "module:function"; of an object, its class's.

    It is what a saved tokenizer and a prepared corpus say of it.
    """
    named: Any = recogniser if hasattr(recogniser, "__qualname__") else type(recogniser)
    return f"{named.__module__}:{named.__qualname__}"


def load_recogniser(name: str) -> Recogniser:
    """The recogniser of a name such as "my_names:find_names".

    This imports the module, so the name must come from the user, never from a file beside a model.

    Raises:
        ValueError: Nothing callable has this name; says what is wrong.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ValueError(f"{name!r} names no recogniser; write module:function")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"recogniser {name}: {error}; install it, or put its folder into PYTHONPATH"
        ) from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ValueError(f"recogniser {name}: {module_name} has no function {attribute}")
    recogniser: Recogniser = found
    return recogniser


def module_file(recogniser: Recogniser) -> Path | None:
    """The file that a recogniser's code stands in, where there is one."""
    module = importlib.import_module(recogniser_name(recogniser).partition(":")[0])
    return Path(module.__file__) if module.__file__ else None
