"""Mutants of real recordings: no exception, no hang, each ends encoded or rejected.

`pytest -m fuzz tests/fuzz`; RRWEB_FUZZ_MUTANTS (5,000) says how many, RRWEB_FUZZ_START (0) where to
begin. `mutators.mutant(NUMBER)` gives the bytes of one again.
"""

import os
import time

import pytest
from fuzz.figures import COUNTS, REASONS, SLOWEST
from fuzz.mutators import mutant
from outcomes import outcome_of

pytestmark = pytest.mark.fuzz

NUM_MUTANTS = int(os.environ.get("RRWEB_FUZZ_MUTANTS", "5000"))
START = int(os.environ.get("RRWEB_FUZZ_START", "0"))
CHUNK = 100
FLOOR_SECONDS = 2.0
SECONDS_PER_BYTE = 1e-6


def encode(content, name, folder):
    """The outcome of a content, its CPU time bounded: 1 s for each MB, and a floor."""
    start = time.process_time()
    try:
        outcome = outcome_of(content, folder)
    except Exception as error:
        error.add_note(f"fuzz: {name}")
        raise
    seconds = time.process_time() - start
    SLOWEST[0] = max(SLOWEST[0], (seconds, f"{name}, {len(content):,} bytes"))
    COUNTS["encoded" if outcome.is_ok else "rejected"] += 1
    COUNTS["events left out"] += outcome.num_rejected_events
    REASONS.update(reason.split(" (")[0].split(":")[0] for reason in outcome.reasons)
    assert seconds <= FLOOR_SECONDS + SECONDS_PER_BYTE * len(content), name
    return outcome


@pytest.mark.parametrize("first", range(START, START + NUM_MUTANTS, CHUNK))
def test_each_mutant_is_encoded_or_rejected(first, tmp_path):
    for number in range(first, min(first + CHUNK, START + NUM_MUTANTS)):
        content, faults = mutant(number)
        encode(content, f"mutant {number} ({', '.join(faults)})", tmp_path)
        COUNTS["mutants"] += 1


def test_a_mutant_is_the_same_every_time(tmp_path):
    for number in range(START, START + 20):
        content, _ = mutant(number)
        assert content == mutant(number)[0]
        assert outcome_of(content, tmp_path) == outcome_of(content, tmp_path)
