import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer import quantize
from rrweb_tokenizer.structural_vocab import GROUPS

SIZES = {group.name: len(group.tokens) for group in GROUPS}
finite = st.floats(0, 1e15)


@given(finite)
def test_time_bins_fit_their_group_and_invert_to_their_own_bin(delta_ms: float) -> None:
    time_bin = quantize.time_to_bin(delta_ms)
    assert 0 <= time_bin < SIZES["time delta"]
    assert quantize.time_to_bin(quantize.bin_to_time_ms(time_bin)) == time_bin


@given(finite, finite)
def test_time_bins_keep_the_order_of_times(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert quantize.time_to_bin(low) <= quantize.time_to_bin(high)


@pytest.mark.parametrize(
    ("delta_ms", "time_bin"),
    [
        (0, 0),
        (0.9, 0),
        (1, 1),
        (7.9, 1),
        (8, 2),
        (31.9, 2),
        (32, 3),
        (131071, 26),
        (131072, 27),
        (240000, 28),
        (1020000, 29),
        (3600000, 30),
        (1000000000000.0, 30),
    ],
)
def test_time_bin_edges_are_as_documented(delta_ms: float, time_bin: int) -> None:
    assert quantize.time_to_bin(delta_ms) == time_bin


@given(st.floats(-1e9, 1e9), st.floats(-10, 1e5))
def test_places_stay_within_their_twenty_bins(position_px: float, extent_px: float) -> None:
    assert 0 <= quantize.place_to_bin(position_px, extent_px) < SIZES["x"]


@given(st.integers(0, 15))
def test_directions_invert_at_the_bin_centres(direction: int) -> None:
    angle = direction / 16 * 2 * math.pi
    assert quantize.direction_to_bin(math.cos(angle), math.sin(angle)) == direction


@pytest.mark.parametrize(
    ("distance_px", "distance_bin"),
    [(0, 0), (1.9, 0), (2, 1), (4, 2), (511, 8), (512, 9), (1e9, 9)],
)
def test_distance_bins_are_floor_of_log2(distance_px: float, distance_bin: int) -> None:
    assert quantize.distance_to_bin(distance_px) == distance_bin


@given(st.floats(0, 1e12))
def test_counts_depths_and_sizes_stay_within_their_groups(value: float) -> None:
    assert quantize.count_to_bin(value) < SIZES["count"]
    assert quantize.elapsed_to_bin(value) < SIZES["elapsed"]
    assert quantize.depth_to_bin(int(value)) < SIZES["depth"]
    assert quantize.sibling_to_bin(int(value)) < SIZES["sibling"]
    assert quantize.scroll_depth_to_bin(value, 800) < SIZES["scroll depth"]
    assert quantize.scroll_step_to_bin(value, 800) < 4
    assert quantize.viewport_width_to_bin(value) < 6
    assert quantize.viewport_height_to_bin(value) < 4


@pytest.mark.parametrize(
    ("count", "count_bin"), [(0, 0), (3, 3), (4, 4), (7, 4), (8, 5), (1024, 11)]
)
def test_count_bins_are_exact_up_to_three_then_octaves(count: int, count_bin: int) -> None:
    assert quantize.count_to_bin(count) == count_bin
