"""Copies in the cache of corpora at addresses: made once, and left to the jobs that read them."""

import errno
import os
import shutil

import fsspec
import pytest
from addresses import opened
from filelock import FileLock
from made_recordings import files_of, fill_with_visits

from data_prep import remote_corpus
from data_prep.corpus import open_corpus
from data_prep.errors import DataError
from data_prep.files import put_in_place
from data_prep.prepare import PrepareOptions, find_prepared
from data_prep.shard_watch import ShardWatch
from data_prep.shards import SPLITS

pytestmark = pytest.mark.usefixtures("no_waiting")


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
