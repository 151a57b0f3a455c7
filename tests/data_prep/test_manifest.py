"""The manifest: each real file once, under a stable name."""

import os

import pytest

from data_prep.errors import DataError
from data_prep.manifest import list_sources, skipped_text


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]")


def ids(manifest):
    return [source.source_id for source in manifest.sources]


def test_folders_are_listed_recursively_in_order(tmp_path):
    touch(tmp_path, "b/2.json", "b/1.jsonl.gz", "a/x.y.json.zst", "top.json", "noname")
    assert ids(list_sources([tmp_path])) == ["noname", "top", "a/x.y", "b/1", "b/2"]


def test_names_that_differ_in_suffixes_stay_apart_but_share_a_group(tmp_path):
    touch(tmp_path, "a.json", "a.json.gz")
    manifest = list_sources([tmp_path])
    assert ids(manifest) == ["a", "a~2"]
    assert {source.file_id for source in manifest.sources} == {"a"}


def test_a_file_is_not_taken_for_a_session_within_another(tmp_path):
    touch(tmp_path, "a.json", "a#b.json")
    assert ids(list_sources([tmp_path])) == ["a%23b", "a"]


def test_unrelated_hidden_and_linked_entries_are_skipped_and_counted(tmp_path):
    touch(tmp_path, "a.json", "readme.md", "x.PNG", ".hidden.json", ".git/c.json")
    (tmp_path / "again").symlink_to(tmp_path)
    manifest = list_sources([tmp_path])
    assert ids(manifest) == ["a"]
    assert manifest.skipped == {
        "hidden or linked folders": 2,
        "hidden files": 1,
        ".md files": 1,
        ".png files": 1,
    }


def test_a_file_that_is_named_is_always_listed(tmp_path):
    touch(tmp_path, "a.md")
    assert ids(list_sources([tmp_path / "a.md"])) == ["a.md"]


def test_a_real_file_is_listed_once(tmp_path):
    touch(tmp_path, "a.json")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    (tmp_path / "c.json").symlink_to(tmp_path / "c.json")
    manifest = list_sources([tmp_path, tmp_path / "a.json"])
    assert ids(manifest) == ["a", "c"]
    assert manifest.skipped == {"listed before": 2}


def test_prepared_corpora_and_the_output_are_not_inputs(tmp_path):
    touch(tmp_path, "a.json", "corpus/corpus.json", "corpus/ledger.jsonl", "out/x.json")
    assert ids(list_sources([tmp_path], exclude=[tmp_path / "out"])) == ["a"]


def test_a_name_that_is_no_unicode_is_listed(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.json"
    with open(name, "wb") as file:  # noqa: PTH123 - a path of bytes
        file.write(b"[]")
    (source,) = list_sources([tmp_path]).sources
    assert source.source_id == "caf\\xe9"
    source.source_id.encode()


def test_nothing_to_prepare_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        list_sources([tmp_path / "nowhere"])
    with pytest.raises(DataError, match="does not exist"):
        list_sources([tmp_path / ("x" * 300)])
    with pytest.raises(DataError, match="holds no recording"):
        list_sources([tmp_path])
    touch(tmp_path, "a.md")
    with pytest.raises(DataError, match=r"1 \.md file skipped"):
        list_sources([tmp_path])


def test_an_output_that_is_the_input_is_said_to_be_that(tmp_path):
    touch(tmp_path, "raw/a.json")
    with pytest.raises(DataError, match=r"raw is an input and the output; give another --output"):
        list_sources([tmp_path / "raw"], exclude=[tmp_path / "raw"])


def test_a_corpus_where_recordings_are_wanted_is_told_what_takes_it(tmp_path):
    touch(tmp_path, "corpus/corpus.json", "corpus/ledger.jsonl")
    with pytest.raises(DataError) as caught:
        list_sources([tmp_path / "corpus"])
    assert str(caught.value) == (
        f"{tmp_path / 'corpus'} holds no recording: it is a prepared corpus, and recordings are "
        "wanted here; embed, evaluate and train_mlm.py take a corpus"
    )
    with pytest.raises(DataError, match=r"holds no recording \(1 prepared corpus skipped\)"):
        list_sources([tmp_path])


def test_a_corpus_in_its_own_place_is_not_told_to_be_recordings(tmp_path):
    touch(tmp_path, "corpus/corpus.json", "corpus/ledger.jsonl")
    with pytest.raises(DataError, match="it is a prepared corpus"):
        list_sources([tmp_path / "corpus"], exclude=[tmp_path / "corpus"])


def test_what_is_skipped_is_counted_in_words():
    skipped = {"hidden files": 1, "prepared corpora": 1, "files of prepared corpora": 1}
    assert skipped_text(skipped) == ("1 hidden file, 1 prepared corpus, 1 file of prepared corpora")
    assert skipped_text({"hidden or linked folders": 2000}) == "2,000 hidden or linked folders"
    assert skipped_text({"listed before": 1}) == "1 listed before"


def test_the_quick_hash_follows_names_sizes_and_times(tmp_path):
    touch(tmp_path, "a.json")
    first = list_sources([tmp_path]).quick_hash()
    assert list_sources([tmp_path]).quick_hash() == first
    os.utime(tmp_path / "a.json", (1, 1))
    assert list_sources([tmp_path]).quick_hash() != first
