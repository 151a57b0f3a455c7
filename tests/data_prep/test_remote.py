"""Remote places, against a real S3 server on loopback."""

import functools
import gzip
import sys
from pathlib import Path

import pytest
from made_recordings import visit
from s3_server import emptied, running_s3_server

from data_prep import remote
from data_prep.__main__ import main
from data_prep.errors import AccessError, DataError
from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.manifest import list_sources
from data_prep.prepare import open_or_prepare, prepare
from data_prep.prepare_remotely import prepare_at
from data_prep.readers import Rejected, UnreadableError
from data_prep.sessions import open_sessions


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)


# --- an S3 server


@pytest.fixture(scope="module")
def s3_server():
    with running_s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """A bucket with 30 recordings, and the environment that lets it be opened."""
    objects = {
        f"recordings/day/site{number % 3}/{number:03}.json.gz": gzip.compress(
            visit(number).encode(), mtime=0
        )
        for number in range(30)
    }
    objects["recordings/day/readme.md"] = b"#"
    objects["recordings/day/.hidden/x.json"] = b"[]"
    with emptied(s3_server, monkeypatch) as filesystem:
        filesystem.mkdir("recordings")
        filesystem.pipe(objects)
        yield filesystem


def test_a_bucket_is_listed_like_a_folder_with_sizes(bucket):
    manifest = list_sources(["s3://recordings/day"])
    names = [source.source_id for source in manifest.sources]
    assert names == sorted(f"site{n % 3}/{n:03}" for n in range(30))
    assert manifest.skipped == {".md files": 1, "hidden files": 1}
    assert all(source.num_bytes > 50 and source.version for source in manifest.sources)
    assert manifest.quick_hash() == list_sources(["s3://recordings/day/"]).quick_hash()


def test_another_content_gives_another_quick_hash(bucket):
    before = list_sources(["s3://recordings/day"]).quick_hash()
    old = bucket.cat_file("recordings/day/site0/000.json.gz")
    bucket.pipe_file("recordings/day/site0/000.json.gz", old[:-1] + b"!")
    assert list_sources(["s3://recordings/day"]).quick_hash() != before


def test_a_bucket_takes_the_corpus_and_gives_it_back(bucket, tmp_path, options, fake_encoder):
    keywords = {"encoder_factory": fake_encoder.FakeEncoder, "report": lambda _: None}
    inputs = ["s3://recordings/day"]
    local = prepare(inputs, tmp_path / "local", options, **keywords)
    url = "s3://recordings/day/corpus"
    prepare_at(inputs, url, options, cache_dir=tmp_path / "cache", **keywords)
    found = {
        path.removeprefix("recordings/day/corpus/"): bucket.cat_file(path)
        for path in bucket.find("recordings/day/corpus")
    }
    assert found == {
        path.relative_to(local.path).as_posix(): path.read_bytes()
        for path in local.path.rglob("*")
        if path.is_file()
    }
    # It lies among the recordings, and is none of them.
    assert len(list_sources(inputs).sources) == 30
    copy = open_or_prepare(url, cache_dir=tmp_path / "other", options=options)
    assert (copy.path / "ledger.jsonl").read_bytes() == found["ledger.jsonl"]


def test_a_bucket_that_is_not_there_is_not_made(bucket, tmp_path, options, fake_encoder):
    url = "s3://other-bucket/corpus"
    with pytest.raises(DataError, match="does the bucket exist"):
        prepare_at(
            ["s3://recordings/day"],
            url,
            options,
            cache_dir=tmp_path / "cache",
            encoder_factory=fake_encoder.FakeEncoder,
            report=lambda _: None,
        )
    assert not bucket.exists("other-bucket")


def test_patterns_and_single_objects_are_inputs(bucket):
    found = list_sources(["s3://recordings/day/site1/*.json.gz"]).sources
    assert [source.source_id for source in found] == [f"{n:03}" for n in range(1, 30, 3)]
    (single,) = list_sources(["s3://recordings/day/site1/001.json.gz"]).sources
    assert single.source_id == "001"


def test_what_is_not_there_is_an_error(bucket):
    for url in ("s3://recordings/nowhere", "s3://nowhere/x", "s3://recordings/day/*.parquet"):
        with pytest.raises(DataError, match="does not exist"):
            list_sources([url])


def test_a_bucket_gives_the_same_corpus_as_a_folder(tmp_path, bucket, options, fake_encoder):
    bucket.get("recordings/day", str(tmp_path / "raw"), recursive=True)
    make = functools.partial(
        prepare,
        options=options,
        encoder_factory=fake_encoder.FakeEncoder,
        report=lambda message: None,
    )
    local = make([tmp_path / "raw"], tmp_path / "local")
    far = make(["s3://recordings/day"], tmp_path / "far")
    assert far.num_accepted == 30
    assert far.fingerprint == local.fingerprint
    for name in ("train/data-00000.arrow", "ledger.jsonl"):
        assert (far.path / name).read_bytes() == (local.path / name).read_bytes()


def test_a_bucket_is_prepared_once_into_the_cache(tmp_path, bucket, options, fake_encoder):
    said = []
    call = functools.partial(
        open_or_prepare,
        "s3://recordings/day",
        cache_dir=tmp_path,
        options=options,
        encoder_factory=fake_encoder.FakeEncoder,
        report=said.append,
    )
    first = call()
    assert first.path.name.startswith("day-")
    assert said[0].startswith("preparing s3://recordings/day once")
    num_said = len(said)
    assert call() == first
    assert "preparing" not in " ".join(said[num_said:])


@pytest.mark.slow
def test_the_command_line_prepares_a_bucket_with_two_processes(tmp_path, bucket, capsys):
    command = ["prepare", "s3://recordings/day", "--output", str(tmp_path / "corpus")]
    fractions = ["--test_fraction", "0.2", "--validation_fraction", "0.3"]
    assert main([*command, *fractions, "--num_proc", "2"]) == 0
    assert "30 files listed = 30 accepted + 0 rejected" in capsys.readouterr().out


@pytest.mark.slow
def test_training_opens_a_bucket_like_a_folder(tmp_path, bucket):
    from rrweb_bert.arguments import parse_arguments
    from rrweb_bert.assembly import load_tokenizer, open_corpus

    flags = ["--data_dir", "s3://recordings/day", "--cache_dir", str(tmp_path / "cache")]
    flags += ["--test_fraction", "0.2", "--validation_fraction", "0.3", "--num_proc", "1"]
    arguments = parse_arguments([*flags, "--output_dir", str(tmp_path / "run"), "--use_cpu"])
    corpus = open_corpus(arguments, load_tokenizer(arguments))
    assert corpus.num_accepted == 30


def test_sessions_of_a_bucket_are_streamed(bucket):
    found = list(open_sessions("s3://recordings/day/site2"))
    assert [session.session_id for session in found] == [f"{n:03}" for n in range(2, 30, 3)]
    assert found[0].path == Path("recordings/day/site2/002.json.gz")


def test_limits_hold_for_objects(bucket):
    bucket.pipe_file("recordings/big.json", b"[" + b" " * 2000)
    (found,) = open_sessions("s3://recordings/big.json", limits=Limits(max_container_bytes=1000))
    assert isinstance(found, Rejected)
    assert "larger than 1,000 bytes" in found.reason


def test_an_object_that_is_gone_is_rejected_and_named(bucket, tmp_path, options, fake_encoder):
    (source,) = list_sources(["s3://recordings/day/site1/001.json.gz"]).sources
    bucket.rm("recordings/day/site1/001.json.gz")
    with (
        pytest.raises(UnreadableError, match="gone since it was listed"),
        remote.downloaded(source.url, source.num_bytes, DEFAULT_LIMITS),
    ):
        pass


def test_missing_credentials_are_named_with_the_remedy(bucket, monkeypatch, capsys, tmp_path):
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    status = main(["prepare", "s3://recordings/day", "--output", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert status == 2, said
    assert "no credentials for s3://" in said
    assert "AWS_ACCESS_KEY_ID" in said


# --- without any server


def test_a_library_that_is_missing_is_named_with_its_command(monkeypatch, capsys, tmp_path):
    for module in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, module, None)
    for scheme in ("s3", "gs"):
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
        status = main(["prepare", f"{scheme}://bucket/x", "--output", str(tmp_path / "out")])
        assert status == 2
        said = capsys.readouterr().err
        assert f'pip install "rrweb-bert[{scheme}]"' in said


def test_an_unknown_scheme_is_an_access_error():
    with pytest.raises(AccessError, match="nosuch"):
        list_sources(["nosuch://bucket/x"])


def test_a_dataset_of_the_hub_that_cannot_be_reached_is_an_error(monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="hf://datasets/nobody/nothing"):
        list_sources(["hf://datasets/nobody/nothing/data"])


@pytest.mark.parametrize(
    ("place", "is_address"),
    [
        ("s3://bucket/x", True),
        ("https://a.test/x", True),
        ("folder/x", False),
        ("C:\\folder", False),
        (Path("s3://bucket"), False),
    ],
)
def test_addresses_are_told_from_paths(place, is_address):
    assert remote.is_remote(place) is is_address


def test_a_secret_in_an_address_is_not_shown():
    assert remote.shown("https://u:p@a.test/x.json?k=1#f") == "https://a.test/x.json"
    assert remote.shown("s3://bucket/odd?name.json") == "s3://bucket/odd?name.json"
