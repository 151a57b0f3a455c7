"""Several processes read every sample once, in rounds that one process would read as a batch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.batch_plan import BatchPlan


@given(
    batch_size=st.integers(1, 7),
    num_ranks=st.integers(1, 5),
    start=st.integers(0, 50),
    num_samples=st.integers(1, 90),
)
def test_every_sample_is_read_once(batch_size, num_ranks, start, num_samples):
    plans = [
        BatchPlan(
            batch_size=batch_size,
            start_sample=start,
            stop_sample=start + num_samples,
            rank=rank,
            num_ranks=num_ranks,
        )
        for rank in range(num_ranks)
    ]
    whole = BatchPlan(
        batch_size=batch_size * num_ranks, start_sample=start, stop_sample=start + num_samples
    )
    rounds = []
    for number in range(whole.num_batches):
        rounds.append([])
        for plan in plans:
            if number < plan.num_batches:
                rounds[-1] += plan.samples(number)
    assert rounds == [list(whole.samples(number)) for number in range(whole.num_batches)]
    assert sum(plan.num_batches for plan in plans) == -(-num_samples // batch_size)


def test_a_plan_of_two_processes_looks_like_this():
    first = BatchPlan(batch_size=4, start_sample=8, stop_sample=29, rank=0, num_ranks=2)
    second = replace(first, rank=1)
    assert [first.samples(n) for n in range(first.num_batches)] == [
        range(8, 12),
        range(16, 20),
        range(24, 28),
    ]
    assert [second.samples(n) for n in range(second.num_batches)] == [
        range(12, 16),
        range(20, 24),
        range(28, 29),
    ]


@pytest.mark.parametrize(
    "change", [{"rank": 2}, {"rank": -1}, {"batch_size": 0}, {"start_sample": 9}, {"num_ranks": 0}]
)
def test_plans_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match=r"must be|no samples"):
        BatchPlan(**({"batch_size": 4, "stop_sample": 8, "rank": 0, "num_ranks": 2} | change))


def test_there_is_no_batch_behind_the_last():
    plan = BatchPlan(batch_size=4, stop_sample=8)
    with pytest.raises(IndexError):
        plan.samples(2)
