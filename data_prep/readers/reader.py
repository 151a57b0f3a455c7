"""What a reader is, and how one is named on the command line."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Final, TypeAlias

from data_prep.errors import DataError
from data_prep.extras import how_to_install
from data_prep.readers.content import Content
from data_prep.readers.session import Rejected
from rrweb_tokenizer.forms.packed import Expander
from rrweb_tokenizer.recording import FoundSession

__all__ = ["ENTRY_POINT_GROUP", "Read", "Reader", "expander_of", "missing_library", "plug_in"]

ENTRY_POINT_GROUP: Final = "rrweb_bert.readers"

Read: TypeAlias = Callable[[Content], Iterator[FoundSession | Rejected]]
"""Yields the sessions of a content in their order; may raise UnreadableError or NotARecording,
which ends the file: what came before is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One container form, or a family of them."""

    name: str
    """What it is called in messages and by `--reader`."""

    detect: Callable[[bytes], bool]
    """Tell from the first bytes of a content (512 at least, where it has them) whether to read it.
    Must be cheap: it runs on every file."""

    read: Read


def expander_of(content: Content) -> Expander:
    """Return what unpacks packed strings within the content's limits."""
    limits = content.limits
    return Expander(
        limits.max_decompressed_bytes,
        limits.max_compression_ratio,
        limits.compression_ratio_floor_bytes,
    )


def missing_library(library: str) -> str:
    """Return the reason for which a file is rejected whose form needs an optional library."""
    return f"needs the library {library}: {how_to_install('readers')}"


def plug_in(name: str) -> Reader:
    """Return a private reader: an entry point of the group `rrweb_bert.readers`, or code.

    Args:
        name: Of an entry point, or `module:function`. What is found there is a `Reader`, or a
            function that takes a `Content` and yields `FoundSession`.

    Raises:
        DataError: There is none of this name; says which there are.
    """
    module, separator, attribute = name.partition(":")
    if separator:
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise DataError(f"--reader {name}: {error}") from None
    else:
        points = entry_points(group=ENTRY_POINT_GROUP)
        if name not in points.names:
            installed = ", ".join(sorted(points.names)) or "none"
            raise DataError(
                f"--reader {name}: no such reader; installed plug-ins: {installed}. A function is "
                "named module:function"
            )
        found = points[name].load()
    if isinstance(found, Reader):
        return found
    if not callable(found):
        raise DataError(f"--reader {name} is neither a Reader nor a function")
    return Reader(name=name, detect=lambda head: True, read=found)
