"""What becomes of one recording, whatever is in it: encoded, or rejected for a reason.

Everything else, an exception above all, is a fault. Used by the cases written by hand and by the
mutants.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from data_prep.encoding import EncodingOptions, encode_source
from data_prep.grouping import Grouping
from data_prep.limits import DEFAULT_LIMITS
from data_prep.manifest import Source
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.chapters import MAX_CHAPTER_IDS
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, VOCAB_SIZE

_OPTIONS = EncodingOptions(
    grouping=Grouping(rule="auto"),
    test_fraction=0,
    validation_fraction=0,
    salt="",
    limits=DEFAULT_LIMITS,
)
_KEYS = [STRUCTURAL_IDS[f"[KEY_{kind}]"] for kind in ("HEAD", "MID", "TAIL", "CONT")]
_NEVER_WRITTEN = 5  # the special tokens, 0 to 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either ids or reasons, never neither."""

    num_ids: int
    num_events: int
    num_rejected_events: int
    reasons: tuple[str, ...]
    sha256: str

    @property
    def is_ok(self):
        return self.num_ids > 0


@cache
def tokenizer():
    return RRWebTokenizer()


def outcome_of(content, folder):
    """Writes a file and prepares it as `prepare` does; checks what must hold of any outcome."""
    path = Path(folder) / "recording"
    path.write_bytes(content)
    source = Source(
        path=path,
        source_id="recording",
        file_id="recording",
        relative="recording",
        num_bytes=len(content),
        mtime_ns=0,
    )
    sessions = []
    encoded = encode_source(source, tokenizer(), _OPTIONS, lambda *found: sessions.append(found))
    rows = [row for row, _ in sessions]
    notes = [note for _, note in sessions]
    assert rows or encoded.reasons, "neither ids nor a reason"
    assert all(encoded.reasons), "an empty reason"
    for row in rows:
        check_ids(row.ids, row.keyframes)
        assert np.isfinite([row.start_ms, row.end_ms]).all()
        assert row.start_ms <= row.end_ms
    return Outcome(
        num_ids=sum(len(row.ids) for row in rows),
        num_events=sum(note.num_events for note in notes),
        num_rejected_events=sum(note.num_rejected_events for note in notes),
        reasons=encoded.reasons,
        sha256=hashlib.sha256(b"".join(row.ids.tobytes() for row in rows)).hexdigest(),
    )


def check_ids(ids, keyframes):
    """Ids of the vocabulary without special tokens, in chapters of at most 512 ids."""
    assert len(ids) > 0
    assert ids.min() >= _NEVER_WRITTEN
    assert ids.max() < VOCAB_SIZE
    assert keyframes[0] == 0
    lengths = np.diff([*keyframes.tolist(), len(ids)])
    assert lengths.min() > 0
    assert lengths.max() <= MAX_CHAPTER_IDS
    assert set(ids[keyframes].tolist()) <= set(_KEYS)
