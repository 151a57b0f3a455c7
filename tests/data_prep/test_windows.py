"""Windows: exact length, exact shares, uniform starts, and nothing but (seed, j) decides."""

import random
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from data_prep.shards import SessionRow, SplitTable
from data_prep.split_writer import write_split
from data_prep.windows import WindowPlan, draw, evaluation_plan, evaluation_window, window

CLS_ID, SEP_ID = 2, 3


def make_table(folder, lengths, every=10):
    """Session s holds ids that tell session and offset apart; keyframes lie `every` ids apart."""
    rows = [
        SessionRow(
            session_id=str(session),
            group=str(session),
            split="train",
            ids=(100 + 1000 * session + np.arange(length) % 1000).astype(np.uint16),
            keyframes=np.arange(0, length, every, dtype=np.uint32),
            start_ms=0.0,
            end_ms=1.0,
            num_events=1,
            sha256=str(session),
        )
        for session, length in enumerate(lengths)
    ]
    write_split(folder, "train", rows)
    return SplitTable.open(folder, "train")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return make_table(tmp_path_factory.mktemp("corpus"), [995, 100, 550, 31, 10])


def test_a_window_is_cls_ids_from_a_keyframe_sep(table):
    plan = WindowPlan(seed=1, window_tokens=64)
    for sample_index in range(200):
        session, start = draw(plan, table, sample_index)
        ids = window(plan, table, sample_index)
        assert ids.shape == (64,)
        assert ids.dtype == np.uint16
        assert ids[0] == CLS_ID
        assert ids[-1] == SEP_ID
        assert start in table.keyframes(session)
        first = table.ids(session)[start : start + 62]
        assert np.array_equal(ids[1 : 1 + len(first)], first)
        assert ids[1 + len(first)] == SEP_ID


@pytest.mark.parametrize("window_tokens", [3, 4, 5, 11, 12, 13, 33])
def test_packed_pieces_each_start_at_a_keyframe_and_fill_the_window(table, window_tokens):
    plan = WindowPlan(seed=2, window_tokens=window_tokens)
    for sample_index in range(100):
        ids = window(plan, table, sample_index)
        pieces = np.split(ids[1:], np.flatnonzero(ids[1:] == SEP_ID) + 1)
        assert len(pieces[-1]) == 0
        for number, piece in enumerate(pieces[:-1]):
            session = (int(piece[0]) - 100) // 1000 if len(piece) > 1 else None
            if session is None:  # a single place was left: it holds [SEP] alone
                assert number == len(pieces) - 2
                continue
            start = (int(piece[0]) - 100) % 1000
            assert start % 10 == 0
            whole = table.ids(session)[start:]
            last = number == len(pieces) - 2
            expected = whole[: len(piece) - 1] if last else whole
            assert np.array_equal(piece[:-1], expected)


@pytest.mark.parametrize(("num_sessions", "num_samples"), [(5, 5), (5, 7), (5, 3), (5, 1), (1, 4)])
def test_every_epoch_draws_each_session_floor_or_ceil_times(tmp_path, num_sessions, num_samples):
    table = make_table(tmp_path, [20] * num_sessions)
    plan = WindowPlan(seed=3, window_tokens=8, samples_per_epoch=num_samples)
    low = num_samples // num_sessions
    for epoch in range(30):
        samples = range(epoch * num_samples, (epoch + 1) * num_samples)
        counts = Counter(draw(plan, table, sample).session for sample in samples)
        assert all(counts[s] in (low, -(-num_samples // num_sessions)) for s in range(num_sessions))


def test_short_epochs_go_through_all_sessions_before_one_returns(tmp_path):
    table = make_table(tmp_path, [20] * 12)
    plan = WindowPlan(seed=4, window_tokens=8, samples_per_epoch=3)
    for deal in range(5):
        sessions = [draw(plan, table, 12 * deal + i).session for i in range(12)]
        assert sorted(sessions) == list(range(12))


def test_passes_differ_from_one_another(tmp_path):
    table = make_table(tmp_path, [20] * 30)
    plan = WindowPlan(seed=5, window_tokens=8, samples_per_epoch=90)
    passes = {tuple(draw(plan, table, 30 * p + i).session for i in range(30)) for p in range(9)}
    assert len(passes) == 9


def test_starts_of_100_000_draws_are_uniform_over_the_keyframes(table):
    plan = WindowPlan(seed=6, window_tokens=64, samples_per_epoch=100_000)
    counts = Counter(draw(plan, table, sample) for sample in range(100_000))
    for session in range(len(table)):
        observed = [counts[session, int(start)] for start in table.keyframes(session)]
        assert sum(observed) == 20_000
        assert observed[-1] > 0
        assert len(observed) == 1 or stats.chisquare(observed).pvalue > 0.001


def test_length_sampling_draws_in_proportion_to_ids(table):
    plan = WindowPlan(seed=7, window_tokens=64, sampling="length")
    observed = np.bincount([draw(plan, table, s).session for s in range(20_000)], minlength=5)
    lengths = np.array([len(table.ids(session)) for session in range(5)])
    assert stats.chisquare(observed, 20_000 * lengths / lengths.sum()).pvalue > 0.001


def test_two_draws_of_one_session_differ(tmp_path):
    table = make_table(tmp_path, [60_000], every=5)
    plan = WindowPlan(seed=8, window_tokens=64)
    assert len({draw(plan, table, sample).start for sample in range(20)}) > 15


def test_a_sample_depends_on_seed_and_index_alone(table):
    plan = WindowPlan(seed=9, window_tokens=64, samples_per_epoch=7)
    order = list(range(200))
    expected = [window(plan, table, sample) for sample in order]
    random.Random(0).shuffle(order)  # noqa: S311 - an order to visit
    np.random.seed(1)  # noqa: NPY002 - shows that the global generator has no say
    assert all(np.array_equal(window(plan, table, s), expected[s]) for s in order)
    other = WindowPlan(seed=10, window_tokens=64, samples_per_epoch=7)
    assert any(not np.array_equal(window(other, table, s), expected[s]) for s in range(20))


def test_drawing_leaves_the_global_generators_alone(table):
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    window(WindowPlan(seed=11, window_tokens=64), table, 3)
    assert random.getstate() == state
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_draws_of_a_seed_never_change(table):
    plan = WindowPlan(seed=2026, window_tokens=64, samples_per_epoch=9)
    assert [tuple(draw(plan, table, sample)) for sample in (0, 1, 8, 9, 10**12)] == GOLDEN_DRAWS


def test_evaluation_takes_one_window_a_session(table):
    plan = evaluation_plan(table, 1, window_tokens=16)
    assert plan.samples_per_epoch == 5
    assert sorted(draw(plan, table, i).session for i in range(5)) == [0, 1, 2, 3, 4]
    assert np.array_equal(evaluation_window(plan, table, 4), evaluation_window(plan, table, 4))
    with pytest.raises(IndexError):
        evaluation_window(plan, table, 5)


def test_evaluation_stops_at_max_windows_with_different_sessions(table):
    plan = evaluation_plan(table, 1, window_tokens=16, max_windows=3)
    assert len({draw(plan, table, i).session for i in range(3)}) == plan.samples_per_epoch == 3


@pytest.mark.parametrize(
    "field",
    [{"seed": -1}, {"window_tokens": 2}, {"sampling": "x"}, {"samples_per_epoch": 0}],
)
def test_a_plan_out_of_range_is_refused(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        WindowPlan(**({"seed": 0} | field))


GOLDEN_DRAWS = [(0, 470), (2, 160), (0, 970), (1, 90), (4, 0)]
