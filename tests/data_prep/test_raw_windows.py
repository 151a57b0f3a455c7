"""Windows of raw files: a function of (plan, files, sample), whoever asks and whatever is kept."""

import json
from functools import cache, partial

import numpy as np
import pytest
from synthetic import make_events, write_recordings
from torch.utils.data import DataLoader

from data_prep.encoding import load_tokenizer
from data_prep.errors import DataError
from data_prep.held_out import open_streamed
from data_prep.lru import LruCache
from data_prep.manifest import list_sources
from data_prep.prepare import PrepareOptions, prepare
from data_prep.raw_sessions import RawSessions, RawSplit, RejectedFiles
from data_prep.raw_windows import raw_window, raw_window_stream
from data_prep.shards import SplitTable
from data_prep.windows import WindowPlan
from rrweb_tokenizer.structural_vocab import CLS_ID, SEP_ID

PLAN = WindowPlan(seed=3, window_tokens=64, samples_per_epoch=24)
OPTIONS = PrepareOptions(test_fraction=0.1, validation_fraction=0.3, num_proc=1)


@cache
def tokenizer():
    return load_tokenizer(None)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """24 files of one session, one file of three, and two that hold none."""
    folder = tmp_path_factory.mktemp("raw")
    write_recordings(folder, num_per_site=6, num_actions=20)
    lines = [json.dumps(make_events("shop", seed, num_actions=8)) for seed in (50, 51, 52)]
    (folder / "three.jsonl").write_text("\n".join(lines))
    (folder / "bad.json").write_text("no json")
    (folder / "empty.json").write_text("")
    return folder


@pytest.fixture(scope="module")
def split(recordings):
    return RawSplit(
        sources=list_sources([recordings]).sources,
        encoding=OPTIONS.encoding(),
        factory=tokenizer,
    )


def silent(split):
    return RawSessions(split, RejectedFiles(report=[].append))


def as_is(samples):
    return samples


def read(split, num_workers=0, **span):
    stream = raw_window_stream(split, PLAN, batch_size=4, **span)
    loader = DataLoader(stream, batch_size=4, num_workers=num_workers, collate_fn=as_is)
    return [[(s["sample_index"], s["input_ids"].tobytes()) for s in batch] for batch in loader]


@pytest.fixture(scope="module")
def expected(split):
    return read(split, stop_sample=24)


def test_windows_are_full_and_made_of_sessions_from_a_keyframe_on(split, expected):
    sessions = silent(split)
    heads = set()
    for file in range(len(sessions)):
        for place in sessions.places(file):
            found = sessions.session(file, place)
            heads |= {found.ids[k : k + 8].tobytes() for k in found.keyframes}
    for batch in expected:
        for _, window in batch:
            ids = np.frombuffer(window, np.uint16)
            assert len(ids) == 64
            assert (ids[0], ids[-1]) == (CLS_ID, SEP_ID)
            assert ids[1:9].tobytes() in heads


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_do_not_change_a_sample(split, expected, num_workers):
    assert read(split, num_workers, stop_sample=24) == expected


def test_a_stream_goes_on_at_any_batch(split, expected):
    for batch in (1, 5):
        assert read(split, start_sample=4 * batch, stop_sample=24) == expected[batch:]


@pytest.mark.parametrize("cache", [{"cache_sessions": 0}, {"cache_bytes": 1000}])
def test_what_is_kept_changes_no_sample(recordings, split, expected, cache):
    small = RawSplit(sources=split.sources, encoding=split.encoding, factory=split.factory, **cache)
    assert read(small, stop_sample=12) == expected[:3]


def test_splits_are_those_of_a_prepared_corpus(tmp_path, recordings, split):
    corpus = prepare([recordings], tmp_path / "corpus", OPTIONS, report=[].append)
    for name in ("train", "validation", "test"):
        table = SplitTable.open(corpus.path, name)
        prepared = {table.ids(session).tobytes() for session in range(len(table))}
        sessions = silent(
            RawSplit(
                sources=split.sources, encoding=split.encoding, factory=split.factory, split=name
            )
        )
        streamed = {
            sessions.session(file, place).ids.tobytes()
            for file in range(len(sessions))
            for place in sessions.places(file)
        }
        assert streamed == prepared


def test_files_without_a_session_are_replaced_and_counted(split):
    said = []
    rejected = RejectedFiles(report=said.append)
    sessions = RawSessions(split, rejected)
    for sample in range(60):
        assert raw_window(PLAN, sessions, sample)[-1] == SEP_ID
    assert rejected.num_rejected == 2
    assert sorted(line.split(": ")[1] for line in said) == ["bad.json", "empty.json"]


def test_many_rejected_files_are_told_in_few_lines(split):
    said = []
    rejected = RejectedFiles(report=said.append)
    for _ in range(1000):
        rejected.add(split.sources[0], "broken")
    assert len(said) == 5 + 3
    assert "1,000" in said[-1]


def test_no_session_at_all_is_an_error_and_no_endless_loop(tmp_path, split):
    (tmp_path / "bad.json").write_text("no json")
    nothing = RawSplit(
        sources=list_sources([tmp_path]).sources, encoding=split.encoding, factory=split.factory
    )
    with pytest.raises(DataError, match="inspect"):
        raw_window(PLAN, silent(nothing), 0)


def test_lengths_of_raw_files_are_unknown(split):
    plan = WindowPlan(seed=0, sampling="length")
    with pytest.raises(ValueError, match="sampling"):
        raw_window_stream(split, plan, batch_size=4, stop_sample=8)


def test_validation_sessions_are_held_out_once_and_never_trained_on(tmp_path, recordings):
    (recordings / "copy.json").unlink(missing_ok=True)
    said = []
    call = partial(open_streamed, recordings, OPTIONS, cache_dir=tmp_path, report=said.append)
    first = call()
    table = SplitTable.open(first.held_out.path, "validation")
    assert first.held_out.num_sessions == {"train": 0, "validation": len(table), "test": 0}
    assert len(table) >= 2
    assert call().held_out == first.held_out
    assert len(said) == 1
    contents = {table.ids(session).tobytes() for session in range(len(table))}
    train = silent(first.train)
    for file in range(len(train)):
        for place in train.places(file):
            assert train.session(file, place).ids.tobytes() not in contents


def test_a_content_held_out_is_not_trained_on_under_another_name(tmp_path, recordings):
    raw = tmp_path / "raw"
    write_recordings(raw, num_per_site=6, num_actions=8)
    for number, path in enumerate(sorted(raw.rglob("*.json"))):
        (raw / f"again-{number}.json").write_bytes(path.read_bytes())
    found = open_streamed(raw, OPTIONS, cache_dir=tmp_path, report=[].append)
    table = SplitTable.open(found.held_out.path, "validation")
    held_out = {table.ids(session).tobytes() for session in range(len(table))}
    train = silent(found.train)
    streamed = [
        train.session(file, place).ids.tobytes()
        for file in range(len(train))
        for place in train.places(file)
    ]
    assert streamed
    assert not held_out & set(streamed)


def test_the_cache_forgets_what_was_used_longest_ago():
    cache = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("b"), cache.get("a"), cache.get("c")) == (None, 1, 3)


def test_the_cache_keeps_within_its_bytes():
    cache = LruCache(100, max_bytes=10)
    for number in range(20):
        cache.put(number, number, 3)
        assert cache.num_bytes <= 10
    assert len(cache) == 3
    cache.put(19, 19, 4)
    assert cache.num_bytes == 10
    cache.put("too large", 0, 11)
    assert (len(cache), cache.num_bytes) == (0, 0)
