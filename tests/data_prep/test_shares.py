"""Shares of the files, by jobs that know nothing of one another: the bytes of one run."""

from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from made_recordings import files_of, fill_with_visits

from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.manifest import Source
from data_prep.prepare import PrepareOptions, prepare, prepare_share
from data_prep.shares import Share, parse_share

HERE = Path(__file__).parent
NO_SHARES = ("-1/2", "1", "a/b", "1/2/3", "")


def source(name, num_bytes):
    return Source(
        path=Path(name),
        source_id=name,
        file_id=name,
        relative=name,
        num_bytes=num_bytes,
        mtime_ns=1,
    )


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """(share or None, what was said) -> a run over tmp_path / "raw"."""
    monkeypatch.syspath_prepend(str(HERE))
    import fake_encoder

    def run(share=None, output="corpus", said=None, encoder=fake_encoder.FakeEncoder, **changes):
        options = PrepareOptions(
            test_fraction=0.2, validation_fraction=0.3, num_proc=1, show_progress=False, **changes
        )
        arguments = [[tmp_path / "raw"], tmp_path / output, options]
        keywords = {
            "encoder_factory": encoder,
            "report": (said if said is not None else []).append,
        }
        if share is None:
            return prepare(*arguments, **keywords)
        return prepare_share(*arguments, parse_share(share), **keywords)

    return run


def test_shares_in_any_order_give_the_bytes_of_one_run(tmp_path, jobs):
    fill_with_visits(tmp_path / "raw", 50)
    for share in ("2/3", "0/3", "1/3"):
        said = []
        jobs(share, said=said)
        assert said[-1].startswith(f"share {share}: ")
        assert not (tmp_path / "corpus").exists()
    said = []
    corpus = jobs(said=said)
    assert "50 of 50 files are encoded already; 0 are left" in said
    assert files_of(corpus.path) == files_of(jobs(output="one").path)
    assert not (tmp_path / ".corpus.parts").exists()


def test_what_no_share_has_done_is_done_by_the_last_run(tmp_path, jobs):
    fill_with_visits(tmp_path / "raw", 50)
    jobs("1/3")
    said = []
    corpus = jobs(said=said)
    done = int(said[0].split()[0])
    assert 10 < done < 25
    assert files_of(corpus.path) == files_of(jobs(output="one").path)


def test_a_share_that_broke_goes_on_with_what_is_missing(tmp_path, jobs, monkeypatch):
    import fake_encoder

    monkeypatch.setattr("data_prep.tasks._TASK_FILES", 4)
    fill_with_visits(tmp_path / "raw", 50)
    with pytest.raises(KeyError):
        jobs("1/2", encoder=fake_encoder.FailingOnce)
    said = []
    jobs("1/2", said=said)
    assert "files are encoded already" in said[0]
    jobs("0/2")
    assert files_of(jobs().path) == files_of(jobs(output="one").path)


def test_files_that_were_added_are_shared_out_and_the_others_taken_from_the_corpus(tmp_path, jobs):
    fill_with_visits(tmp_path / "raw", 30)
    jobs()
    fill_with_visits(tmp_path / "raw", 12, start=30)
    said = []
    for share in ("0/2", "1/2"):
        jobs(share, said=said)
    # Shares are of all files: the first is old ones alone.
    assert said[0] == "21 of 21 files are encoded already; 0 are left"
    assert said[2] == "9 of 21 files are encoded already; 12 are left"
    corpus = jobs()
    assert corpus.num_listed == 42
    assert files_of(corpus.path) == files_of(jobs(output="one").path)


def test_a_share_of_a_corpus_that_is_there_has_nothing_to_do(tmp_path, jobs):
    fill_with_visits(tmp_path / "raw", 20)
    jobs()
    said = []
    jobs("0/2", said=said)
    assert "nothing is left to do" in said[0]


def test_shares_are_put_together_only_when_none_is_at_work(tmp_path, jobs):
    fill_with_visits(tmp_path / "raw", 20)
    jobs("0/2")
    (lock_file,) = tmp_path.glob(".corpus.parts/*/.share-00000-of-00002.lock")
    with FileLock(lock_file):
        with pytest.raises(DataError, match="share-00000-of-00002 is still at work"):
            jobs()
        with pytest.raises(DataError, match=r"share 0/2 of .* is at work in another job"):
            jobs("0/2")
        jobs("1/2")
    assert jobs().num_listed == 20


@given(st.lists(st.integers(0, 1 << 30), min_size=1, max_size=40), st.integers(1, 12))
def test_shares_are_stretches_that_hold_each_file_once(sizes, num_shares):
    sources = [source(str(n), size) for n, size in enumerate(sizes)]
    shares = [Share(number, num_shares).of(sources) for number in range(num_shares)]
    assert [s for share in shares for s in share] == sources
    weights = [sum(s.num_bytes + (16 << 10) for s in share) for share in shares]
    largest = max(sizes) + (16 << 10)
    assert max(weights) <= sum(weights) / num_shares + largest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2/2", "2/2 is none: NUMBER goes from 0 to SHARDS - 1, here from 0/2 to 1/2"),
        ("1/0", "1/0 is none: SHARDS is at least 1, as in 0/1"),
        *((text, f"{text!r} is none: write NUMBER/SHARDS, as 0/100 for") for text in NO_SHARES),
    ],
)
def test_what_is_no_share_is_told_by_the_name_of_the_option(text, said, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "raw", "--output", str(tmp_path / "corpus"), f"--shard={text}"])
    assert f"error: argument --shard: {said}" in capsys.readouterr().err
