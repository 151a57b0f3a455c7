"""A shard that is not the file that was prepared is found: at the start, and while it is read."""

import json
import os
import time
from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from data_prep import shard_watch
from data_prep.corpus import Identity, PreparedCorpus, open_corpus, write_corpus
from data_prep.errors import DataError
from data_prep.shard_watch import ShardWatch
from data_prep.shards import SPLITS, SessionRow
from data_prep.split_writer import write_split


@pytest.fixture
def corpus(tmp_path):
    """A corpus of three shards for training."""
    folder = tmp_path / "corpus"
    rows = [
        SessionRow(
            session_id=str(number),
            group=str(number),
            split="train",
            ids=np.arange(5, 45, dtype=np.uint16),
            keyframes=np.zeros(1, np.uint32),
            start_ms=0.0,
            end_ms=1.0,
            num_events=1,
            sha256=str(number),
        )
        for number in range(3)
    ]
    splits = {split: write_split(folder, split, []) for split in SPLITS}
    shards = []
    for number, row in enumerate(rows):
        made = write_split(folder / str(number), "train", [row]).shards[0]
        name = f"data-{number:05d}.arrow"
        (folder / str(number) / "train" / made.name).replace(folder / "train" / name)
        shards.append(replace(made, name=name))
    splits["train"] = replace(splits["train"], shards=tuple(shards))
    identity = Identity(inputs="", tokenizer={}, options={})
    made = PreparedCorpus(
        path=folder,
        fingerprint=identity.fingerprint(),
        identity=identity,
        quick_inputs="",
        splits=splits,
        num_windows=dict.fromkeys(SPLITS, 0),
        num_listed=0,
        num_accepted=0,
        num_rejected=0,
        counts={},
        num_rejected_events=0,
    )
    write_corpus(made, folder)
    return made


@pytest.fixture
def watch(corpus):
    watch = ShardWatch(corpus, ("train", "validation"), interval_s=0.01)
    yield watch
    watch.stop()


def problem_of(watch, *, seconds=20.0):
    """What the watch finds, None if it finds nothing in the time."""
    deadline = time.monotonic() + seconds
    while watch.problem is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return watch.problem


def change_byte(shard, at=-40):
    content = bytearray(shard.read_bytes())
    content[at] ^= 1
    with shard.open("r+b") as file:
        file.write(content)


def test_a_byte_changed_before_the_start_is_found(corpus, watch):
    shard = corpus.path / "train" / "data-00001.arrow"
    stat = shard.stat()
    change_byte(shard)
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    watch.start()
    problem = problem_of(watch)
    assert str(shard) in problem
    assert "its bytes have changed" in problem
    assert f"python -m data_prep verify {corpus.path}" in problem
    assert "prepare it again" in problem


def test_a_byte_changed_while_it_runs_is_found_also_with_the_old_time(corpus, watch):
    shard = corpus.path / "train" / "data-00002.arrow"
    watch.start()
    assert problem_of(watch, seconds=0.3) is None
    stat = shard.stat()
    change_byte(shard)
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert str(shard) in problem_of(watch)


def test_a_look_finds_a_change_at_once(corpus):
    watch = ShardWatch(corpus, ("train",), interval_s=1000)
    watch.start()
    try:
        assert watch.look() is None
        change_byte(corpus.path / "train" / "data-00000.arrow")
        assert "data-00000.arrow" in watch.look()
    finally:
        watch.stop()


@pytest.mark.parametrize("how", ["removed", "cut", "replaced by another"])
def test_a_shard_that_is_gone_or_another_is_found(corpus, watch, how):
    shard = corpus.path / "train" / "data-00000.arrow"
    watch.start()
    if how == "removed":
        shard.unlink()
    elif how == "cut":
        os.truncate(shard, 100)
    else:
        (corpus.path / "train" / "data-00001.arrow").replace(shard)
    assert problem_of(watch) is not None


def test_a_shard_that_was_only_touched_or_copied_is_no_problem(corpus, watch):
    shard = corpus.path / "train" / "data-00000.arrow"
    watch.start()
    shard.touch()
    copy = shard.with_name("copy")
    copy.write_bytes(shard.read_bytes())
    copy.replace(shard)
    assert problem_of(watch, seconds=0.5) is None
    assert watch.look() is None


def test_a_look_leaves_files_with_new_permissions_alone_to_the_thread_after_a_while(
    corpus, monkeypatch
):
    """A backup that links all shards changes their ctime: a save must not hash the corpus."""
    monkeypatch.setattr(shard_watch, "_LONG_S", -1.0)  # so that it says when all were read once
    is_read = Event()
    watch = ShardWatch(corpus, ("train",), interval_s=1000, report=lambda _: is_read.set())
    watch.start()
    try:
        assert is_read.wait(60)
        assert watch.look() is None
        hashed = []
        stock = watch._check
        monkeypatch.setattr(watch, "_check", lambda path: (hashed.append(path.name), stock(path)))
        monkeypatch.setattr(shard_watch, "_LOOK_S", 0.0)
        for number in range(3):
            (corpus.path / "train" / f"data-{number:05d}.arrow").chmod(0o400)
        assert watch.look() is None
        assert hashed == ["data-00000.arrow"]  # at least one, so that small corpora lose nothing
        (corpus.path / "train" / "data-00000.arrow").chmod(0o600)
        change_byte(corpus.path / "train" / "data-00000.arrow")
        assert "data-00000.arrow" in watch.look()  # another time of writing is never left
    finally:
        watch.stop()


def test_looks_from_two_threads_do_not_disturb_each_other(corpus, watch):
    """The trainer looks before a save while the thread hashes."""
    watch.start()
    shards = sorted((corpus.path / "train").glob("*.arrow"))
    for number in range(300):
        shards[number % 3].touch()
        assert watch.look() is None
    assert watch._thread.is_alive()


def test_looks_are_rarer_where_looking_takes_long(corpus, monkeypatch):
    """10,000 shards on a network disk: a second a look."""
    watch = ShardWatch(corpus, ("train",), interval_s=0.01)
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr(shard_watch.time, "monotonic", lambda: float(next(clock)))
    watch._changed()
    assert watch._pause_s == 5 * 20


def test_splits_that_are_not_read_are_not_watched(corpus, watch):
    watch.start()
    change_byte(corpus.path / "test" / "data-00000.arrow")
    assert problem_of(watch, seconds=0.3) is None


@pytest.mark.parametrize(
    "name", ["../data-00000.arrow", "/etc/passwd", "data-00000.arrow/../x", "x"]
)
@pytest.mark.parametrize("listed_in", ["corpus.json", "state.json"])
def test_a_corpus_cannot_name_files_outside_of_it(corpus, name, listed_in):
    file = corpus.path / ("corpus.json" if listed_in == "corpus.json" else "train/state.json")
    file.write_text(file.read_text().replace("data-00000.arrow", name, 1))
    with pytest.raises(DataError, match="no name of a shard"):
        open_corpus(corpus.path)


def test_a_corpus_whose_two_lists_differ_is_refused(corpus):
    with pytest.raises(DataError, match="lists other shards than"):
        open_corpus(corpus.path)  # of the three, state.json lists the first alone


def test_a_corpus_with_a_split_of_another_name_is_refused(corpus):
    file = corpus.path / "corpus.json"
    file.write_text(file.read_text().replace('"validation": {', '"../other": {'))
    with pytest.raises(DataError, match="is damaged"):
        open_corpus(corpus.path)


@pytest.mark.parametrize("field", ["splits", "num_windows"])
@pytest.mark.parametrize("split", SPLITS)
def test_a_corpus_that_lacks_a_split_is_refused_with_file_and_remedy(corpus, field, split):
    file = corpus.path / "corpus.json"
    fields = json.loads(file.read_text())
    del fields[field][split]
    file.write_text(json.dumps(fields))
    with pytest.raises(DataError, match=f"corpus.json says nothing of the split {split}") as told:
        open_corpus(corpus.path)
    assert str(file) in str(told.value)
    assert "python -m data_prep prepare INPUT" in str(told.value)
