"""The mirror against what rrweb's own replayer showed, recorded by record_fixtures.py."""

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard
from replayer.canonical import mirror_digests

import data_prep

FIXTURES = Path(__file__).parent / "fixtures"
SAMPLE = Path(data_prep.__file__).parent / "sample"
NAMES = sorted(file.stem for file in FIXTURES.glob("*.json"))


def fixture(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def events_of(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    if "sample" not in recorded:
        return recorded["events"]
    packed = (SAMPLE / recorded["sample"]).read_bytes()
    return json.loads(zstandard.ZstdDecompressor().decompress(packed, 1 << 28))


def replayed(name: str) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    recorded = fixture(name)
    return events_of(recorded), [(index, digest) for index, digest in recorded["digests"]]


@pytest.mark.parametrize("name", NAMES)
def test_after_every_event_the_document_is_the_replayers(name) -> None:
    events, digests = replayed(name)
    assert len(digests) > 0
    assert list(mirror_digests(events)) == digests


def test_there_are_fixtures_of_recordings_and_random_documents() -> None:
    assert len(NAMES) >= 20
    assert sum("sample" in fixture(name) for name in NAMES) >= 3
    assert sum(name.startswith("random-") for name in NAMES) >= 5


@pytest.mark.parametrize("name", ["random-0", "random-12", "random-18"])
def test_a_lost_mutation_would_be_seen(name) -> None:
    events, digests = replayed(name)
    last = max(i for i, event in enumerate(events) if event["data"].get("source") == 0)
    assert list(mirror_digests(events[:last] + events[last + 1 :])) != digests
    assert [pair for pair in mirror_digests(events) if pair[0] == last] == [digests[-1]]
