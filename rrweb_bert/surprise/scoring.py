"""Sessions -> the surprise of each event in nats: the negative log-likelihood of its hidden ids.

Letters in shapes: e scored events of a session, P kinds of ids (`evaluation.KINDS`), B copies of a
batch, T their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rrweb_bert.evaluation import KINDS, kind_table
from rrweb_bert.length_batches import CPU_BATCH_IDS, batches_by_length
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX
from rrweb_bert.surprise.masked_copies import MaskedCopy, masked_copies, scored_events
from rrweb_tokenizer import EncodedSession
from rrweb_tokenizer.structural_vocab import CLS_ID, MAX_VOCAB_SIZE, PAD_ID, SEP_ID

__all__ = ["EventScores", "MaskedModel", "Scorer", "ScoringOptions"]

_GPU_BATCH_IDS: Final = 4096
_BATCHES_AT_ONCE: Final = 16  # copies of so many batches are sorted by length together


class MaskedModel(Protocol):
    """What is asked of a model: the losses of masked positions and their ids, in reading order."""

    def masked_losses(
        self, input_ids: Tensor, labels: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(K,) nats and (K,) ids; see `RRWebBertForMaskedLM`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOptions:
    """How events are hidden; scores compare only where these are the same.

    Raises:
        ValueError: a number is out of range.
    """

    window_ids: int = 510
    """Most ids of a window: one chapter at least. With longer ones attention costs more."""

    stride: int = 0
    """Fewest ids that neighbouring windows share."""

    num_copies: int = 3
    """Passes a window: every third event is hidden at once, about 16% of all ids."""

    max_event_ids: int = 24
    """How many of an event's first ids are hidden and judged."""

    def __post_init__(self) -> None:
        for name in ("window_ids", "num_copies", "max_event_ids"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: at least 1")
        if not 0 <= self.stride < self.window_ids:
            raise ValueError(f"a stride of {self.stride} is not in 0 <= stride < {self.window_ids}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventScores:
    """What the model made of the events of a session.

    Attributes:
        events: (e,) int64, their numbers in the session, ascending.
        heads: (e,) int64, the ids of their heads: their kinds.
        nats: (e, P) float64, negative log-likelihood summed over the hidden ids of each kind.
        counts: (e, P) int64, how many hidden ids of each kind.
    """

    events: npt.NDArray[np.int64]
    heads: npt.NDArray[np.int64]
    nats: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scorer:
    """Scores sessions with a model.

    Attributes:
        model: in evaluation mode, on `device`.
        device: where to compute.
        options: how events are hidden.
        batch_ids: how many ids a batch has at most, padding included; None for what suits the
            device.
        precision: "fp32", or "fp16" and "bf16" by autocast.
    """

    model: MaskedModel
    device: torch.device
    options: ScoringOptions = field(default_factory=ScoringOptions)
    batch_ids: int | None = None
    precision: Literal["fp32", "fp16", "bf16"] = "fp32"

    def score(self, session: EncodedSession) -> EventScores:
        """The surprise of every scored event; memory is that of a few batches.

        Raises:
            ValueError: the model gives what is no number.
        """
        events = scored_events(session)
        nats = np.zeros((len(events), len(KINDS)))
        counts = np.zeros((len(events), len(KINDS)), dtype=np.int64)
        options = self.options
        copies = masked_copies(
            session,
            window_ids=options.window_ids,
            stride=options.stride,
            num_copies=options.num_copies,
            max_event_ids=options.max_event_ids,
        )
        kinds = kind_table(vocab_size=MAX_VOCAB_SIZE).numpy()
        for batch in self._batches(copies):
            targets = np.concatenate([copy.targets for copy in batch])
            of_event = np.searchsorted(events, np.concatenate([copy.events for copy in batch]))
            np.add.at(nats, (of_event, kinds[targets]), self._losses(batch, targets))
            np.add.at(counts, (of_event, kinds[targets]), 1)
        if not np.isfinite(nats).all():
            raise ValueError(
                f"the model gives values that are no numbers in {self.precision}: its weights are "
                "damaged, or another precision is needed"
            )
        heads = session.ids[session.event_starts.astype(np.int64)[events]].astype(np.int64)
        return EventScores(events=events, heads=heads, nats=nats, counts=counts)

    def _batches(self, copies: Iterable[MaskedCopy]) -> Iterator[list[MaskedCopy]]:
        """Copies of like length together; on a CPU of equal length, as those of a window are."""
        is_cpu = self.device.type == "cpu"
        max_ids = self.batch_ids or (CPU_BATCH_IDS if is_cpu else _GPU_BATCH_IDS)
        remaining = iter(copies)
        # A copy has about 500 ids, so that these are some 16 batches.
        while chunk := list(islice(remaining, max(1, max_ids * _BATCHES_AT_ONCE // 512))):
            lengths = [len(copy.ids) + 2 for copy in chunk]
            for places in batches_by_length(lengths, max_ids=max_ids, pads=not is_cpu):
                yield [chunk[place] for place in places]

    @torch.inference_mode()
    def _losses(
        self, batch: Sequence[MaskedCopy], targets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """(m,) the losses of a batch's hidden ids, copy after copy."""
        lengths = [len(copy.ids) + 2 for copy in batch]
        input_ids = np.full((len(batch), max(lengths)), PAD_ID, dtype=np.int64)
        labels = np.full_like(input_ids, IGNORE_INDEX)
        mask = np.zeros_like(input_ids)
        for row, (copy, length) in enumerate(zip(batch, lengths, strict=True)):
            input_ids[row, 0], input_ids[row, length - 1] = CLS_ID, SEP_ID
            input_ids[row, 1 : length - 1] = copy.ids
            labels[row, copy.places + 1] = copy.targets
            mask[row, :length] = 1
        is_padded = min(lengths) < max(lengths)
        with self._autocast():
            losses, found = self.model.masked_losses(
                self._on_device(input_ids),
                self._on_device(labels),
                self._on_device(mask) if is_padded else None,
            )
        if found.cpu().tolist() != targets.tolist():
            raise AssertionError("losses are not those of the ids that were hidden")
        values: npt.NDArray[np.float64] = losses.double().cpu().numpy()
        return values

    def _on_device(self, values: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype)
