"""Writes the fixtures of test_mirror_equals_replayer.py: what rrweb's replayer made of events.

Development only, like compare.py:

    PYTHONPATH=. python tests/replayer/record_fixtures.py data_prep/sample/NAME.json.zst
    PYTHONPATH=. python tests/replayer/record_fixtures.py --random 40
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random
from typing import Any

import zstandard
from canonical import State, digest
from compare import Replayer, compare, events_of, playable
from random_events import random_recording

_FIXTURES = Path(__file__).parent / "fixtures"
_SAMPLE = ".json.zst"


def replayed_digests(events: list[dict[str, Any]], replayer: Replayer) -> list[list[Any]]:
    """Index and digest of the replayer's document after each event that may change it."""
    played = replayer.play(events)
    changes = {change["index"]: change for change in played["changes"]}
    states: dict[int, State] = {}
    digests: list[list[Any]] = []
    for index in played["order"]:
        event = events[index]
        change = changes.get(index, {"gone": [], "changed": {}})
        for gone in change["gone"]:
            del states[gone]
        states.update({int(node_id): state for node_id, state in change["changed"].items()})
        if event["type"] == 2 or (event["type"] == 3 and event["data"].get("source") == 0):
            digests.append([index, digest(states)])
    return digests


def record(name: str, source: dict[str, Any], events: list[Any], replayer: Replayer) -> None:
    """Writes one fixture; not where a style is only worded otherwise, which digests cannot see."""
    result = compare(events, replayer)
    if result.num_restyled or result.differences:
        print(f"{name}: left out, {result.num_restyled} styles reworded, {result.differences[:1]}")
        return
    fixture = {**source, "replayer": "rrweb 2.2.2", "digests": replayed_digests(events, replayer)}
    text = json.dumps(fixture, separators=(",", ":"))
    (_FIXTURES / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Records the files and random recordings that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--licence", default="", help="of the files")
    parser.add_argument("--random", type=int, default=0, help="how many random recordings to try")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    _FIXTURES.mkdir(exist_ok=True)
    with Replayer(arguments.chromium) as replayer:
        for file in arguments.files:
            if file.name.endswith(_SAMPLE):  # part of this repository: only named
                text = zstandard.ZstdDecompressor().decompress(file.read_bytes(), 1 << 28)
                name, source, events = file.name.removesuffix(_SAMPLE), {"sample": file.name}, text
                record(name, source, json.loads(events), replayer)
            else:
                events = playable(events_of(file))
                record(
                    file.stem, {"licence": arguments.licence, "events": events}, events, replayer
                )
        for seed in range(arguments.random):
            events = random_recording(Random(seed))  # noqa: S311  # nothing is secret here
            record(f"random-{seed}", {"events": events}, events, replayer)


if __name__ == "__main__":
    main()
