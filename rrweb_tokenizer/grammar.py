"""The validator: which successions of ids break the table of `grammar_table`, and how many.

It is compiled once into matrices, so that whole corpora can be judged. Here n is a number of ids,
and C = 521 stands for the structural tokens and, last, one column for all text pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from rrweb_tokenizer.grammar_table import CLASSES, FIRST_FIELDS, FOLLOWERS, SETS
from rrweb_tokenizer.structural_vocab import (
    GROUPS,
    MASK_ID,
    MAX_VOCAB_SIZE,
    NUM_STRUCTURAL,
    PAD_ID,
    SEP_ID,
    STRUCTURAL_TOKENS,
    TEXT_GROUP,
)

__all__ = [
    "classes_of",
    "first_field_matrix",
    "illegal_share",
    "illegal_successions",
    "successor_matrix",
]

_TIME: Final = "time delta"
_TEXT_COLUMN: Final = NUM_STRUCTURAL
_NUM_COLUMNS: Final = NUM_STRUCTURAL + 1

Matrix = npt.NDArray[np.bool_]


@cache
def classes_of() -> tuple[str, ...]:
    """The class of each structural id, and of text pieces last: C names."""
    set_apart = {f"[{token}]": name for name, tokens in CLASSES.items() for token in tokens.split()}
    of_structural = (set_apart.get(t, group.name) for group in GROUPS for t in group.tokens)
    return (*of_structural, TEXT_GROUP)


@cache
def successor_matrix() -> Matrix:
    """(C, C) bool: whether the column's token may stand right after the row's."""
    rows = _rows(FOLLOWERS)
    rows[_columns((_TIME,))] = _rows(FIRST_FIELDS).any(axis=0)
    return _framed(rows)


@cache
def first_field_matrix() -> Matrix:
    """(C, C) bool: whether the column's token may stand after the row's and a time delta."""
    rows = _rows(FIRST_FIELDS)
    rows[~rows.any(axis=1)] = True  # no delta may follow these: that is what is illegal
    return _framed(rows)


def illegal_successions(ids: npt.ArrayLike) -> Matrix:
    """(n - 1,) bool: where an id may not stand after the one before it.

    Works on sessions, on windows with [CLS], [SEP] and [PAD], and on any part of them; [MASK] may
    stand for any token. Tens of millions of ids a second.

    Args:
        ids: (n,) integers.

    Raises:
        ValueError: `ids` has another shape, or an id lies outside the vocabulary.
    """
    columns = _as_columns(ids)
    before, after = columns[:-1], columns[1:]
    is_illegal = ~successor_matrix()[before, after]
    is_illegal[1:] |= _is_time()[before[1:]] & ~first_field_matrix()[before[:-1], after[1:]]
    return is_illegal


def illegal_share(ids: npt.ArrayLike) -> float:
    """The share of successions that are illegal; 0.0 where there is none at all."""
    is_illegal = illegal_successions(ids)
    return float(is_illegal.mean()) if len(is_illegal) else 0.0


def _as_columns(ids: npt.ArrayLike) -> npt.NDArray[np.intp]:
    array = np.asarray(ids)
    if array.ndim != 1:
        raise ValueError(f"one row of ids is needed, got the shape {array.shape}")
    if not array.size:
        return np.zeros(0, np.intp)
    if array.dtype.kind not in "iu":
        raise ValueError(f"ids must be integers, got {array.dtype}")
    if array.min() < 0 or array.max() >= MAX_VOCAB_SIZE:
        raise ValueError(
            f"ids must be in 0..{MAX_VOCAB_SIZE - 1}, got {array.min()}..{array.max()}"
        )
    columns: npt.NDArray[np.intp] = np.minimum(array, _TEXT_COLUMN).astype(np.intp)
    return columns


@cache
def _is_time() -> Matrix:
    return np.array([name == _TIME for name in classes_of()])


def _rows(table: Mapping[str, str]) -> Matrix:
    """(C, C) bool: a table's rows, written out for every token of their classes."""
    matrix = np.zeros((_NUM_COLUMNS, _NUM_COLUMNS), np.bool_)
    for name, followers in table.items():
        matrix[np.ix_(_columns(_expand(name)), _columns(_expand(followers)))] = True
    return matrix


def _framed(matrix: Matrix) -> Matrix:
    """The matrix with what windows add: they may end anywhere, and a mask stands for any token."""
    is_framing = [class_name in ("pad", "sep") for class_name in classes_of()]
    matrix[~np.array(is_framing), SEP_ID] = True
    matrix[MASK_ID, :] = matrix[:, MASK_ID] = True
    matrix[PAD_ID, MASK_ID] = False
    return matrix


def _expand(names: str) -> Iterable[str]:
    """The classes, and tokens without brackets, of a right-hand side."""
    for name in names.split(", ") if names else ():
        if name in SETS:
            yield from _expand(SETS[name])
        else:
            yield name


def _columns(names: Iterable[str]) -> list[int]:
    """The columns of classes, groups and tokens, ascending."""
    wanted = set(names)
    groups = [group.name for group in GROUPS for _ in group.tokens] + [TEXT_GROUP]
    tokens = [token[1:-1] for token in STRUCTURAL_TOKENS] + [TEXT_GROUP]
    known = zip(classes_of(), groups, tokens, strict=True)
    return [
        column
        for column, (class_name, group, token) in enumerate(known)
        if class_name in wanted or token in wanted or (group in wanted and class_name == group)
    ]
