"""What recordings would give, from a few of their files: for a plan, in seconds.

The files are drawn by a hash of their names. Sessions are taken to be in proportion to files, ids
in proportion to bytes. `inspect` reads every file and is surer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.encoding import load_tokenizer
from data_prep.findings import Findings
from data_prep.inspection import InspectOptions, look_at
from data_prep.manifest import Source, list_sources
from data_prep.prepare_options import PrepareOptions
from data_prep.size_sample import Estimate
from data_prep.tallies import hash64

__all__ = ["QuickEstimate", "estimate_recordings"]

_MAX_FILES: Final = 40
_MAX_BYTES: Final = 48_000_000
_Z_95: Final = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickEstimate:
    """What is there and what it would give.

    Attributes:
        num_files: files listed.
        num_bytes: of all of them, as they lie on the disk.
        num_looked_at: files that the estimate comes from.
        num_rejected: of those, files without a session that can be used.
        num_sessions: in all files.
        num_ids: in all files.
    """

    num_files: int
    num_bytes: int
    num_looked_at: int
    num_rejected: int
    num_sessions: Estimate
    num_ids: Estimate


def estimate_recordings(
    data_dir: Path | str,
    options: PrepareOptions,
    *,
    max_files: int = _MAX_FILES,
    max_bytes: int = _MAX_BYTES,
) -> QuickEstimate:
    """Look at some files of a folder, a file or an address. Writes nothing.

    Args:
        data_dir: What `prepare` takes.
        options: As for `prepare`.
        max_files: So many files at most are read.
        max_bytes: No further file is read when so many bytes have been, one at least.

    Raises:
        DataError: There is nothing, or it is out of reach.
    """
    manifest = list_sources([data_dir])
    encoder = load_tokenizer(options.tokenizer_name_or_path, options.recogniser)
    look = InspectOptions(
        grouping=options.grouping(),
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        salt=options.salt,
        limits=options.limits,
        reader=options.reader,
        show_progress=False,
    )
    chosen = _chosen(manifest.sources, max_files, max_bytes)
    found = [look_at(source, look, encoder) for source in chosen]
    num_all = len(manifest.sources)
    sizes, all_size = [each.num_bytes for each in found], manifest.num_bytes
    if not sum(sizes):  # sizes are not known: files count alike
        sizes, all_size = [1] * len(found), num_all
    return QuickEstimate(
        num_files=num_all,
        num_bytes=manifest.num_bytes,
        num_looked_at=len(chosen),
        num_rejected=sum(each.num_rejected for each in found),
        num_sessions=_total(
            [each.num_sessions for each in found], [1] * len(found), num_all, num_all
        ),
        num_ids=_total(list(map(_ids, found)), sizes, all_size, num_all),
    )


def _ids(found: Findings) -> int:
    return 0 if found.tokens is None else int(found.tokens.num_ids)


def _chosen(sources: Sequence[Source], max_files: int, max_bytes: int) -> list[Source]:
    drawn = sorted(sources, key=lambda source: hash64(source.source_id))[:max_files]
    chosen: list[Source] = []
    for source in drawn:
        if chosen and sum(each.num_bytes for each in chosen) >= max_bytes:
            break
        chosen.append(source)
    return chosen


def _total(values: list[int], sizes: list[int], all_size: int, num_all: int) -> Estimate:
    """The textbook ratio estimate: the sum of values over that of sizes, times all sizes.

    Args:
        values: of the files that were looked at.
        sizes: of the same files.
        all_size: of all files together.
        num_all: number of all files.
    """
    if len(values) == num_all:
        return Estimate(float(sum(values)), 0.0)
    ratio = sum(values) / sum(sizes)
    if len(values) < 2:
        return Estimate(ratio * all_size, math.inf)
    spread = sum((v - ratio * s) ** 2 for v, s in zip(values, sizes, strict=True))
    variance = (1 - len(values) / num_all) * spread / (len(values) - 1) / len(values)
    mean_size = sum(sizes) / len(sizes)
    return Estimate(ratio * all_size, _Z_95 * math.sqrt(variance) * all_size / mean_size)
