"""Windows -> pooled sums of a model's hidden states, batch by batch.

Letters in shapes: w windows, B those of a batch, T their length, H hidden size, L layers, P kinds
of positions, K positions that a pooling reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rrweb_tokenizer.structural_vocab import CLS_ID, PAD_ID, SEP_ID

from .length_batches import CPU_BATCH_IDS, batches_by_length
from .modeling_rrweb_bert import RRWebBertForMaskedLM
from .window_pooling import POSITIONS, Window, positions_read

__all__ = ["BATCHES_AT_ONCE", "NUM_SPECIAL", "WindowPasses"]

BATCHES_AT_ONCE: Final = 16
"""Windows of so many batches are sorted by length together."""

NUM_SPECIAL: Final = 2
"""[CLS] and [SEP]."""

_LENGTH_MULTIPLE: Final = 64  # on GPUs: fewer shapes, and those that matrix units like
_MOST_CHOSEN: Final = 0.9  # where more positions are read, all are computed: one way is simpler


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPasses:
    """Runs a model on windows.

    Attributes:
        model: in evaluation mode, on `device`.
        device: where to compute.
        precision: "fp32", or "fp16" and "bf16" by autocast.
        window_ids: the most ids of a window, without [CLS] and [SEP].
        layer_sets: the hidden states that are averaged, once for each L; 0 are the embeddings.
    """

    model: RRWebBertForMaskedLM
    device: torch.device
    precision: Literal["fp32", "fp16", "bf16"]
    window_ids: int
    layer_sets: tuple[tuple[int, ...], ...]

    def sums(
        self, windows: list[Window], batch_size: int, pooling: str | None
    ) -> npt.NDArray[np.float32]:
        """(w, L, P, H) float32, in the order of `windows`; see `SessionEncoder.window_sums`."""
        hidden_size = int(self.model.config.hidden_size)
        shape = (len(windows), len(self.layer_sets), len(POSITIONS), hidden_size)
        sums = np.empty(shape, dtype=np.float32)
        for places in self.batches(windows, batch_size):
            sums[places] = self._sums_of_batch([windows[i] for i in places], pooling).numpy()
        self.check_finite(sums)
        return sums

    def batches(self, windows: list[Window], batch_size: int) -> Iterator[list[int]]:
        """Places of windows that go through the model together, longest first."""
        is_cpu = self.device.type == "cpu"
        return batches_by_length(
            [len(window.ids) + NUM_SPECIAL for window in windows],
            max_windows=batch_size,
            max_ids=CPU_BATCH_IDS if is_cpu else None,
            pads=not is_cpu,
        )

    def check_finite(self, sums: npt.NDArray[np.floating]) -> None:
        """See that the model gave numbers.

        Raises:
            ValueError: it did not.
        """
        if not np.isfinite(sums).all():
            raise ValueError(
                f"the model gave values that are not finite in {self.precision}: try "
                "precision='bf16' or 'fp32'; if that does not help, its weights are damaged"
            )

    @torch.inference_mode()
    def hidden(self, windows: list[Window]) -> tuple[list[Tensor], npt.NDArray[np.bool_]]:
        """L hidden states (B, T, H) on the device, and which positions count, (B, P, T) bool.

        Position 0 is [CLS]; what lies behind a window's [SEP] is padding and never counted.
        """
        input_ids, counted, mask = self._inputs(windows)
        with self._autocast():
            return self._hidden(input_ids, mask), counted

    @torch.inference_mode()
    def _sums_of_batch(self, windows: list[Window], pooling: str | None) -> Tensor:
        """(B, L, P, H)."""
        input_ids, counted, mask = self._inputs(windows)
        if pooling is not None and self._can_choose(mask is None):
            is_read = positions_read(counted, pooling)
            if is_read.mean() <= _MOST_CHOSEN:
                return self._sums_of_chosen(input_ids, counted, is_read)
        with self._autocast():
            hidden = self._hidden(input_ids, mask)
        return _pool_hidden(hidden, torch.from_numpy(counted).to(self.device))

    def _inputs(self, windows: list[Window]) -> tuple[Tensor, npt.NDArray[np.bool_], Tensor | None]:
        """Ids (B, T), positions that count (B, P, T), mask (B, T); None where nothing is padded."""
        lengths = [len(window.ids) + NUM_SPECIAL for window in windows]
        longest = max(lengths)
        if self.device.type == "cuda":
            most = self.window_ids + NUM_SPECIAL
            longest = min(most, -(-longest // _LENGTH_MULTIPLE) * _LENGTH_MULTIPLE)
        ids = np.full((len(windows), longest), PAD_ID, dtype=np.int64)
        counted = np.zeros((len(windows), len(POSITIONS), longest), dtype=np.bool_)
        for row, (window, length) in enumerate(zip(windows, lengths, strict=True)):
            ids[row, 0], ids[row, length - 1] = CLS_ID, SEP_ID
            ids[row, 1 : length - 1] = window.ids
            counted[row, :, 1 : length - 1] = window.counted
        mask = None
        if min(lengths) < longest:
            places = torch.arange(longest, device=self.device)
            mask = (places < torch.tensor(lengths, device=self.device)[:, None]).long()
        return torch.from_numpy(ids).to(self.device), counted, mask

    def _sums_of_chosen(
        self, input_ids: Tensor, counted: npt.NDArray[np.bool_], is_read: npt.NDArray[np.bool_]
    ) -> Tensor:
        with self._autocast():
            states = self.model.masked_states(input_ids, torch.from_numpy(is_read))
        return _pool_chosen(states, counted, is_read)

    @property
    def _is_last_alone(self) -> bool:
        return self.layer_sets == ((self.model.config.num_hidden_layers,),)

    def _can_choose(self, is_unpadded: bool) -> bool:
        return self.device.type == "cpu" and self._is_last_alone and is_unpadded

    def _hidden(self, input_ids: Tensor, mask: Tensor | None) -> list[Tensor]:
        output = self.model.bert(
            input_ids,
            attention_mask=mask,
            output_hidden_states=not self._is_last_alone,
            return_dict=True,
        )
        if self._is_last_alone:
            return [output.last_hidden_state]
        states = output.hidden_states
        return [sum(states[i].float() for i in layers) / len(layers) for layers in self.layer_sets]

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype)


def _pool_chosen(
    states: Tensor, counted: npt.NDArray[np.bool_], is_read: npt.NDArray[np.bool_]
) -> Tensor:
    """(B, 1, P, H) float32 sums of the hidden states of some positions.

    Args:
        states: (K, H) where `is_read`, in reading order, on the CPU.
        counted: (B, P, T).
        is_read: (B, T).
    """
    own = torch.split(states.float(), is_read.sum(axis=1).tolist())
    sums = [
        torch.from_numpy(kinds[:, is_row_read].astype(np.float32)) @ rows
        for kinds, is_row_read, rows in zip(counted, is_read, own, strict=True)
    ]
    return torch.stack(sums)[:, None]


def _pool_hidden(hidden: list[Tensor], counted: Tensor) -> Tensor:
    """(B, L, P, H) float32 sums of hidden states, on the CPU.

    Args:
        hidden: L tensors (B, T, H), of any floating type.
        counted: (B, P, T) bool.
    """
    sums = [torch.bmm(counted.float(), layer.float()) for layer in hidden]
    return torch.stack(sums, dim=1).cpu()
