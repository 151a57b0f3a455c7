"""Near duplicates: likely pairs are found, unlikely ones are not, similarity is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.near_duplicates import band_keys, find_near_duplicates, shingles_of, similarity
from data_prep.shards import SPLITS, SessionRow, SplitTable
from data_prep.split_writer import write_split


def random_ids(seed, length):
    return np.random.default_rng(seed).integers(5, 12_520, length).astype(np.uint16)


def altered(ids, share, seed=0):
    """Each id replaced with the given probability."""
    rng = np.random.default_rng(seed)
    changed = ids.copy()
    places = rng.random(len(ids)) < share
    changed[places] = rng.integers(5, 12_520, places.sum())
    return changed


@pytest.fixture
def tables(tmp_path):
    def write(**sessions):
        for split in SPLITS:
            rows = [
                SessionRow(
                    session_id=name,
                    group=name,
                    split=split,
                    ids=ids,
                    keyframes=np.zeros(1, np.uint32),
                    start_ms=0.0,
                    end_ms=1.0,
                    num_events=1,
                    sha256="0" * 64,
                )
                for name, ids in sessions.get(split, {}).items()
            ]
            write_split(tmp_path, split, rows)
        return {split: SplitTable.open(tmp_path, split) for split in SPLITS}

    return write


@given(st.lists(st.integers(5, 9), min_size=1, max_size=60), st.data())
def test_similarity_is_that_of_the_sets_of_runs(first, data):
    second = data.draw(st.lists(st.integers(5, 9), min_size=1, max_size=60))

    def runs(ids):
        width = min(8, len(ids))
        return {tuple(ids[k : k + width]) for k in range(len(ids) - width + 1)}

    a, b = runs(first), runs(second)
    measured = similarity(*(shingles_of(np.array(x, np.uint16)) for x in (first, second)))
    assert measured == pytest.approx(len(a & b) / len(a | b))


@given(st.integers(1, 200), st.integers(0, 1000))
def test_equal_sessions_share_all_keys_however_short(length, seed):
    ids = random_ids(seed, length)
    keys = band_keys(shingles_of(ids))
    assert keys.shape == (16,)
    assert (keys == band_keys(shingles_of(ids.copy()))).all()


def test_keys_meet_as_often_as_the_similarity_says():
    for share in (0.004, 0.012, 0.04):
        met, similarities = 0, []
        for seed in range(60):
            ids = random_ids(seed, 3000)
            other = altered(ids, share, seed)
            met += int((band_keys(shingles_of(ids)) == band_keys(shingles_of(other))).sum())
            similarities.append(similarity(shingles_of(ids), shingles_of(other)))
        mean = float(np.mean(np.array(similarities) ** 8))
        assert met / (60 * 16) == pytest.approx(mean, abs=0.05), share


def test_near_duplicates_across_splits_are_found_and_others_are_not(tables):
    train = {f"t{n}": random_ids(n, 500 + 40 * n) for n in range(40)}
    validation = {f"v{n}": altered(train[f"t{n}"], 0.004, n) for n in range(10)}
    validation |= {f"w{n}": random_ids(1000 + n, 700) for n in range(10)}
    test = {"x": altered(train["t20"], 0.003), "y": altered(validation["w3"], 0.003)}
    made = tables(train=train, validation=validation, test=test)
    found = find_near_duplicates(made)
    expected = {}
    for split, sessions in (("validation", validation), ("test", test)):
        for name, ids in sessions.items():
            for other_split, others in (("train", train), ("test", test)):
                for other, other_ids in others.items():
                    value = similarity(shingles_of(ids), shingles_of(other_ids))
                    if split != other_split and value >= 0.9:
                        expected[split, name] = other_split, other, value
    assert {
        (f.split, f.session_id): (f.other_split, f.other_session_id, f.similarity) for f in found
    } == expected
    assert ("validation", "w3") in expected  # like test's y: of the two, validation is named
    assert ("test", "x") in expected


def test_a_session_like_thousands_is_found_without_comparing_all(tables, monkeypatch):
    ids = random_ids(1, 300)
    calls = []

    def counted(first, second):
        calls.append(1)
        return similarity(first, second)

    monkeypatch.setattr("data_prep.near_duplicates.similarity", counted)
    made = tables(
        train={f"t{n}": ids for n in range(2000)}, validation={f"v{n}": ids for n in range(50)}
    )
    assert len(find_near_duplicates(made)) == 50
    assert len(calls) == 50


def test_equal_sessions_of_one_split_are_no_leak(tables):
    ids = random_ids(1, 300)
    made = tables(train={"a": ids, "b": ids}, validation={"c": random_ids(2, 300)})
    assert find_near_duplicates(made) == []
