"""Does surprise find frustration? AUC beside simple rules, on sites that the model has not seen.

    python benchmarks/surprise_auc.py RECORDINGS LABELS CORPUS --model MODEL [--scores FOLDER]

RECORDINGS/SITE/ID.json are the files of CORPUS (split by site); LABELS has a line a session with
`id`, `visitor`, `frustration`, `frustration_spans` (`type`, `t0`, `t1` in epoch ms) and
`frustration_evidenced`. Bots are left out. Two questions are asked:

- moments: a session is cut into tiles of 5 s that hold at least one scored event. A tile is of a
  kind when its middle lies in one of its spans (half a tile of play at both ends); tiles of no span
  at all are the others, whatever session they are of. Spans that left no trace are neither.
- sessions: those with evidence of a kind against those without any frustration.

Norms are fitted on the validation split, without labels. Intervals: 95%, sessions drawn again
(1,000 times), since the moments of one session are not independent; where fewer than five sessions
have the kind, an interval means little. Times are the recording's own: where a page's clock ran
faster than the wall's, 7 s of the rule are 7 s of the page's clock.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from data_prep.corpus import open_corpus
from data_prep.shards import SplitTable
from rrweb_bert import SessionEncoder
from rrweb_bert.encoder_inputs import encoded_session
from rrweb_bert.surprise.norms import fit_norms
from rrweb_bert.surprise.scoring import EventScores, Scorer, ScoringOptions

KINDS: Final = ("rage-click", "dead-click", "thrash-scroll", "form-error")
TILE_MS: Final = 5000.0
_NUM_DRAWS: Final = 1000
_SILENT_MS: Final = 30_000.0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A session: its label, when its scored events were, their scores, and its rules' hits."""

    label: dict[str, Any]
    start_ms: float
    times_ms: Floats
    scores: EventScores
    hits: dict[str, list[tuple[float, float]]]


def click_hits(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Time of each click, and how many clicks of the last second lie within 30 px of it."""
    clicks = [
        (e["timestamp"], e["data"].get("x", 0), e["data"].get("y", 0))
        for e in events
        if e["type"] == 3 and e["data"].get("source") == 2 and e["data"].get("type") == 2
    ]
    return [
        (t, sum(0 <= t - u <= 1000 and np.hypot(x - p, y - q) <= 30 for u, p, q in clicks))
        for t, x, y in clicks
    ]


def silence_hits(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Time of each click, and how long until the page changes: 30 s at most."""
    changes = np.array(
        [
            e["timestamp"]
            for e in events
            if e["type"] in (2, 4) or (e["type"] == 3 and e["data"].get("source") in (0, 8, 13, 15))
        ]
        + [np.inf],
        dtype=np.float64,
    )
    changes.sort()
    return [
        (t, min(changes[np.searchsorted(changes, t)] - t, _SILENT_MS))
        for t, _ in click_hits(events)
    ]


def reversal_hits(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Time of each change of a scroll's direction; its tile counts them."""
    hits: list[tuple[float, float]] = []
    last: dict[int, tuple[float, float]] = {}
    for e in events:
        if e["type"] == 3 and e["data"].get("source") == 3:
            y, sign = last.get(e["data"]["id"], (0.0, 0.0))
            step = float(np.sign(e["data"]["y"] - y))
            if step and sign and step != sign:
                hits.append((e["timestamp"], 1.0))
            last[e["data"]["id"]] = e["data"]["y"], step or sign
    return hits


def return_hits(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Time of each return to a form field that was edited before another one was."""
    hits: list[tuple[float, float]] = []
    seen: set[int] = set()
    before = None
    for e in events:
        if e["type"] == 3 and e["data"].get("source") == 5:
            node = e["data"]["id"]
            if node != before and node in seen:
                hits.append((e["timestamp"], 1.0))
            seen.add(node)
            before = node
    return hits


RULES: Final[dict[str, Callable[[list[dict[str, Any]]], list[tuple[float, float]]]]] = {
    "rage-click": click_hits,
    "dead-click": silence_hits,
    "thrash-scroll": reversal_hits,
    "form-error": return_hits,
}
IS_COUNTED: Final = frozenset(("thrash-scroll", "form-error"))
"""Kinds whose rule adds up over a tile; of the others the highest value counts."""


def judged_split(arguments: argparse.Namespace, split: str) -> list[Judged]:
    """All sessions of people in a split, scored or read from what was scored before."""
    labels = {row["id"]: row for row in map(json.loads, arguments.labels.open(encoding="utf-8"))}
    table = SplitTable.open(open_corpus(arguments.corpus).path, split)
    names = [table.row(number).session_id for number in range(len(table))]
    names = [name for name in names if labels[name.split("/")[-1]]["visitor"] == "human"]
    path = None if arguments.scores is None else arguments.scores / f"{split}.npz"
    stored = _stored(path, names) if path is not None and path.is_file() else None
    if stored is None:
        stored = _scored(arguments, names)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _store(path, names, stored)
    judged = []
    for name, (times_ms, bounds_ms, scores) in zip(names, stored, strict=True):
        events = json.loads((arguments.recordings / f"{name}.json").read_bytes())
        judged.append(
            Judged(
                label=labels[name.split("/")[-1]],
                start_ms=float(bounds_ms[0]),
                times_ms=times_ms,
                scores=scores,
                hits={kind: rule(events) for kind, rule in RULES.items()},
            )
        )
    return judged


Stored = list[tuple[Floats, Floats, EventScores]]


def _scored(arguments: argparse.Namespace, names: list[str]) -> Stored:
    encoder = SessionEncoder.from_pretrained(
        arguments.model, arguments.device, precision=arguments.precision
    )
    scorer = Scorer(
        model=encoder.model,
        device=encoder.device,
        options=ScoringOptions(
            window_ids=min(arguments.window_ids, encoder.window_ids),
            stride=arguments.stride,
            num_copies=arguments.num_copies,
        ),
        precision=encoder.precision,
        batch_ids=4096 if encoder.device.type == "cpu" else 1 << 16,
    )
    found: Stored = []
    with torch.inference_mode():
        for name in tqdm(names, unit=" sessions"):
            path = arguments.recordings / f"{name}.json"
            session = encoded_session(path, encoder.tokenizer, name)
            scores = scorer.score(session)
            times_ms = session.event_times_ms
            found.append((times_ms[scores.events], times_ms[[0, -1]], scores))
    return found


def _store(path: Path, names: list[str], stored: Stored) -> None:
    np.savez(
        path,
        names=np.array(names),
        n=np.array([len(times) for times, _, _ in stored]),
        times=np.concatenate([times for times, _, _ in stored]),
        bounds=np.stack([bounds for _, bounds, _ in stored]),
        heads=np.concatenate([scores.heads for _, _, scores in stored]),
        nats=np.concatenate([scores.nats for _, _, scores in stored]),
        counts=np.concatenate([scores.counts for _, _, scores in stored]),
    )


def _stored(path: Path, names: list[str]) -> Stored | None:
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    if arrays["names"].tolist() != names:
        return None
    ends = arrays["n"].cumsum()
    stored: Stored = []
    for start, stop, bounds in zip(ends - arrays["n"], ends, arrays["bounds"], strict=True):
        part = slice(int(start), int(stop))
        scores = EventScores(
            events=np.arange(stop - start),
            heads=arrays["heads"][part],
            nats=arrays["nats"][part],
            counts=arrays["counts"][part],
        )
        stored.append((arrays["times"][part], bounds, scores))
    return stored


def signals(session: Judged, rarity: Floats, usual: Floats) -> dict[str, Floats]:
    """Name -> value of each tile that holds a scored event; `tile` are their numbers.

    Args:
        session: whose tiles.
        rarity: (e,) of its events, 0 to 1.
        usual: (e,) the share of events of the kind that are at most as surprising.
    """
    tiles = ((session.times_ms - session.start_ms) // TILE_MS).astype(np.int64)
    numbers = np.unique(tiles)
    bits, low_bits = -np.log2(rarity), -np.log2(usual)
    found = {"tile": numbers.astype(np.float64)}
    found["highest"] = np.array([bits[tiles == tile].max() for tile in numbers])
    found["mean"] = np.array([bits[tiles == tile].mean() for tile in numbers])
    found["sum"] = np.array([bits[tiles == tile].sum() for tile in numbers])
    found["too usual"] = np.array([low_bits[tiles == tile].mean() for tile in numbers])
    found["events"] = np.array([(tiles == tile).sum() for tile in numbers], dtype=np.float64)
    for kind, hits in session.hits.items():
        by_tile: dict[int, float] = {}
        for time_ms, value in hits:
            tile = int((time_ms - session.start_ms) // TILE_MS)
            old = by_tile.get(tile, 0.0)
            by_tile[tile] = old + value if kind in IS_COUNTED else max(old, value)
        found[f"rule {kind}"] = np.array([by_tile.get(int(tile), 0.0) for tile in numbers])
    return found


def tile_kinds(session: Judged, numbers: Floats) -> list[str]:
    """Of each tile: the kind of its span, "" outside of all, "?" where that is not evidenced."""
    middles = session.start_ms + (numbers + 0.5) * TILE_MS
    kinds = [""] * len(middles)
    for span in session.label["frustration_spans"]:
        is_evidenced = span["type"] in session.label["frustration_evidenced"]
        for place, middle in enumerate(middles.tolist()):
            if span["t0"] - TILE_MS / 2 <= middle <= span["t1"] + TILE_MS / 2:
                kinds[place] = span["type"] if is_evidenced else "?"
    return kinds


def weighted_auc(values: Floats, is_positive: npt.NDArray[np.bool_], weights: Floats) -> float:
    """The chance that a positive has a higher value than another, ties half; nan where none."""
    _, place = np.unique(values, return_inverse=True)
    positive = np.bincount(place, weights * is_positive)
    other = np.bincount(place, weights * ~is_positive)
    total = positive.sum() * other.sum()
    if not total:
        return float("nan")
    return float((positive * (other.cumsum() - other / 2)).sum() / total)


def auc_of(
    values: Floats, is_positive: npt.NDArray[np.bool_], session: npt.NDArray[np.int64]
) -> str:
    """AUC and its interval over draws of sessions."""
    rng = np.random.default_rng(0)
    number = int(session.max()) + 1
    auc = weighted_auc(values, is_positive, np.ones(len(values)))
    draws = [
        weighted_auc(
            values, is_positive, rng.multinomial(number, np.full(number, 1 / number))[session]
        )
        for _ in range(_NUM_DRAWS)
    ]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return f"{auc:.2f} ({low:.2f}-{high:.2f})"


def ranks(values: Floats) -> Floats:
    """(n,) ranks, 0 to 1, ties at their middle."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Floats = (counts.cumsum() - counts / 2) / len(values)
    return middles[place]


def session_value(tiles: Floats) -> float:
    """A session's value of a signal: the mean of its three highest tiles."""
    return float(np.sort(tiles)[-3:].sum() / 3)


def rows_of(judged: list[Judged], norms: Any, low_norms: Any) -> list[list[str]]:
    """The lines of the table: level, kind, numbers, and the AUC of every signal."""
    columns: dict[str, list[Floats]] = {}
    kinds: list[str] = []
    sessions: list[int] = []
    whole: list[dict[str, float]] = []
    owners: list[Judged] = []
    for session in judged:
        if not len(session.times_ms):
            continue
        found = signals(session, norms.rarity(session.scores), low_norms.rarity(_negated(session)))
        kinds += tile_kinds(session, found.pop("tile"))
        for name, values in found.items():
            columns.setdefault(name, []).append(values)
        sessions += [len(owners)] * len(found["events"])
        whole.append({name: session_value(values) for name, values in found.items()})
        owners.append(session)
    tiles = {name: np.concatenate(values) for name, values in columns.items()}
    lines = []
    for kind in KINDS:
        is_kind = np.array([k == kind for k in kinds])
        is_used = is_kind | np.array([not k for k in kinds])
        lines.append(_line("moments", kind, tiles, is_kind, is_used, np.array(sessions)))
    by_session = {name: np.array([row[name] for row in whole]) for name in tiles}
    is_calm = np.array([s.label["frustration"] == "none" for s in owners])
    for kind in KINDS:
        is_kind = np.array([kind in s.label["frustration_evidenced"] for s in owners])
        numbers = np.arange(len(owners))
        lines.append(_line("sessions", kind, by_session, is_kind, is_kind | is_calm, numbers))
    return lines


def _line(
    level: str,
    kind: str,
    values: dict[str, Floats],
    is_kind: npt.NDArray[np.bool_],
    is_used: npt.NDArray[np.bool_],
    sessions: npt.NDArray[np.int64],
) -> list[str]:
    num_sessions = len(set(sessions[is_kind].tolist()))
    head = [level, kind, f"{is_kind.sum()} ({num_sessions})", f"{(is_used & ~is_kind).sum()}"]
    if not is_kind.any():
        return [*head, *["-"] * 8]
    rule, highest = values[f"rule {kind}"][is_used], values["highest"][is_used]
    asked = [values[name][is_used] for name in ("highest", "mean", "sum", "too usual", "events")]
    asked += [rule, 1e6 * rule + ranks(highest), ranks(rule) + ranks(highest)]
    return [*head, *(auc_of(each, is_kind[is_used], sessions[is_used]) for each in asked)]


def _negated(session: Judged) -> EventScores:
    scores = session.scores
    return EventScores(
        events=scores.events, heads=scores.heads, nats=-scores.nats, counts=scores.counts
    )


def main() -> None:
    """Score what is not scored yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--model", help="folder of a model; default: the package's own")
    parser.add_argument("--scores", type=Path, help="folder to keep scores in")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--window_ids", type=int, default=ScoringOptions().window_ids)
    parser.add_argument("--stride", type=int, default=0)
    parser.add_argument("--num_copies", type=int, default=ScoringOptions().num_copies)
    arguments = parser.parse_args()
    splits = {split: judged_split(arguments, split) for split in ("validation", "test")}
    options = ScoringOptions()
    norms = fit_norms((s.scores for s in splits["validation"]), options)
    low_norms = fit_norms(map(_negated, splits["validation"]), options)
    names = ["highest surprise", "mean", "sum", "too usual", "events"]
    names += ["rule", "rule, ties by highest", "ranks added"]
    for split, judged in (*splits.items(), ("both", [s for each in splits.values() for s in each])):
        print(f"\n### {split}: {len(judged)} sessions\n")
        print(f"| level | kind | of it (sessions) | others | {' | '.join(names)} |")
        print("|" + "---|" * (4 + len(names)))
        for line in rows_of(judged, norms, low_norms):
            print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()
