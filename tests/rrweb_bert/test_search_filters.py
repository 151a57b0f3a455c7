"""What --where says of rows."""

import numpy as np
import pyarrow as pa
import pytest

from data_prep.errors import DataError
from rrweb_bert.search.where import mask_of, parse_condition

TABLE = pa.table(
    {
        "goal": ["search", "edit", None],
        "n": [1, 2, 3],
        "x": [0.5, None, 2.0],
        "ok": [True, False, None],
        "tags": [["a", "b"], [], None],
        "views": [[1, 2], [10], None],
        "shares": pa.array([[0.5], None, [1.0, 2.5]], pa.large_list(pa.float32())),
        "flags": [[True], [False, None], []],
        "small": pa.array([1, 2, None], pa.int32()),
        "nested": [[[1]], [], None],
        "start": pa.array([0, 1_714_521_600_000, None], pa.timestamp("ms", tz="UTC")),
    }
)


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        (["goal=search"], [0]),
        (["goal!=search"], [1, 2]),
        (["goal="], [2]),
        (["goal!="], [0, 1]),
        (["n>=2", "n<3"], [1]),
        (["x>0"], [0, 2]),
        (["x!=0.5"], [1, 2]),
        (["ok=true"], [0]),
        (["ok!=yes"], [1, 2]),
        (["tags=a"], [0]),
        (["tags!=a"], [1, 2]),
        (["views=1"], [0]),
        (["views!=1"], [1, 2]),
        (["shares=2.5"], [2]),
        (["flags=no"], [1]),
        (["flags!=TRUE"], [1, 2]),
        (["nested="], [2]),
        (["start>=2024-05-01"], [1]),
        (["start<2024-05-01T00:00+01:00"], [0]),
        (["goal > f"], [0]),
    ],
)
def test_conditions_leave_the_rows_that_meet_them(conditions, wanted):
    assert np.flatnonzero(mask_of(TABLE, conditions)).tolist() == wanted


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("gaol=search", "did you mean goal"),
        ("n=two", "n is a whole number, not 'two'"),
        ("x>much", "x is a number"),
        ("ok=maybe", "true or false"),
        ("start>yesterday", "a date as"),
        ("n>99999999999999999999", r"n \(int64\) .* '99999999999999999999'; give a value"),
        ("n!=99999999999999999999", r"n \(int64\) cannot be compared"),
        ("small<3000000000", r"small \(int32\) .* '3000000000'; give a value .* or small= or"),
        ("small=one", "small is a whole number, not 'one'"),
        ("views=one", "views is a whole number, not 'one'"),
        ("views=99999999999999999999", r"views \(int64\) cannot be compared"),
        ("shares=half", "shares is a number, not 'half'"),
        ("flags=maybe", "flags is true or false, not 'maybe'"),
        ("nested=1", r"nested \(list<.*>\) cannot be compared with '1'"),
        ("tags>a", "asked with = and != alone"),
        ("goal", "is no condition"),
        ("=search", "is no condition"),
    ],
)
def test_conditions_that_cannot_be_met_are_explained(condition, message):
    with pytest.raises(DataError, match=message):
        mask_of(TABLE, [condition])


def test_a_value_may_hold_what_looks_like_an_operator():
    assert parse_condition("url = a=b>c").value == "a=b>c"


def test_an_unknown_field_is_told_with_those_that_there_are_and_where_labels_come_from():
    with pytest.raises(DataError) as caught:
        mask_of(pa.table({"session_id": ["a"], "duration": [1.0]}), ["goal=checkout"])
    assert str(caught.value) == (
        "no field is called 'goal'. There are: session_id, duration. Fields of your own, such as "
        "goal, come from `embed --labels FILE`, and then `index`"
    )
    with pytest.raises(DataError, match=r"'gaol'; did you mean goal\? There are: goal, .*small"):
        mask_of(TABLE, ["gaol=search"])
    with pytest.raises(DataError, match=r"'colour'\. There are: goal, .*, start$"):
        mask_of(TABLE, ["colour=red"])
