"""The model that comes with the package: small, whole, trained, and beside its norms."""

import json

import numpy as np
import pytest
import torch
import zstandard

from rrweb_bert import SessionEncoder
from rrweb_bert.collator import RRWebDataCollator
from rrweb_bert.sample_plan import sample_directory
from rrweb_bert.session_encoder import DEFAULT_MODEL
from rrweb_bert.surprise.norms import weights_hash

UNSEEN = ("acekitchen-040165", "adminlte3-030010")  # of a validation and a test site


@pytest.fixture(scope="module")
def encoder():
    return SessionEncoder.from_pretrained(device="cpu")


def test_it_takes_at_most_15_megabytes():
    assert (DEFAULT_MODEL / "model.safetensors").stat().st_size <= 15_000_000


def test_it_encodes_recordings(encoder):
    files = [sample_directory() / f"{name}.json.zst" for name in UNSEEN]
    vectors = encoder.encode(files, pooling="interactions")
    assert vectors.shape == (2, encoder.hidden_size)
    assert np.isfinite(vectors).all()


def test_it_fills_in_a_third_of_the_masked_ids_of_sites_it_has_not_seen(encoder):
    """Half of them in docs/results.md; counting reaches 38% with neighbours, 3% without."""
    hits = []
    collator = RRWebDataCollator(encoder.tokenizer, mlm_probability=0.15, mask_seed=0)
    for name in UNSEEN:
        with zstandard.open(sample_directory() / f"{name}.json.zst", "rb") as file:
            session = encoder.tokenizer.encode_session(file.read())
        window = np.concatenate([[2], session.ids[:1022], [3]])
        batch = collator([{"input_ids": window, "sample_index": 0}])
        with torch.inference_mode():
            logits, truth = encoder.model.masked_logits(batch["input_ids"], batch["labels"])
        hits.append((logits.argmax(-1) == truth).numpy())
    assert np.concatenate(hits).mean() > 1 / 3


def test_its_card_names_what_it_was_trained_on():
    card = (DEFAULT_MODEL / "README.md").read_text()
    assert "--preset small_corpus" in card
    assert "license: apache-2.0" in card


def test_its_norms_are_of_these_weights():
    norms = json.loads((DEFAULT_MODEL / "surprise_norms.json").read_text())
    assert norms["weights_sha256"] == weights_hash(DEFAULT_MODEL)
