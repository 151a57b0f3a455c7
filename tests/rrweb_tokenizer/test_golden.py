"""Old checkpoints die with changed ids: changing golden_ids.json needs a line in CHANGELOG.md.

`python tests/rrweb_tokenizer/test_golden.py` (with the repository's root and `tests` on PYTHONPATH)
writes the file anew.
"""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from odd_sessions import OddSession

from data_prep.limits import DEFAULT_LIMITS
from data_prep.readers import read_sessions
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS

GOLDEN_FILE = Path(__file__).parent / "golden_ids.json"
GOLDEN = json.loads(GOLDEN_FILE.read_text())
SAMPLE = Path(str(resources.files("data_prep").joinpath("sample")))
# Together these sessions have every kind of event.
NUM_ODD_SESSIONS = 20


def summary(session: EncodedSession) -> dict[str, Any]:
    return {
        "num_ids": len(session.ids),
        "first_ids": session.ids[:16].tolist(),
        "sha256": hashlib.sha256(session.ids.tobytes() + session.keyframes.tobytes()).hexdigest(),
    }


def encoded(name: str, tokenizer: RRWebTokenizer) -> EncodedSession:
    if name.startswith("odd-"):
        return tokenizer.encode_session(OddSession(int(name.removeprefix("odd-"))).events)
    (session,) = read_sessions(SAMPLE / name, DEFAULT_LIMITS)
    return tokenizer.encode_events(decode_events(session.parts).events)


@pytest.fixture(scope="module")
def tokenizer() -> RRWebTokenizer:
    return RRWebTokenizer()


@pytest.mark.parametrize("name", GOLDEN)
def test_ids_are_what_they_were(name: str, tokenizer: RRWebTokenizer) -> None:
    assert summary(encoded(name, tokenizer)) == GOLDEN[name]


def test_golden_sessions_cover_every_kind_of_event(tokenizer: RRWebTokenizer) -> None:
    seen = {i for name in GOLDEN for i in set(encoded(name, tokenizer).ids.tolist())}
    heads = ("[EV_", "[IS_", "[MI_", "[ME_", "[TAB]", "[KEY_")
    missing = [
        token
        for i, token in enumerate(STRUCTURAL_TOKENS)
        if token.startswith(heads) and i not in seen
    ]
    assert missing == []


def write_golden() -> None:
    names = [name for name in GOLDEN if not name.startswith("odd-")]
    names += [f"odd-{seed}" for seed in range(NUM_ODD_SESSIONS)]
    tokenizer = RRWebTokenizer()
    summaries = {name: summary(encoded(name, tokenizer)) for name in names}
    GOLDEN_FILE.write_text(json.dumps(summaries, indent=1) + "\n")


if __name__ == "__main__":
    write_golden()
