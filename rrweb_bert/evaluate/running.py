"""Model and corpus -> the sums of a split: every predictor over the same masked positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from data_prep.shards import SplitTable

from .batches import masked_batches
from .copying import CopyPredictor
from .figures import SplitSums
from .ngrams import NGramCounts, TrigramPredictor, UnigramPredictor
from .predictors import Predictor
from .tallies import HeadConfusions, Tally

__all__ = ["baselines_of", "sum_split"]


def baselines_of(counts: NGramCounts) -> list[Predictor]:
    """All baselines that learn from counts of the train split."""
    return [UnigramPredictor(counts), TrigramPredictor(counts), CopyPredictor(counts)]


def sum_split(
    table: SplitTable,
    tokenizer: Any,
    model: Predictor,
    baselines: Sequence[Predictor],
    *,
    window_tokens: int,
    batch_size: int,
    num_windows: int,
    mlm_probability: float = 0.15,
    show_progress: bool = False,
) -> SplitSums:
    """Let everyone predict the masked positions of a split's fixed windows.

    Args:
        table: the split.
        tokenizer: that of the model.
        model: its sums are named as it is.
        baselines: theirs, too.
        window_tokens: ids a window.
        batch_size: windows a batch; the sums do not depend on it.
        num_windows: at most so many, one a session.
        mlm_probability: share of ids that are to be predicted.
        show_progress: show a bar on a terminal.
    """
    tallies = {predictor.name: Tally() for predictor in (model, *baselines)}
    confusions = HeadConfusions()
    done = 0
    batches = masked_batches(
        table,
        tokenizer,
        window_tokens=window_tokens,
        batch_size=batch_size,
        num_windows=num_windows,
        mlm_probability=mlm_probability,
    )
    total = min(len(table), num_windows)
    with tqdm(total=total, unit="window", disable=None if show_progress else True) as bar:
        for batch in batches:
            for predictor in (model, *baselines):
                prediction = predictor.predict(batch)
                tallies[predictor.name].add(batch, prediction)
                if predictor is model:
                    confusions.add(batch.targets, prediction.best)
            done += len(batch.input_ids)
            bar.update(len(batch.input_ids))
    group_of = {session: table.group(session) for session in tallies[model.name].sessions}
    return SplitSums(num_windows=done, tallies=tallies, confusions=confusions, group_of=group_of)
