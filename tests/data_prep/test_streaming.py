"""The stream: same order for any number of workers, and resumed at any sample."""

import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader

from data_prep.errors import DataError
from data_prep.shards import SessionRow, SplitTable
from data_prep.split_writer import write_split
from data_prep.streaming import evaluation_stream, window_stream
from data_prep.windows import WindowPlan, window

PLAN = WindowPlan(seed=1, window_tokens=32, samples_per_epoch=50)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    rows = [
        SessionRow(
            session_id=str(session),
            group=str(session),
            split="train",
            ids=np.arange(5, 5 + 40 * (session + 1), dtype=np.uint16),
            keyframes=np.arange(0, 40 * (session + 1), 8, dtype=np.uint32),
            start_ms=0.0,
            end_ms=1.0,
            num_events=1,
            sha256=str(session),
        )
        for session in range(6)
    ]
    write_split(folder, "train", rows)
    write_split(folder, "test", [])
    return folder


def as_is(samples):
    return samples


def batches(stream, batch_size, num_workers):
    loader = DataLoader(
        stream, batch_size=batch_size, num_workers=num_workers, collate_fn=as_is, drop_last=False
    )
    return [[(s["sample_index"], s["input_ids"].tobytes()) for s in batch] for batch in loader]


def test_samples_are_the_windows_of_the_plan_in_order(corpus):
    samples = list(window_stream(corpus, "train", PLAN, batch_size=4, stop_sample=10))
    assert [sample["sample_index"] for sample in samples] == list(range(10))
    table = SplitTable.open(corpus, "train")
    for sample in samples:
        assert sample["input_ids"].dtype == np.uint16
        assert np.array_equal(sample["input_ids"], window(PLAN, table, sample["sample_index"]))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # three workers on two cores
@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_order_does_not_depend_on_the_number_of_workers(corpus, num_workers):
    stream = window_stream(corpus, "train", PLAN, batch_size=4, stop_sample=28)
    assert batches(stream, 4, num_workers) == batches(stream, 4, 0)


def test_a_stream_resumes_at_every_batch(corpus):
    whole = batches(window_stream(corpus, "train", PLAN, batch_size=4, stop_sample=28), 4, 0)
    for step in range(7):
        rest = window_stream(
            corpus, "train", PLAN, batch_size=4, start_sample=4 * step, stop_sample=28
        )
        assert batches(rest, 4, 0) == whole[step:]


@pytest.mark.timeout(30)  # to read its windows would take minutes
def test_a_run_of_28_125_batches_is_constructed_without_its_windows(corpus):
    stream = window_stream(corpus, "train", PLAN, batch_size=32, stop_sample=900_000)
    assert next(iter(stream))["sample_index"] == 0
    assert stream.num_shards == 28_125


def test_the_stream_pickles_small_for_spawned_workers(corpus):
    stream = window_stream(corpus, "train", PLAN, batch_size=4, stop_sample=8)
    assert len(pickle.dumps(stream)) < 20_000


def test_evaluation_yields_the_same_windows_each_time(corpus):
    streams = [
        evaluation_stream(corpus, "train", window_tokens=32, seed=1, batch_size=4) for _ in range(2)
    ]
    first, second = (batches(stream, 4, 0) for stream in streams)
    assert first == second
    assert sum(map(len, first)) == 6


def test_bad_calls_are_refused(corpus):
    with pytest.raises(DataError, match="no session"):
        window_stream(corpus, "test", PLAN, batch_size=4, stop_sample=8)
    with pytest.raises(ValueError, match="batch_size"):
        window_stream(corpus, "train", PLAN, batch_size=0, stop_sample=8)
    with pytest.raises(ValueError, match="no samples"):
        window_stream(corpus, "train", PLAN, batch_size=4, start_sample=8, stop_sample=8)
