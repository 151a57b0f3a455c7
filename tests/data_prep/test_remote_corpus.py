"""Corpora at addresses: whole or not there, and the bytes of a local one."""

import json

import fsspec
import pytest
from addresses import files_at, opened
from made_recordings import files_of, fill_with_visits

from data_prep import remote_corpus
from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.manifest import list_sources

pytestmark = pytest.mark.usefixtures("no_waiting")


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
