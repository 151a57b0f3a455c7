"""Preparation with a tokenizer that is quick and small."""

from pathlib import Path

import fsspec
import pytest

from data_prep import remote
from data_prep.prepare import PrepareOptions, prepare
from data_prep.prepare_remotely import prepare_at, prepare_share_at
from data_prep.shares import parse_share


@pytest.fixture
def fake_encoder(monkeypatch):
    """Spawned processes inherit the path, so they can import the fake."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import fake_encoder

    return fake_encoder


@pytest.fixture
def options():
    return PrepareOptions(
        test_fraction=0.2, validation_fraction=0.3, num_proc=1, show_progress=False
    )


@pytest.fixture
def run(tmp_path, options, fake_encoder):
    """Prepare tmp_path / "raw" into tmp_path / "corpus", and keep what was reported."""

    def run(inputs=None, output=None, said=None, encoder=fake_encoder.FakeEncoder, **changes):
        fields = {name: getattr(options, name) for name in PrepareOptions.__dataclass_fields__}
        return prepare(
            inputs or [tmp_path / "raw"],
            output or tmp_path / "corpus",
            PrepareOptions(**(fields | changes)),
            encoder_factory=encoder,
            report=(said if said is not None else []).append,
        )

    return run


@pytest.fixture
def no_waiting(monkeypatch):
    """Broken transfers are tried again at once."""
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)


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
def at(tmp_path, monkeypatch, fake_encoder):
    """Prepare tmp_path / "raw" to an address, or into a folder."""
    monkeypatch.setattr("data_prep.split_writer._MAX_BATCH_ROWS", 5)

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
