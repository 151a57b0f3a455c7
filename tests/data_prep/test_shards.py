"""Shards keep what they are given, complete or not at all."""

import pickle
import tracemalloc

import datasets
import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.shards import SessionRow, SplitTable
from data_prep.split_writer import write_split


def make_row(number, num_ids, split="train", every=5):
    rng = np.random.default_rng(number)
    return SessionRow(
        session_id=f"site/session-{number}",
        group=f"file:{number}",
        split=split,
        ids=rng.integers(5, 12520, num_ids).astype(np.uint16),
        keyframes=np.arange(0, num_ids, every, dtype=np.uint32),
        start_ms=1000.0 * number,
        end_ms=1000.0 * number + 500,
        num_events=num_ids // 2,
        sha256=f"{number:064x}",
    )


def test_what_is_written_is_read_back(tmp_path):
    rows = [make_row(number, 1 + 7 * number) for number in range(20)]
    summary = write_split(tmp_path, "train", iter(rows), max_shard_bytes=100)
    table = SplitTable.open(tmp_path, "train")
    assert len(table) == summary.num_sessions == 20
    assert table.num_ids == summary.num_ids == sum(len(row.ids) for row in rows)
    for session, row in enumerate(rows):
        assert np.array_equal(table.ids(session), row.ids)
        assert np.array_equal(table.keyframes(session), row.keyframes)
        assert table.session_id(session) == row.session_id
        assert table.group(session) == row.group
        assert table.sha256(session) == row.sha256
        assert table.times_ms(session) == (row.start_ms, row.end_ms)
    assert table.id_stops.tolist() == np.cumsum([len(row.ids) for row in rows]).tolist()


def test_several_shards_read_as_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.split_writer._MAX_BATCH_IDS", 64)
    rows = [make_row(number, 40) for number in range(11)]
    summary = write_split(tmp_path, "train", rows, max_shard_bytes=200)
    assert len(summary.shards) > 1
    table = SplitTable.open(tmp_path, "train")
    assert [table.session_id(i) for i in range(11)] == [row.session_id for row in rows]
    assert all(np.array_equal(table.ids(i), row.ids) for i, row in enumerate(rows))


def test_ids_are_views_of_the_file(tmp_path):
    write_split(tmp_path, "train", [make_row(1, 2_000_000)])
    tracemalloc.start()
    ids = SplitTable.open(tmp_path, "train").ids(0)
    assert not ids.flags.writeable
    assert ids[1_999_999] >= 5
    assert tracemalloc.get_traced_memory()[1] < 500_000
    tracemalloc.stop()


def test_datasets_loads_a_split_from_disk(tmp_path):
    rows = [make_row(number, 30) for number in range(3)]
    write_split(tmp_path, "train", rows)
    loaded = datasets.load_from_disk(str(tmp_path / "train"))
    assert loaded.num_rows == 3
    assert loaded[2]["ids"] == rows[2].ids.tolist()
    assert loaded[1]["session_id"] == rows[1].session_id


def test_a_table_pickles_as_its_path(tmp_path):
    write_split(tmp_path, "train", [make_row(1, 100_000)])
    pickled = pickle.dumps(SplitTable.open(tmp_path, "train"))
    assert len(pickled) < 1000
    assert len(pickle.loads(pickled).ids(0)) == 100_000  # noqa: S301 - made by this test


def test_an_empty_split_is_a_table_of_nothing(tmp_path):
    write_split(tmp_path, "test", [])
    table = SplitTable.open(tmp_path, "test")
    assert (len(table), table.num_ids, table.id_stops.tolist()) == (0, 0, [])
    with pytest.raises(IndexError):
        table.ids(0)


def test_a_split_that_was_not_finished_cannot_be_opened(tmp_path):
    def interrupted_rows():
        yield make_row(1, 10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_split(tmp_path, "train", interrupted_rows())
    with pytest.raises(DataError, match="no complete split"):
        SplitTable.open(tmp_path, "train")


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "state"])
def test_a_damaged_split_is_refused_with_a_remedy(tmp_path, damage):
    write_split(tmp_path, "train", [make_row(1, 1000)])
    shard = tmp_path / "train" / "data-00000.arrow"
    if damage == "missing":
        shard.unlink()
    elif damage == "cut":
        shard.write_bytes(shard.read_bytes()[:1500])
    elif damage == "empty":
        shard.write_bytes(b"")
    else:
        (tmp_path / "train" / "state.json").write_text("{")
    with pytest.raises(DataError, match="overwrite"):
        SplitTable.open(tmp_path, "train")


def test_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_split(tmp_path / name, "train", [make_row(n, 50) for n in range(9)])
    for file in sorted((tmp_path / "a" / "train").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / "train" / file.name).read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"ids": np.zeros(0, np.uint16)},
        {"ids": np.zeros(3, np.int64)},
        {"keyframes": np.array([], np.uint32)},
        {"keyframes": np.array([1], np.uint32)},
        {"keyframes": np.array([0, 30], np.uint32)},
        {"split": "dev"},
    ],
)
def test_a_row_that_breaks_its_promises_is_refused(change):
    fields = {name: getattr(make_row(1, 30), name) for name in SessionRow.__dataclass_fields__}
    with pytest.raises(ValueError, match="session-1"):
        SessionRow(**(fields | change))
