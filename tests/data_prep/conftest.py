"""Preparation with a tokenizer that is quick and small."""

from pathlib import Path

import pytest

from data_prep.prepare import PrepareOptions, prepare


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
