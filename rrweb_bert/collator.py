"""Windows -> masked batch: a `DataCollatorForLanguageModeling` whose masks follow from the sample.

The mask of sample j is a pure function of (`mask_seed`, j): the same for any number of loader
workers, after a resume, and in every evaluation.

Letters: B batch, T window length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DataCollatorForLanguageModeling

from rrweb_tokenizer.structural_vocab import MASK_ID, PAD_ID, VOCAB_SIZE

from .modeling_rrweb_bert import IGNORE_INDEX

__all__ = ["EVALUATION_MASK_SEED", "NUM_SPECIAL_IDS", "RRWebDataCollator", "mask_window"]

NUM_SPECIAL_IDS: Final = MASK_ID + 1
"""Ids below this one ([PAD] [UNK] [CLS] [SEP] [MASK]) are neither masked nor put in at random."""

EVALUATION_MASK_SEED: Final = 2**63
"""Mask seed of every evaluation, whatever `--seed` is: `eval_loss` compares between runs."""

# Keeps the mask's random stream apart from a window draw that uses the same (seed, index) key.
_MASK_STREAM: Final = 0x6D61736B


def mask_window(
    ids: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    mlm_probability: float = 0.15,
    mask_replace_prob: float = 0.8,
    random_replace_prob: float = 0.1,
    vocab_size: int = VOCAB_SIZE,
) -> NDArray[np.int64]:
    """Mask `ids` in place and return the labels, both (T,) int64.

    Every id that is not special is chosen with `mlm_probability`; of the chosen ones 80% become
    [MASK], 10% a random id that is not special, and 10% stay.
    """
    draw = rng.random(ids.shape, dtype=np.float64)
    is_chosen = (draw < mlm_probability) & (ids >= NUM_SPECIAL_IDS)
    labels = np.where(is_chosen, ids, IGNORE_INDEX)
    # Given that it is below mlm_probability, draw / mlm_probability is uniform on [0, 1).
    mask_below = mlm_probability * mask_replace_prob
    random_below = mlm_probability * (mask_replace_prob + random_replace_prob)
    is_random = is_chosen & (draw >= mask_below) & (draw < random_below)
    ids[is_chosen & (draw < mask_below)] = MASK_ID
    ids[is_random] = rng.integers(NUM_SPECIAL_IDS, vocab_size, size=int(is_random.sum()))
    return labels


@dataclass
class RRWebDataCollator(DataCollatorForLanguageModeling):  # type: ignore[misc]
    """Collates samples `{"input_ids": (T,), "sample_index": int}` into a masked batch.

    Full windows give `input_ids` and `labels` alone; an `attention_mask` comes only with padding,
    since even one of all ones costs the fast attention kernels. Examples without `sample_index`
    take the stock path (`tokenizer.pad`), masked from torch's generator under the same rules.
    """

    mask_seed: int = 0

    def torch_call(self, examples: Sequence[Any]) -> dict[str, Tensor]:
        """(B, T) int64 `input_ids` and `labels`, and `attention_mask` where there is padding."""
        keyed = all(isinstance(e, Mapping) and "sample_index" in e for e in examples)
        if not keyed or not self.mlm:
            batch: dict[str, Tensor] = super().torch_call(examples)
            return batch
        ids, num_tokens = self._stack([np.asarray(e["input_ids"]) for e in examples])
        labels = np.empty_like(ids)
        for row, example in enumerate(examples):
            labels[row] = self._mask(ids[row], self._generator_of(int(example["sample_index"])))
        batch = {"input_ids": torch.from_numpy(ids), "labels": torch.from_numpy(labels)}
        if (num_tokens < ids.shape[1]).any():
            is_token = np.arange(ids.shape[1]) < num_tokens[:, None]
            batch["attention_mask"] = torch.from_numpy(is_token.astype(np.int64))
        return batch

    def torch_mask_tokens(
        self, inputs: Tensor, special_tokens_mask: Any = None, offset_mapping: Any = None
    ) -> tuple[Tensor, Tensor]:
        """The stock hook: as stock, but specials are neither masked nor inserted."""
        seed = torch.randint(2**62, (), generator=self.generator).item()
        ids = inputs.numpy()
        rng = np.random.Generator(np.random.Philox(int(seed)))
        protected = np.zeros_like(ids, dtype=bool)
        if special_tokens_mask is not None:
            protected = np.asarray(special_tokens_mask, dtype=bool)
        masked = np.where(protected, PAD_ID, ids)
        labels = self._mask(masked, rng)
        return torch.from_numpy(np.where(protected, ids, masked)), torch.from_numpy(labels)

    def _generator_of(self, sample_index: int) -> np.random.Generator:
        key = np.array([self.mask_seed, sample_index], dtype=np.uint64)
        counter = np.array([0, 0, 0, _MASK_STREAM], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def _mask(self, ids: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        return mask_window(
            ids,
            rng,
            mlm_probability=self.mlm_probability,
            mask_replace_prob=self.mask_replace_prob,
            random_replace_prob=self.random_replace_prob,
            vocab_size=self.tokenizer.vocab_size,
        )

    def _stack(self, windows: list[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Windows padded with [PAD] to the longest, (B, T) int64, and their lengths (B,)."""
        num_tokens = np.array([len(window) for window in windows])
        width = int(num_tokens.max())
        if self.pad_to_multiple_of:
            width = -(-width // self.pad_to_multiple_of) * self.pad_to_multiple_of
        ids = np.full((len(windows), width), PAD_ID, dtype=np.int64)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = window
        return ids, num_tokens
