"""`--where "goal=search"`, `"duration>=60"`: which items a search may return."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data_prep.errors import DataError

from ..embeddings.layout import OWN_COLUMNS

__all__ = ["Condition", "mask_of", "parse_condition"]

_CONDITION: Final = re.compile(r"\s*([^=<>!]+?)\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*", re.DOTALL)
_COMPARE: Final = {
    ">": pc.greater,
    ">=": pc.greater_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    "=": pc.equal,
}
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A comparison of a field with a value; an empty value with = or != asks for none or some."""

    field: str
    operator: str
    value: str


def parse_condition(text: str) -> Condition:
    """The condition that a text says.

    Raises:
        DataError: it is none; says what one looks like.
    """
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise DataError(
            f"{text!r} is no condition; it is FIELD, one of = != < <= > >=, and a value, as "
            "goal=search or duration>=60"
        )
    return Condition(field=found[1], operator=found[2], value=found[3])


def mask_of(fields: Any, conditions: Sequence[str]) -> npt.NDArray[np.bool_] | None:
    """(N,) bool: the items that meet all conditions; None where there is none.

    Args:
        fields: an Arrow table, a row an item.
        conditions: as `parse_condition` takes them.

    Raises:
        DataError: there is no such field, or the value is not of its kind.
    """
    if not conditions:
        return None
    mask = np.ones(len(fields), dtype=bool)
    for text in conditions:
        condition = parse_condition(text)
        if condition.field not in fields.column_names:
            near = get_close_matches(condition.field, fields.column_names, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise DataError(
                f"no field is called {condition.field!r}{hint} There are: "
                f"{', '.join(fields.column_names)}{_where_labels_come_from(fields)}"
            )
        mask &= _meets(fields.column(condition.field), condition)
    return mask


def _where_labels_come_from(fields: Any) -> str:
    if set(fields.column_names) - {field.name for field in OWN_COLUMNS}:
        return ""
    return ". Fields of your own, such as goal, come from `embed --labels FILE`, and then `index`"


def _meets(column: Any, condition: Condition) -> npt.NDArray[np.bool_]:
    """Nothing that has no value meets a comparison, but `!=` it does."""
    if condition.value == "" and condition.operator in ("=", "!="):
        is_none = _booleans(column.is_null())
        return is_none if condition.operator == "=" else ~is_none
    if condition.operator == "!=":
        return ~_meets(
            column, Condition(field=condition.field, operator="=", value=condition.value)
        )
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds(column.combine_chunks(), condition)
    return _compared(column, condition)


def _compared(column: Any, condition: Condition) -> npt.NDArray[np.bool_]:
    """The value is taken as one of the column's type."""
    kind, name = column.type, condition.field
    value = _value(condition, kind)
    try:
        return _booleans(_COMPARE[condition.operator](column, pa.scalar(value, kind)))
    except (OverflowError, pa.ArrowException):
        raise DataError(
            f"{name} ({kind}) cannot be compared with {condition.value!r}; give a value that this "
            f"type holds, or {name}= or {name}!= to ask whether there is one"
        ) from None


def _holds(column: Any, condition: Condition) -> npt.NDArray[np.bool_]:
    """A list meets `=` where one of its members is the value."""
    if condition.operator != "=":
        raise DataError(f"{condition.field} is a list: it can be asked with = and != alone")
    parents = pc.list_parent_indices(column).to_numpy()
    mask = np.zeros(len(column), dtype=bool)
    mask[parents[_compared(pc.list_flatten(column), condition)]] = True
    return mask


def _booleans(array: Any) -> npt.NDArray[np.bool_]:
    filled = pc.fill_null(array, False)
    booleans: npt.NDArray[np.bool_] = np.asarray(filled, dtype=bool)
    return booleans


def _value(condition: Condition, kind: Any) -> Any:
    text = condition.value
    try:
        if pa.types.is_boolean(kind):
            return _BOOLEANS[text.lower()]
        if pa.types.is_integer(kind):
            return int(text)
        if pa.types.is_floating(kind):
            return float(text)
        if pa.types.is_timestamp(kind):
            date = datetime.fromisoformat(text)
            return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    except (KeyError, ValueError, OverflowError):
        raise DataError(f"{condition.field} is {_said(kind)}, not {text!r}") from None
    return text


def _said(kind: Any) -> str:
    if pa.types.is_boolean(kind):
        return "true or false"
    if pa.types.is_integer(kind):
        return "a whole number"
    if pa.types.is_floating(kind):
        return "a number"
    return "a date as 2024-05-01 or 2024-05-01T12:30"
