"""Bounded counts: right as far as they promise, however the values are divided."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.size_sample import SizeSample, estimate_total
from data_prep.tallies import DistinctCounter, LogHistogram, TopCounter

values = st.lists(st.floats(1, 1e9), min_size=1, max_size=200)


@given(values, st.floats(0.01, 0.99))
def test_a_quantile_is_right_within_4_5_percent(numbers, share):
    histogram = LogHistogram()
    for number in numbers:
        histogram.add(number)
    exact = float(np.quantile(numbers, share, method="inverted_cdf"))
    assert histogram.quantile(share) == pytest.approx(exact, rel=0.046)
    assert sum(number for _, _, number in histogram.doublings()) == len(numbers)


@given(values, values)
def test_merged_histograms_are_that_of_all_values(first, second):
    parts = [LogHistogram(), LogHistogram()]
    whole = LogHistogram()
    for part, numbers in zip(parts, (first, second), strict=True):
        for number in numbers:
            part.add(number)
            whole.add(number)
    parts[0].merge(parts[1])
    assert (parts[0].bins == whole.bins).all()
    assert parts[0].num_values == whole.num_values
    assert parts[0].largest == whole.largest


def test_an_empty_histogram_and_odd_values_are_no_trouble():
    histogram = LogHistogram()
    assert (histogram.quantile(0.5), histogram.doublings()) == (0.0, [])
    for value in (-5.0, 0.0, 0.5, 1e300):
        histogram.add(value)
    assert histogram.doublings()[0] == (0.0, 1.0, 3)
    assert histogram.quantile(0.5) == 0.0


def test_distinct_texts_are_counted_exactly_then_estimated_whatever_the_order():
    texts = [f"text {n % 5000}" for n in range(12_000)]
    counters = [
        DistinctCounter(),
        DistinctCounter(max_hashes=1000),
        DistinctCounter(max_hashes=1000),
    ]
    for text in texts:
        counters[0].add(text)
        counters[1].add(text)
    for text in reversed(texts):
        counters[2].add(text)
    assert counters[0].is_exact
    assert counters[0].estimate() == 5000
    assert not counters[1].is_exact
    assert counters[1].estimate() == counters[2].estimate() == pytest.approx(5000, rel=0.1)
    first, second = DistinctCounter(max_hashes=1000), DistinctCounter(max_hashes=1000)
    for number, text in enumerate(texts):
        (first if number % 2 else second).add(text)
    first.merge(second)
    assert first.estimate() == counters[1].estimate()


def test_frequent_texts_stay_and_rare_ones_are_counted_together():
    counter = TopCounter(max_texts=10)
    for number in range(1000):
        counter.add("often")
        counter.add(f"rare {number}")
    assert counter.top(1) == [("often", 1000)]
    assert len(counter.counts) <= 21
    assert not counter.is_exact
    assert counter.counts.total() + counter.num_others == 2000
    other = TopCounter(max_texts=10)
    other.merge(counter)
    assert other.counts.total() + other.num_others == 2000


def made_up_sessions(num, seed=0):
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [
        (f"f{n}", 0, int(rng.lognormvariate(11, 1.5)) + 50, rng.randint(1, 500)) for n in range(num)
    ]


def test_a_sample_is_the_same_however_sessions_are_divided():
    sessions = made_up_sessions(500)
    whole = SizeSample(max_sessions=50)
    for session in sessions:
        whole.add(*session)
    merged = SizeSample(max_sessions=50)
    for session in reversed(sessions):
        part = SizeSample(max_sessions=50)
        part.add(*session)
        merged.merge(part)
    chosen = whole.chosen()
    assert merged.chosen() == chosen
    number = sum(map(len, chosen.values()))
    assert 50 <= number <= 50 + len(chosen)
    assert all(len(set(part)) == len(part) for part in chosen.values())
    assert all(len(chosen[n]) >= min(2, s.num_sessions) for n, s in whole.strata.items())


def test_few_sessions_are_all_chosen():
    sample = SizeSample(max_sessions=50)
    for session in made_up_sessions(30):
        sample.add(*session)
    assert sum(map(len, sample.chosen().values())) == 30


def test_the_interval_holds_the_true_total_about_as_often_as_it_says():
    held = 0
    for seed in range(200):
        sessions = made_up_sessions(400, seed)
        rng = random.Random(seed)  # noqa: S311 - no secret
        ids = {
            name: (num_bytes * num_events) ** 0.4 * rng.uniform(0.5, 2)
            for name, _, num_bytes, num_events in sessions
        }
        sample = SizeSample(max_sessions=60)
        for session in sessions:
            sample.add(*session)
        estimate = estimate_total(
            {number: stratum.num_sessions for number, stratum in sample.strata.items()},
            {n: [ids[s.source_id] for s in part] for n, part in sample.chosen().items()},
        )
        held += abs(estimate.total - sum(ids.values())) <= estimate.margin
    assert 0.87 <= held / 200 <= 1.0


def test_a_sample_of_all_has_no_margin():
    estimate = estimate_total({0: 3, 1: 1}, {0: [1.0, 2.0, 6.0], 1: [4.0]})
    assert estimate == (13.0, 0.0)
