"""Old checkpoints die with changed ids: changing golden_ids.json needs a line in CHANGELOG.md."""

import hashlib
import json
from importlib import resources
from pathlib import Path

import pytest

from data_prep.limits import DEFAULT_LIMITS
from data_prep.readers import read_sessions
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.schema import decode_events

GOLDEN = json.loads((Path(__file__).parent / "golden_ids.json").read_text())
SAMPLE = Path(str(resources.files("data_prep").joinpath("sample")))


def digest(session: EncodedSession) -> str:
    return hashlib.sha256(session.ids.tobytes() + session.keyframes.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def tokenizer() -> RRWebTokenizer:
    return RRWebTokenizer()


@pytest.mark.parametrize("name", GOLDEN)
def test_ids_of_real_recordings_are_what_they_were(name: str, tokenizer: RRWebTokenizer) -> None:
    (session,) = read_sessions(SAMPLE / name, DEFAULT_LIMITS)
    encoded = tokenizer.encode_events(decode_events(session.parts).events)
    found = {
        "num_ids": len(encoded.ids),
        "first_ids": encoded.ids[:16].tolist(),
        "sha256": digest(encoded),
    }
    assert found == GOLDEN[name]
