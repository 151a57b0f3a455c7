"""Windows of raw files: sample j follows from (plan, files, j) alone, as it does for a corpus.

What differs: the files are dealt out, not the sessions (each is drawn equally often, give or take
one, with all that it holds), for nobody knows the sessions before the files are read. Within a file
a session of the split is drawn uniformly, within it a keyframe. A file without a session of the
split, one that is rejected among them, is replaced by a further draw, keyed on the sample and on
the number of the attempt. So neither workers nor caches nor resumption change a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from datasets import IterableDataset

from data_prep.batch_plan import BatchPlan
from data_prep.errors import DataError
from data_prep.raw_sessions import RawSessions, RawSplit
from data_prep.streaming import attach_source
from data_prep.windows import FILE, PLACE, START, WindowPlan, dealt_session, packed, random_below

__all__ = ["MAX_SECONDS_A_BATCH", "raw_window", "raw_window_stream"]

_MAX_ATTEMPTS: Final = 10_000

MAX_SECONDS_A_BATCH: Final = 600.0
"""A batch that takes longer hangs: its files are read and tokenised, and one may have a GB."""


def raw_window_stream(
    split: RawSplit,
    plan: WindowPlan,
    *,
    batch_size: int,
    start_sample: int = 0,
    stop_sample: int,
    rank: int = 0,
    num_ranks: int = 1,
) -> IterableDataset:
    """Return the samples [start_sample, stop_sample) of a plan; see `streaming.window_stream`.

    Args:
        split: The files, and how they are read.
        plan: What decides the windows; its sampling must be "session".
        batch_size: Must be the `DataLoader`'s batch size.
        start_sample: First sample; costs nothing to skip.
        stop_sample: One past the last sample.
        rank: Number of this process.
        num_ranks: Processes that read the samples together.

    Raises:
        ValueError: No sample lies between start and stop, or the plan samples by length.
    """
    batches = BatchPlan(
        batch_size=batch_size,
        start_sample=start_sample,
        stop_sample=stop_sample,
        rank=rank,
        num_ranks=num_ranks,
    )
    if plan.sampling != "session":
        raise ValueError("lengths of raw files are not known: sampling must be 'session'")
    stream = IterableDataset.from_generator(
        _samples_of_batches,
        gen_kwargs={
            "batch_ids": list(range(batches.num_batches)),
            "split": split,
            "plan": plan,
            "batches": batches,
        },
    )
    return attach_source(
        stream,
        batches=batches,
        names_of=partial(_file_of_sample, split, plan),
        seconds_a_batch=MAX_SECONDS_A_BATCH,
    )


def raw_window(
    plan: WindowPlan, sessions: RawSessions, sample_index: int
) -> npt.NDArray[np.uint16]:
    """Return (T,) uint16: sample `sample_index`, always full, as `windows.window` does.

    Raises:
        DataError: Draw after draw finds no session of the split.
    """
    return packed(plan.window_tokens, _pieces(plan, sessions, sample_index))


def _file_of_sample(split: RawSplit, plan: WindowPlan, sample_index: int) -> tuple[str, ...]:
    """Return the file that a window begins with, if it holds a session of the split.

    Reads nothing: this is asked where reading a file may be what has just killed a process.
    """
    return (split.sources[dealt_session(plan, len(split.sources), sample_index)].relative,)


def _pieces(
    plan: WindowPlan, sessions: RawSessions, sample_index: int
) -> Iterator[npt.NDArray[np.uint16]]:
    for part in count():
        yield _piece(plan, sessions, sample_index, part)


def _piece(
    plan: WindowPlan, sessions: RawSessions, sample_index: int, part: int
) -> npt.NDArray[np.uint16]:
    """Return a session's ids from its drawn keyframe on."""
    for attempt in range(_MAX_ATTEMPTS):
        key = (plan.seed, sample_index, part << 32 | attempt)
        if part == attempt == 0:
            file = dealt_session(plan, len(sessions), sample_index)
        else:
            file = random_below(len(sessions), FILE, *key)
        places = sessions.places(file)
        if not places:
            continue
        drawn = sessions.session(file, places[random_below(len(places), PLACE, *key)])
        if drawn is not None:
            start = drawn.keyframes[random_below(len(drawn.keyframes), START, *key)]
            return drawn.ids[start:]
    raise DataError(
        f"{_MAX_ATTEMPTS:,} draws found no session to train on; see what there is with: "
        "python -m data_prep inspect PATH"
    )


def _samples_of_batches(
    batch_ids: list[int], split: RawSplit, plan: WindowPlan, batches: BatchPlan
) -> Iterator[dict[str, Any]]:
    sessions = RawSessions(split)
    for batch_id in batch_ids:
        for sample_index in batches.samples(batch_id):
            yield {
                "input_ids": raw_window(plan, sessions, sample_index),
                "sample_index": sample_index,
            }
