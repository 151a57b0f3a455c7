"""Preparing again: what is there is taken over where it is the same, else refused by name."""

import json
import shutil
from functools import partial

import pytest
from made_recordings import files_of, fill, recording

from data_prep.corpus import open_corpus
from data_prep.errors import DataError
from data_prep.prepare import default_cache_dir, open_or_prepare

pytestmark = pytest.mark.usefixtures("fake_encoder")


def test_the_same_corpus_is_reused_also_after_copying_the_files(tmp_path, run):
    raw = fill(tmp_path / "raw", 20)
    first = run()
    stamp = (first.path / "corpus.json").stat().st_mtime_ns
    (raw / "site0" / "0000.json").touch()
    said = []
    second = run(said=said)
    assert second.fingerprint == first.fingerprint
    assert (first.path / "corpus.json").stat().st_mtime_ns == stamp
    assert "already holds" in said[0]


def test_another_corpus_is_refused_by_naming_the_difference_and_replaced_on_request(tmp_path, run):
    fill(tmp_path / "raw", 20)
    first = run()
    with pytest.raises(DataError, match=r"options salt.*--overwrite"):
        run(salt="a")
    (tmp_path / "raw" / "site0" / "0000.json").unlink()
    with pytest.raises(DataError, match="different: inputs"):
        run()
    second = run(overwrite=True)
    assert second.num_listed == 19
    assert open_corpus(first.path).fingerprint == second.fingerprint != first.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == [".corpus.lock", "corpus", "raw"]


def test_a_folder_that_is_no_corpus_is_never_replaced(tmp_path, run):
    fill(tmp_path / "raw", 20)
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="no prepared corpus"):
        run(overwrite=True)
    assert (tmp_path / "corpus" / "thesis.txt").exists()


class Counting:
    """Counts what a fake encoder encodes, and breaks off at a call."""

    def __init__(self, encoder, stop_at=None, error=KeyboardInterrupt):
        self.encoder, self.stop_at, self.error, self.num_calls = encoder, stop_at, error, 0

    def __call__(self):
        return self

    def encode_events(self, session):
        self.num_calls += 1
        if self.num_calls == self.stop_at:
            raise self.error
        return self.encoder.encode_events(session)

    def save_vocabulary(self, save_directory):
        return self.encoder.save_vocabulary(save_directory)


@pytest.fixture
def counting(fake_encoder, monkeypatch):
    monkeypatch.setattr("data_prep.tasks._TASK_FILES", 4)
    return lambda *args: Counting(fake_encoder.FakeEncoder(), *args)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, run, counting):
    fill(tmp_path / "raw", 20)
    (tmp_path / ".corpus.partial").mkdir()
    (tmp_path / ".corpus.partial" / "left by a kill").write_text("x")
    with pytest.raises(KeyboardInterrupt):
        run(encoder=counting(10))
    assert not (tmp_path / "corpus").exists()
    assert not (tmp_path / ".corpus.partial").exists()
    again, said = counting(), []
    assert run(encoder=again, said=said).num_accepted == 20
    assert again.num_calls == 12  # two parts of four files were sealed
    assert "8 of 20 files are encoded already; 12 are left" in said
    fresh = run(output=tmp_path / "fresh")
    assert files_of(tmp_path / "corpus") == files_of(fresh.path)
    assert not (tmp_path / ".corpus.parts").exists()


def test_parts_of_other_options_are_not_used(tmp_path, run, counting):
    fill(tmp_path / "raw", 20)
    with pytest.raises(KeyboardInterrupt):
        run(encoder=counting(10))
    other = counting()
    run(encoder=other, salt="other")
    assert other.num_calls == 20


@pytest.mark.parametrize("suffix", [".arrow", ".jsonl"])
@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_damaged_parts_are_made_again(tmp_path, run, counting, suffix, damage):
    fill(tmp_path / "raw", 20)
    with pytest.raises(KeyboardInterrupt):
        run(encoder=counting(10))
    part = sorted((tmp_path / ".corpus.parts").glob(f"*/*{suffix}"))[0]
    content = part.read_bytes()
    if damage == "removed":
        part.unlink()
    else:
        middle = len(content) // 2
        changed = bytes([content[middle] ^ 1]) + content[middle + 1 :]
        part.write_bytes(content[:middle] + (changed if damage == "changed" else b""))
    again = counting()
    run(encoder=again)
    assert again.num_calls == 16
    assert files_of(tmp_path / "corpus") == files_of(run(output=tmp_path / "fresh").path)


def test_only_files_that_were_added_are_encoded(tmp_path, run, counting):
    fill(tmp_path / "raw", 20)
    run()
    fill(tmp_path / "raw", 3, start=50)
    again, said = counting(), []
    grown = run(encoder=again, said=said)
    assert again.num_calls == 3
    assert (grown.num_listed, grown.num_accepted) == (23, 23)
    assert "20 of 23 files are encoded already; 3 are left" in said
    assert files_of(grown.path) == files_of(run(output=tmp_path / "fresh").path)
    assert not (tmp_path / ".corpus.old").exists()


def test_files_that_changed_or_had_an_equal_one_are_encoded_again(tmp_path, run, counting):
    raw = fill(tmp_path / "raw", 20)
    (raw / "site4" / "z.json").write_bytes((raw / "site0" / "0000.json").read_bytes())
    run()
    (raw / "site0" / "0000.json").unlink()  # its equal is now the first of its content
    (raw / "site1" / "0001.json").write_text(recording(77))
    again = counting()
    changed = run(encoder=again, overwrite=True)
    assert again.num_calls == 2
    assert files_of(changed.path) == files_of(run(output=tmp_path / "fresh").path)


def test_a_damaged_corpus_lends_nothing(tmp_path, run, counting):
    fill(tmp_path / "raw", 20)
    shard = run().path / "train" / "data-00000.arrow"
    content = shard.read_bytes()
    shard.write_bytes(content[:-100] + bytes(100))
    fill(tmp_path / "raw", 1, start=50)
    again, said = counting(), []
    run(encoder=again, said=said)
    assert again.num_calls == 21
    assert any("damaged" in line for line in said)


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_crash_while_the_output_is_replaced_loses_nothing(tmp_path, run, counting, is_complete):
    fill(tmp_path / "raw", 20)
    corpus = run()
    before = files_of(corpus.path)
    corpus.path.rename(tmp_path / ".corpus.old")
    if is_complete:
        shutil.copytree(tmp_path / ".corpus.old", tmp_path / ".corpus.partial")
    again = counting()
    assert run(encoder=again).num_accepted == 20
    assert again.num_calls == 0
    assert files_of(tmp_path / "corpus") == before
    assert not (tmp_path / ".corpus.old").exists()


def test_the_cache_takes_sessions_from_an_earlier_state_of_a_folder(tmp_path, options, counting):
    raw = fill(tmp_path / "raw", 20)
    call = partial(
        open_or_prepare,
        raw,
        cache_dir=tmp_path / "cache",
        options=options,
        report=[].append,
    )
    first = call(encoder_factory=counting())
    fill(raw, 2, start=50)
    again = counting()
    second = call(encoder_factory=again)
    assert (again.num_calls, second.num_accepted) == (2, 22)
    assert first.path != second.path
    assert first.path.exists()


def test_a_corpus_inside_the_input_folder_is_not_read_again(tmp_path, run):
    raw = fill(tmp_path / "raw", 20)
    first = run(output=raw / "corpus")
    assert run(output=raw / "corpus").fingerprint == first.fingerprint


@pytest.mark.parametrize("damage", ["text", "field", "version", "shard", "missing"])
def test_a_damaged_corpus_is_refused_with_a_remedy(tmp_path, run, damage):
    fill(tmp_path / "raw", 20)
    corpus = run()
    file = corpus.path / "corpus.json"
    fields = json.loads(file.read_text())
    if damage == "text":
        file.write_text("{")
    elif damage == "field":
        fields["identity"]["options"]["salt"] = "y"
        file.write_text(json.dumps(fields))
    elif damage == "version":
        fields["identity"]["format_version"] = 99
        file.write_text(json.dumps(fields))
    elif damage == "shard":
        shard = corpus.path / "train" / "data-00000.arrow"
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        file.unlink()
    remedy = "holds no corpus.json" if damage == "missing" else "--overwrite"
    with pytest.raises(DataError, match=remedy):
        open_corpus(corpus.path)


def test_raw_recordings_are_prepared_once_into_the_cache(tmp_path, options, fake_encoder):
    fill(tmp_path / "raw", 20)
    said = []
    call = partial(
        open_or_prepare,
        cache_dir=tmp_path / "cache",
        options=options,
        encoder_factory=fake_encoder.FakeEncoder,
        report=said.append,
    )
    first = call(tmp_path / "raw")
    assert str(first.path) in said[0]
    num_messages = len(said)
    assert call(tmp_path / "raw") == first
    assert "preparing" not in " ".join(said[num_messages:])
    assert open_or_prepare(first.path, options=options) == first
    fill(tmp_path / "raw", 1, start=77)
    assert call(tmp_path / "raw").fingerprint != first.fingerprint


def test_the_cache_follows_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("RRWEB_BERT_CACHE")
    assert default_cache_dir().parts[-2:] == (".cache", "rrweb-bert")
