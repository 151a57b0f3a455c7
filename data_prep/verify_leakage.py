"""Looks for what splits must not share: sessions, groups, contents, windows, near duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.near_duplicates import find_near_duplicates
from data_prep.problems import Problems
from data_prep.shards import SplitTable
from data_prep.verify_rows import StoredRow
from data_prep.windows import WindowPlan, window

__all__ = ["MAX_NEAR_DUPLICATES", "SeenKeys", "check_near_duplicates", "check_windows"]

MAX_NEAR_DUPLICATES: Final = 0.001
"""Largest share of the validation and test sessions that may nearly equal one of another split."""

_COLUMNS: Final = ("session_id", "group", "sha256")


@dataclass(slots=True)
class SeenKeys:
    """Remembers sessions, groups and contents by 8-byte hashes, 24 bytes a session."""

    _hashes: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def watch(self, split: str, rows: Iterator[StoredRow]) -> Iterator[StoredRow]:
        """Yield the rows unchanged, and remember them."""
        columns = [self._hashes.setdefault((split, name), []) for name in _COLUMNS]
        for row in rows:
            for name, hashes in zip(_COLUMNS, columns, strict=True):
                hashes.append(_hash(getattr(row, name).encode(errors="replace")))
            yield row

    def check(self, folder: Path, problems: Problems) -> None:
        """Complain about what stands in two splits, and about what stands twice in one."""
        arrays = {key: np.array(values, np.uint64) for key, values in self._hashes.items()}
        splits = list(dict.fromkeys(split for split, _ in arrays))
        for name, what in zip(_COLUMNS, ("sessions", "groups", "contents"), strict=True):
            for first, second in combinations(splits, 2):
                common = np.intersect1d(arrays[first, name], arrays[second, name])
                if len(common):
                    row = int(np.flatnonzero(arrays[second, name] == common[0])[0])
                    problems.add(
                        folder / second,
                        f"session {row}",
                        f"{first} and {second} share {len(common):,} {what}; this is the first",
                    )
            if name == "group":
                continue
            for split in splits:
                num_twice = len(arrays[split, name]) - len(np.unique(arrays[split, name]))
                if num_twice:
                    problems.add(folder / split, "", f"{num_twice:,} {what} stand in it twice")


def check_windows(
    tables: Mapping[str, SplitTable],
    folder: Path,
    num_draws: int,
    max_share: float,
    problems: Problems,
) -> str:
    """Draw windows from each split as training does; complain where two splits share too many.

    Sessions of other people on the same long page have whole windows in common, so a split by file
    or visitor can share some although no session stands in two splits.
    """
    plan = WindowPlan(seed=0)
    hashes: dict[str, npt.NDArray[np.uint64]] = {}
    for split, table in tables.items():
        draws = range(num_draws if len(table) else 0)
        drawn = np.array([_hash(window(plan, table, j).data) for j in draws], np.uint64)
        hashes[split] = np.unique(drawn)
    num_shared = 0
    for first, second in combinations(hashes, 2):
        num_common = len(np.intersect1d(hashes[first], hashes[second]))
        num_shared += num_common
        num_windows = max(len(hashes[second]), 1)
        if num_common > max_share * num_windows:
            problems.add(
                folder / second,
                "",
                f"{num_common:,} of {num_windows:,} different windows drawn from it stand in "
                f"{first} as well: sessions of both show the same pages. Group what belongs "
                "together (--group_by site, host, path:REGEX), or accept a share of them with "
                "--max_shared_windows",
            )
    return f"{num_draws:,} windows drawn from each split: {num_shared:,} stand in two splits"


def check_near_duplicates(
    tables: Mapping[str, SplitTable], folder: Path, problems: Problems
) -> str:
    """Complain where too many held-out sessions nearly equal one of another split; say how many."""
    found = find_near_duplicates(tables)
    num_held_out = sum(len(table) for split, table in tables.items() if split != "train")
    share = len(found) / max(num_held_out, 1)
    said = (
        f"{len(found):,} of {num_held_out:,} validation and test sessions ({share:.2%}) nearly "
        "equal one of another split"
    )
    if share > MAX_NEAR_DUPLICATES:
        pair = found[0]
        problems.add(
            folder / pair.split,
            f"session {pair.session}",
            f"{said}, at most {MAX_NEAR_DUPLICATES:.1%} may; the first is {pair.session_id}, like "
            f"{pair.other_session_id} of {pair.other_split} (similarity {pair.similarity:.3f}); "
            "group what belongs together (--group_by), or prepare with --drop_near_duplicates",
        )
    return said


def _hash(content: bytes | memoryview) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
