"""Corpora at addresses: whole or not there, the bytes of a local one, a copy in the cache."""

import errno
import json
import os
import shutil
from pathlib import Path

import fsspec
import pytest
from filelock import FileLock
from made_recordings import files_of, fill_with_visits

from data_prep import remote, remote_corpus
from data_prep.__main__ import main
from data_prep.corpus import open_corpus
from data_prep.errors import DataError
from data_prep.files import put_in_place
from data_prep.manifest import list_sources
from data_prep.prepare import PrepareOptions, find_prepared, open_or_prepare, prepare
from data_prep.prepare_remotely import prepare_at, prepare_share_at
from data_prep.shard_watch import ShardWatch
from data_prep.shards import SPLITS
from data_prep.shares import parse_share

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)


def files_at(url):
    filesystem, root = fsspec.core.url_to_fs(url)
    return {
        path.removeprefix(root).lstrip("/"): filesystem.cat_file(path)
        for path in sorted(filesystem.find(root))
    }


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    """An address at which nothing is."""
    if request.param == "file":
        yield f"file://{tmp_path}/bucket/corpus"
        return
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield "memory://bucket/corpus"
    filesystem.store.clear()


@pytest.fixture
def at(tmp_path, monkeypatch):
    """Prepare tmp_path / "raw" to an address, or into a folder."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr("data_prep.split_writer._MAX_BATCH_ROWS", 5)
    import fake_encoder

    def at(place, *, said=None, share=None, **changes):
        options = PrepareOptions(
            **{"test_fraction": 0.2, "validation_fraction": 0.3, "num_proc": 1}
            | {"show_progress": False, "max_shard_bytes": 500}
            | changes
        )
        keywords = {
            "encoder_factory": fake_encoder.FakeEncoder,
            "report": (said if said is not None else []).append,
        }
        inputs = [tmp_path / "raw"]
        if not remote.is_remote(place):
            return prepare(inputs, place, options, **keywords)
        keywords["cache_dir"] = tmp_path / "cache"
        if share is not None:
            return prepare_share_at(inputs, place, options, parse_share(share), **keywords)
        return prepare_at(inputs, place, options, **keywords)

    return at


def opened(url, tmp_path, said=None, cache="other"):
    """Open it as training does, on another machine."""
    report = (said if said is not None else []).append
    return open_or_prepare(url, cache_dir=tmp_path / cache, options=PrepareOptions(), report=report)


def test_a_corpus_at_an_address_has_the_bytes_of_a_local_one(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    said = []
    at(url, said=said)
    local = at(tmp_path / "local")
    assert files_at(url) == files_of(local.path)
    assert len(local.splits["train"].shards) > 1
    assert said[-1].startswith("copied to ")
    at(url, said=said)
    assert said[-1].endswith("already holds this corpus")


def test_training_copies_it_into_the_cache_once(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    made = at(url)
    said = []
    corpus = opened(url, tmp_path, said)
    assert files_of(corpus.path) == files_of(made.path)
    assert said[0].startswith("fetching ")
    assert opened(url, tmp_path, said).path == corpus.path
    assert len(said) == 1
    assert list(corpus.path.parent.glob(".*.fetching")) == []


def test_what_was_prepared_here_is_not_fetched_again(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    made = at(url)
    said = []
    corpus = opened(url, tmp_path, said, cache="cache")
    assert said == []
    assert files_of(corpus.path) == files_of(made.path)
    assert all((corpus.path / name).samefile(made.path / name) for name in files_of(made.path))
    assert opened(url, tmp_path, said, cache="cache") == corpus
    assert said == []


@pytest.mark.parametrize("has_links", [True, False])
def test_what_was_prepared_here_may_grow_while_a_job_reads_it(
    tmp_path, at, url, monkeypatch, has_links
):
    if not has_links:

        def no_link(*_, **__):
            raise OSError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", no_link)
    fill_with_visits(tmp_path / "raw", 30)
    at(url)
    read = opened(url, tmp_path, cache="cache")
    before = files_of(read.path)
    watch = ShardWatch(read, SPLITS)
    watch.start()
    try:
        fill_with_visits(tmp_path / "raw", 5, start=30)
        grown = at(url)
        assert watch.look() is None
    finally:
        watch.stop()
    assert files_of(read.path) == before
    assert open_corpus(read.path) == read
    said = []
    corpus = opened(url, tmp_path, said, cache="cache")
    assert corpus.path not in (read.path, grown.path)
    assert files_of(corpus.path) == files_of(grown.path)
    (told,) = said  # nothing is fetched
    assert told.startswith("1 older state of it, 0.0 MB")
    assert str(read.path) in told


def test_a_folder_that_is_replaced_while_it_is_linked_is_fetched_instead(
    tmp_path, at, url, monkeypatch
):
    fill_with_visits(tmp_path / "raw", 30)
    made = at(url)
    whole, link = files_of(made.path), os.link

    def link_and_replace(source, target, **keywords):
        link(source, target, **keywords)
        shutil.copytree(made.path, tmp_path / "replaced")
        put_in_place(tmp_path / "replaced", made.path)
        monkeypatch.setattr(os, "link", link)

    monkeypatch.setattr(os, "link", link_and_replace)
    said = []
    corpus = opened(url, tmp_path, said, cache="cache")
    assert [line.split()[0] for line in said] == ["fetching"]
    assert files_of(corpus.path) == whole
    assert list(corpus.path.parent.glob(".*.linking")) == []


def test_overwriting_here_mends_the_copy_that_jobs_read_here(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    at(url)
    corpus = opened(url, tmp_path, cache="cache")
    whole = files_of(corpus.path)
    shard = corpus.path / "train" / "data-00001.arrow"
    shard.write_bytes(bytes(shard.stat().st_size))
    at(url, overwrite=True)
    again = opened(url, tmp_path, cache="cache")
    assert again == corpus
    assert files_of(again.path) == whole


def test_another_corpus_at_the_address_is_copied_beside_the_copy_that_a_job_reads(
    tmp_path, at, url
):
    fill_with_visits(tmp_path / "raw", 30)
    at(url)
    first = opened(url, tmp_path)
    before = files_of(first.path)
    fill_with_visits(tmp_path / "raw", 5, start=30)
    changed = at(url)
    assert changed.num_listed == 35
    said = []
    second = opened(url, tmp_path, said)
    assert files_of(second.path) == files_of(changed.path)
    assert files_of(first.path) == before
    assert open_corpus(first.path) == first
    (told,) = [line for line in said if "older" in line]
    assert told.startswith("1 older state of it, 0.0 MB")
    assert str(first.path) in told
    said.clear()
    assert opened(url, tmp_path, said).path == second.path
    assert said == []


def test_what_is_left_of_a_state_that_the_address_has_no_more_is_removed(
    tmp_path, at, url, monkeypatch
):
    fill_with_visits(tmp_path / "raw", 30)
    at(url)

    def failing_get(*_):
        raise DataError("the line is dead")

    with monkeypatch.context() as broken:
        broken.setattr(remote_corpus.Place, "get", failing_get)
        with pytest.raises(DataError, match="the line is dead"):
            opened(url, tmp_path)
    copies = tmp_path / "other" / "remote_corpora"
    assert len(list(copies.glob(".*.fetching"))) == 1
    fill_with_visits(tmp_path / "raw", 5, start=30)
    at(url)
    opened(url, tmp_path)
    assert list(copies.glob(".*.fetching")) == []


def test_preparing_here_leaves_a_copy_that_was_fetched_before(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    at(url)
    fetched = opened(url, tmp_path, cache="cache2")
    before = files_of(fetched.path)
    (tmp_path / "cache").rename(tmp_path / "gone")
    (tmp_path / "cache2").rename(tmp_path / "cache")
    fill_with_visits(tmp_path / "raw", 5, start=30)
    made = at(url)
    assert made.num_listed == 35
    assert files_of(opened(url, tmp_path, cache="cache").path) == files_of(made.path)
    assert files_of(tmp_path / "cache" / fetched.path.relative_to(tmp_path / "cache2")) == before


def test_a_copy_is_not_written_while_a_preparation_works_in_its_folder(
    tmp_path, at, url, monkeypatch
):
    fill_with_visits(tmp_path / "raw", 30)
    made = at(url).path
    made.rename(tmp_path / "gone")
    asked = []
    acquire = FileLock.acquire
    monkeypatch.setattr(
        FileLock,
        "acquire",
        lambda lock, *a, **k: asked.append(lock.lock_file) or acquire(lock, *a, **k),
    )
    at(url)
    of_folder = str(made.with_name(f".{made.name}.lock"))
    assert asked.count(of_folder) == 2  # to fetch what the address holds, and to prepare
    assert [name for name in asked if "fetch" in name] == []


def test_a_copy_that_broke_off_is_no_corpus_and_is_taken_up(tmp_path, at, url, monkeypatch):
    fill_with_visits(tmp_path / "raw", 30)
    put, done = remote_corpus.Place.put, []

    def failing_put(place, file, name):
        if len(done) == 4:
            raise DataError("the line is dead")
        put(place, file, name)
        done.append(name)

    monkeypatch.setattr(remote_corpus.Place, "put", failing_put)
    with pytest.raises(DataError, match="the line is dead"):
        at(url)
    assert "corpus.json" not in files_at(url)
    with pytest.raises(DataError, match="files of prepared corpora skipped"):
        list_sources([url])
    done.append("from now on it works")
    local = at(url)
    assert files_at(url) == files_of(local.path)
    assert len(done) == len(set(done)) == len(files_of(local.path))  # corpus.json and the note


def test_the_note_of_a_copy_that_broke_off_at_its_very_end_is_taken_away(
    tmp_path, at, url, monkeypatch
):
    fill_with_visits(tmp_path / "raw", 30)
    remove = remote_corpus.Place.remove

    def failing_remove(place, name):
        if place.read("corpus.json") is not None:
            raise DataError("the line is dead")
        remove(place, name)

    with monkeypatch.context() as broken:
        broken.setattr(remote_corpus.Place, "remove", failing_remove)
        with pytest.raises(DataError, match="the line is dead"):
            at(url)
    assert {"corpus.json", "corpus.unfinished"} <= files_at(url).keys()
    said = []
    at(url, said=said)
    assert said[-1].endswith("already holds this corpus")
    assert files_at(url) == files_of(at(tmp_path / "local").path)


def test_a_corpus_that_is_replaced_leaves_no_shard_behind(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    before = files_of(at(url).path)
    with pytest.raises(DataError, match="different: options max_shard_bytes"):
        at(url, max_shard_bytes=1 << 20)
    assert files_at(url) == before
    after = at(url, max_shard_bytes=1 << 20, overwrite=True)
    assert files_at(url) == files_of(after.path)
    assert len(files_of(after.path)) < len(before)


@pytest.mark.parametrize("step", ["remove", "put"])
def test_no_file_of_the_corpus_before_is_taken_for_one_of_a_copy_that_broke_off(
    tmp_path, at, url, monkeypatch, step
):
    fill_with_visits(tmp_path / "raw", 30)
    before = files_of(at(url).path)
    for path in (tmp_path / "raw").iterdir():
        path.unlink()
    fill_with_visits(tmp_path / "raw", 30, start=770)

    def fail(*_):
        raise DataError("the line is dead")

    with monkeypatch.context() as broken:
        broken.setattr(remote_corpus.Place, step, fail)
        with pytest.raises(DataError, match="the line is dead"):
            at(url, overwrite=True)
    after = files_of(at(url, overwrite=True).path)
    same_size = [name for name in before if len(before[name]) == len(after.get(name, b""))]
    assert any(before[name] != after[name] for name in same_size)
    assert files_at(url) == after


def test_overwriting_replaces_files_that_are_damaged(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    whole = files_of(at(url).path)
    filesystem, root = fsspec.core.url_to_fs(url)
    name = "train/data-00001.arrow"
    filesystem.pipe_file(f"{root}/{name}", bytes(len(whole[name])))
    at(url, overwrite=True)
    assert files_at(url) == whole


def test_files_that_are_added_grow_the_corpus_from_any_machine(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    copy = at(url).path
    copy.rename(tmp_path / "gone")
    fill_with_visits(tmp_path / "raw", 5, start=30)
    said = []
    at(url, said=said)
    assert "30 of 35 files are encoded already; 5 are left" in said
    assert files_at(url) == files_of(at(tmp_path / "local").path)


def test_a_place_that_holds_something_else_is_refused_before_any_work(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 3)
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.makedirs(root, exist_ok=True)
    filesystem.pipe_file(f"{root}/thesis.txt", b"precious")
    with pytest.raises(DataError, match=r"holds other files \(thesis.txt\)"):
        at(url)
    assert files_at(url) == {"thesis.txt": b"precious"}
    assert not (tmp_path / "cache").exists()


def test_shares_are_put_together_at_the_address(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    for share in ("0/2", "1/2"):
        at(url, share=share)
    assert files_at(url) == {}
    at(url)
    assert files_at(url) == files_of(at(tmp_path / "local").path)


def test_a_damaged_shard_is_not_taken(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    at(url)
    filesystem, root = fsspec.core.url_to_fs(url)
    name = "train/data-00001.arrow"
    content = bytearray(filesystem.cat_file(f"{root}/{name}"))
    content[300] ^= 1
    filesystem.pipe_file(f"{root}/{name}", bytes(content))
    with pytest.raises(DataError, match=r"train/data-00001.arrow is damaged"):
        opened(url, tmp_path)
    filesystem.rm_file(f"{root}/{name}")
    with pytest.raises(DataError, match=r"train/data-00001.arrow is missing"):
        opened(url, tmp_path)


def test_a_recording_whose_name_ends_like_that_file_makes_no_corpus(url):
    filesystem, root = fsspec.core.url_to_fs(url)
    filesystem.makedirs(root, exist_ok=True)
    for name in ("my-corpus.json", "other.json"):
        filesystem.pipe_file(f"{root}/{name}", b"[]")
    assert [s.relative for s in list_sources([url]).sources] == ["my-corpus.json", "other.json"]


def test_a_file_that_may_be_read_is_so_where_nothing_else_may(tmp_path, url, monkeypatch):
    filesystem, root = fsspec.core.url_to_fs(f"{url}/one.json")
    filesystem.makedirs(root.rpartition("/")[0], exist_ok=True)
    filesystem.pipe_file(root, b"[]")

    def denied(*_, **__):
        raise PermissionError("Forbidden")

    # As S3 answers for what is not there, where one may not list.
    monkeypatch.setattr(type(filesystem), "cat_file", denied)
    said = []
    with pytest.raises(DataError, match="the one file is no recording"):
        opened(f"{url}/one.json", tmp_path, said)
    assert said[0].startswith("preparing ")


def test_names_that_lead_elsewhere_are_refused(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    at(url)
    filesystem, root = fsspec.core.url_to_fs(url)
    text = filesystem.cat_file(f"{root}/corpus.json").decode()
    text = text.replace("data-00001.arrow", "../../../evil.arrow", 1)
    filesystem.pipe_file(f"{root}/corpus.json", text.encode())
    with pytest.raises(DataError, match="no name of a shard"):
        opened(url, tmp_path)


def test_a_dry_run_finds_the_copy_and_makes_none(tmp_path, at, url):
    fill_with_visits(tmp_path / "raw", 30)
    made = at(url)
    options = PrepareOptions()
    with pytest.raises(DataError, match="no copy in the cache yet"):
        find_prepared(url, cache_dir=tmp_path / "other", options=options)
    assert not (tmp_path / "other").exists()
    assert find_prepared(url, cache_dir=tmp_path / "cache", options=options) == made
    assert [path.name for path in made.path.parent.glob(f"{made.path.name}-*")] == []
    corpus = opened(url, tmp_path, cache="cache")
    assert find_prepared(url, cache_dir=tmp_path / "cache", options=options) == corpus


def test_the_command_line_prepares_and_verifies_at_an_address(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path / "cache"))
    fill_with_visits(tmp_path / "raw", 30)
    url = f"file://{tmp_path}/bucket/corpus"
    small = ["--group_by", "file", "--test_fraction", "0.2", "--validation_fraction", "0.3"]
    assert main(["prepare", str(tmp_path / "raw"), "--output", url, *small]) == 0
    assert "copied to file://" in capsys.readouterr().out
    assert main(["verify", url, "--window_draws", "0"]) == 0
    capsys.readouterr()
    assert main(["inspect", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["is_corpus"] is True
    assert main(["verify", f"file://{tmp_path}/bucket/nothing"]) == 2
    assert "is no prepared corpus" in capsys.readouterr().err
