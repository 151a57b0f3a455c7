"""Strokes of a batch, against a plain statement of the rule by which they are joined."""

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from rrweb_tokenizer.incremental import MouseMoveData, Position
from rrweb_tokenizer.pointer import stroke_ids
from rrweb_tokenizer.quantize import direction_to_bin, distance_to_bin, time_to_bin
from rrweb_tokenizer.schema import IncrementalEvent
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS
from rrweb_tokenizer.timeline import in_true_time_order


def tokens(positions: list[Position]) -> list[str]:
    return [STRUCTURAL_TOKENS[token_id] for token_id in stroke_ids(positions, (0.0, 0.0))]


def strokes_by_the_rule(steps: list[tuple[float, float]]) -> list[int]:
    """The ids of steps that each turn further than a stroke may: the shortest is joined first."""
    strokes = [np.array([dx, dy, 10.0]) for dx, dy in steps]
    while len(strokes) > 3:
        place = min(range(len(strokes)), key=lambda i: math.hypot(*strokes[i][:2]))
        step = strokes.pop(place)
        strokes[max(place - 1, 0)] += step
    ids: list[int] = []
    for dx, dy, duration_ms in strokes:
        ids.append(STRUCTURAL_IDS["[DIR_0]"] + direction_to_bin(dx, dy))
        ids.append(STRUCTURAL_IDS["[DIST_0]"] + distance_to_bin(math.hypot(dx, dy)))
        ids.append(STRUCTURAL_IDS["[DT_0]"] + time_to_bin(duration_ms))
    return ids


def test_a_turn_ends_a_stroke() -> None:
    places = [(100, 0), (200, 0), (200, 50)]
    batch = [Position(x=x, y=y, time_offset=10.0 * n) for n, (x, y) in enumerate(places)]
    assert tokens(batch) == [
        *("[DIR_0]", "[DIST_7]", "[DT_2]"),
        *("[DIR_4]", "[DIST_5]", "[DT_2]"),
    ]


@given(st.lists(st.integers(1, 40), max_size=60))
def test_of_many_turns_the_shortest_are_joined_first(lengths: list[int]) -> None:
    steps = [(n, 0.0) if place % 2 else (0.0, n) for place, n in enumerate(lengths)]
    batch = [Position(x=0.0, y=0.0, time_offset=0.0)]
    for number, (dx, dy) in enumerate(steps):
        last = batch[-1]
        batch.append(Position(x=last.x + dx, y=last.y + dy, time_offset=10.0 * (number + 1)))
    assert stroke_ids(batch, None) == strokes_by_the_rule(steps)


@given(st.lists(st.floats(allow_infinity=True, allow_nan=True), min_size=2, max_size=20))
@example([math.nan, 0.0, math.nan, 0.0])
def test_no_number_is_too_odd_for_a_position(numbers: list[float]) -> None:
    batch = [Position(x=x, y=-x, time_offset=float(n)) for n, x in enumerate(numbers)]
    assert len(stroke_ids(batch, (0.0, 0.0))) <= 9


def test_positions_are_told_in_the_order_of_their_times() -> None:
    positions = [Position(x=500, y=0, time_offset=0.0), Position(x=9, y=0, time_offset=-400.0)]
    event = IncrementalEvent(timestamp=1_000.0, data=MouseMoveData(positions=positions))
    ((time_ms, moved),) = in_true_time_order([event])
    assert time_ms == 600.0
    assert [position.x for position in moved.data.positions] == [9, 500]
