"""The texts that stand in ids: what pages say, read without their structure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.structural_vocab import NUM_STRUCTURAL
from rrweb_tokenizer.text_model import TextModel

__all__ = ["text_of", "text_runs"]


def text_runs(ids: npt.NDArray[np.integer], text_model: TextModel) -> Iterator[tuple[int, str]]:
    """(offset, text) of each run of text pieces in `ids` (n,), in order."""
    is_text = np.concatenate([[False], ids >= NUM_STRUCTURAL, [False]])
    edges = np.flatnonzero(is_text[1:] != is_text[:-1])
    for start, stop in edges.reshape(-1, 2).tolist():
        yield start, text_model.decode_plain(ids[start:stop].tolist())


def text_of(ids: npt.NDArray[np.integer], text_model: TextModel) -> str:
    """All texts, a line each."""
    return "\n".join(text for _, text in text_runs(ids, text_model))
