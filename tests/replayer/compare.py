"""Compares our mirror with rrweb's own replayer, in Chromium, after every event of recordings.

Development only; needs Node.js and Chromium:

    (cd tests/replayer && npm install)
    PYTHONPATH=. python tests/replayer/compare.py FILES OR FOLDERS [--table TABLE.md]

Prints a line a recording; at the first difference of each, the event, the node, the field, ours
and theirs. Exit status 1 when there is a difference.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from canonical import State, mirror_states

from rrweb_tokenizer.incremental import MutationData
from rrweb_tokenizer.mirror import Mirror
from rrweb_tokenizer.schema import FullSnapshotEvent, IncrementalEvent, decode_events
from rrweb_tokenizer.timeline import in_true_time_order

_HERE = Path(__file__).parent
_FIELDS = ("parent", "in shadow root", "type", "tag", "attributes", "text", "children", "shadow")
_ATTRIBUTES = 4


class Replayer:
    """rrweb's replayer behind a pipe: one JSON request a line, one answer a line."""

    def __init__(self, chromium: str) -> None:
        self._process = subprocess.Popen(
            ["node", str(_HERE / "replay.mjs"), chromium],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Replayer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, request: dict[str, Any]) -> Any:
        """The answer to a request; see replay.mjs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("replay.mjs ended; was `npm install` run in tests/replayer?")
        return json.loads(line)

    def play(self, events: list[dict[str, Any]]) -> Any:
        """What each event changes in the replayer's DOM."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(events, file)
            file.flush()
            return self.ask({"play": file.name})

    def same_style(self, ours: str, theirs: str) -> bool:
        """Whether two style attributes declare the same, by Chromium's CSS parser."""
        return bool(self.ask({"styles": [[ours, theirs]]})[0])


@dataclass(slots=True, kw_only=True)
class Comparison:
    """What came out for one recording."""

    num_events: int = 0
    num_comparisons: int = 0
    num_node_states: int = 0
    num_unknown: int = 0
    num_restyled: int = 0
    differences: list[str] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)


def events_of(file: Path) -> list[dict[str, Any]]:
    """The events of a file, whatever the container: the longest list of rrweb events within."""
    text = file.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(found, dict) and "node" in found:  # a snapshot's data alone
        return [{"type": 2, "data": found, "timestamp": 0}]
    return max(_lists_of_events(found), key=len, default=[])


def _lists_of_events(value: Any) -> Iterator[list[dict[str, Any]]]:
    stack = [value]
    while stack:
        inner = stack.pop()
        if isinstance(inner, dict):
            stack.extend(inner.values())
        elif isinstance(inner, list):
            events = [event for event in map(_unwrapped, inner) if event is not None]
            if events:
                yield events
            else:
                stack.extend(inner)


def _unwrapped(member: Any) -> dict[str, Any] | None:
    """An event that a member of a list is, or holds; None when neither."""
    if not isinstance(member, dict):
        return None
    if isinstance(member.get("event"), dict):
        member = member["event"]
    packed = member.get("data")
    if member.get("type") == "rrweb-event" and isinstance(packed, str):  # PageSpy
        return _unwrapped(json.loads(zlib.decompress(packed.encode("latin-1"))))
    return member if isinstance(member.get("type"), int) and "data" in member else None


def playable(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events as the replayer takes them: at least two, all with a time.

    Snapshot tests keep no times; their events are played in the order of the list.
    """
    if not all("timestamp" in event for event in events):
        events = [{**event, "timestamp": number} for number, event in enumerate(events)]
    end = {"type": 5, "data": {"tag": "end", "payload": None}}
    return [*events, {**end, "timestamp": events[-1]["timestamp"]}] if len(events) == 1 else events


def compare(events: list[dict[str, Any]], replayer: Replayer) -> Comparison:
    """Plays events in both and compares the whole document after each that changes it."""
    result = Comparison(num_events=len(events))
    played = replayer.play(events)
    if "error" in played:
        result.differences.append(f"the replayer failed: {played['error'][:300]}")
        return result
    result.warnings.update(warning[:60] for warning in played["warnings"])
    changes = {change["index"]: change for change in played["changes"]}
    theirs: dict[int, State] = {}
    mirror = Mirror()
    for index, event in _in_replayers_order(events, played["order"]):
        is_change = True
        if isinstance(event, FullSnapshotEvent):
            mirror.reset(event.data.node)
        elif isinstance(event, IncrementalEvent) and isinstance(event.data, MutationData):
            result.num_unknown += mirror.apply(event.data)
        else:
            is_change = index in changes
        if not is_change:
            continue
        change = changes.get(index, {"gone": [], "changed": {}})
        for gone in change["gone"]:
            del theirs[gone]
        theirs.update({int(node_id): state for node_id, state in change["changed"].items()})
        ours = mirror_states(mirror)
        result.num_comparisons += 1
        result.num_node_states += len(theirs)
        if ours != theirs:
            difference = _first_difference(ours, theirs, replayer, result)
            if difference is not None:
                result.differences.append(f"event {index}: {difference}")
                break
    return result


def _in_replayers_order(
    events: list[dict[str, Any]], order: list[int]
) -> Iterator[tuple[int, object]]:
    """Decoded events in the order in which the replayer plays them; ours must be the same."""
    decoded = [decode_events([msgspec.json.encode(event)]).events for event in events]
    typed = [of_one[0] if of_one else None for of_one in decoded]
    ours = [event for _, event in in_true_time_order(e for e in typed if e is not None)]
    theirs = [typed[index] for index in order]
    assert [e for e in ours if _changes(e)] == [e for e in theirs if _changes(e)]
    yield from zip(order, theirs, strict=True)


def _changes(event: object) -> bool:
    return isinstance(event, FullSnapshotEvent) or (
        isinstance(event, IncrementalEvent) and isinstance(event.data, MutationData)
    )


def _first_difference(
    ours: dict[int, State],
    theirs: dict[int, State],
    replayer: Replayer,
    result: Comparison,
) -> str | None:
    """The first difference in words; a style that only reads otherwise is none, and is mended."""
    for node_id in sorted(ours.keys() | theirs.keys()):
        mine, other = ours.get(node_id), theirs.get(node_id)
        if mine is None or other is None:
            return f"node {node_id}: ours {mine}, theirs {other}"
        if mine == other:
            continue
        for name, field_ours, field_theirs in zip(_FIELDS, mine, other, strict=True):
            if field_ours == field_theirs:
                continue
            if name == "attributes" and _same_but_style(field_ours, field_theirs, replayer):
                result.num_restyled += 1
                continue
            return f"node {node_id} {mine[3]}, {name}: ours {field_ours}, theirs {field_theirs}"
    return None


_style_memo: dict[tuple[str, str], bool] = {}


def _same_but_style(ours: list[list[str]], theirs: list[list[str]], replayer: Replayer) -> bool:
    """Whether only the wording of the style attribute differs, as CSS object models reword it."""
    mine, other = dict(ours), dict(theirs)
    pair = mine.pop("style", ""), other.pop("style", "")
    if mine != other:
        return False
    if pair not in _style_memo:
        _style_memo[pair] = replayer.same_style(*pair)
    return _style_memo[pair]


def _versions(labels: Path | None) -> dict[str, str]:
    """rrweb's version of each recording that labels name."""
    if labels is None:
        return {}
    lines = labels.read_text(encoding="utf-8").splitlines()
    return {label["id"]: label["rrweb"] for label in map(json.loads, lines)}


def main() -> int:
    """Compares files, prints a line each; 1 when there is a difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="recordings, or folders of them")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--table", type=Path, help="write the results as rows of a table, too")
    parser.add_argument("--labels", type=Path, help="JSON Lines with id and rrweb (version)")
    arguments = parser.parse_args()
    versions = _versions(arguments.labels)
    files = [
        file
        for given in arguments.files
        for file in (
            sorted(p for p in given.rglob("*") if p.is_file()) if given.is_dir() else [given]
        )
    ]
    rows: list[str] = []
    num_different = 0
    with Replayer(arguments.chromium) as replayer:
        for file in files:
            events = events_of(file)
            if not events:
                print(f"{file.name}: no events, not played")
                continue
            result = compare(playable(events), replayer)
            num_different += bool(result.differences)
            print(
                f"{file.name}: {result.num_events} events, {result.num_comparisons} comparisons, "
                f"{result.num_node_states} nodes, unknown {result.num_unknown}, "
                f"restyled {result.num_restyled}, warnings {dict(result.warnings.most_common(3))}, "
                f"{result.differences[0] if result.differences else 'equal'}",
                flush=True,
            )
            rows.append(
                f"| {file.stem} | {versions.get(file.stem, '')} | {result.num_events:,} | "
                f"{result.num_comparisons:,} | {result.num_node_states:,} | {result.num_unknown:,} "
                f"| {len(result.differences)} |"
            )
    if arguments.table is not None:
        arguments.table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return 1 if num_different else 0


if __name__ == "__main__":
    sys.exit(main())
