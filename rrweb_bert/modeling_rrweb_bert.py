"""RRWebBertForMaskedLM: a plain BERT checkpoint that trains fast.

Weights, configuration and evaluation are those of `transformers.BertForMaskedLM`; what differs is
how training computes:

- logits exist at masked positions only, gathered into a number of rows that is fixed for a batch
  shape, so that the GPU never waits to learn how many there are;
- no attention mask is built when none is given (transformers builds a (B, 1, T, T) one while
  compiling, which rules out the fast kernels and runs out of memory);
- the loss is normalised by `num_items_in_batch`, so that gradient accumulation and several
  processes give the loss of one large batch (stock BERT inflates it, transformers issue 47688).

Letters: B batch, T window length, H hidden size, V vocabulary size, K gathered positions.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, BertConfig, BertForMaskedLM
from transformers.masking_utils import sdpa_mask
from transformers.modeling_outputs import MaskedLMOutput

from rrweb_tokenizer.structural_vocab import PAD_ID, VOCAB_SIZE

from .chosen_states import chosen_states
from .fused_encoder import encode, is_supported, summed_cross_entropy

__all__ = [
    "IGNORE_INDEX",
    "MODEL_SIZES",
    "RRWebBertForMaskedLM",
    "gather_masked_positions",
    "kernel_order",
    "masked_capacity",
    "model_config",
]

IGNORE_INDEX: Final = -100
ATTENTION: Final = "rrweb_sdpa"
# Measured on an H100: cuDNN 5.7 ms, FlashAttention-2 6.6 ms, memory-efficient 19.7 ms a layer.
_HOPPER_ORDER: Final = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
# Before Hopper, cuDNN has no kernel of that kind.
_OLDER_ORDER: Final = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.MATH,
]
# With 6 standard deviations of room, a batch has too many masked positions less than once in 1e9.
_CAPACITY_SIGMAS: Final = 6.0
_CAPACITY_MULTIPLE: Final = 64

# Size name -> layers, hidden size, heads, feed-forward size.
MODEL_SIZES: Final[dict[str, tuple[int, int, int, int]]] = {
    "tiny": (2, 128, 2, 512),
    "mini": (4, 256, 4, 1024),
    "base": (12, 768, 12, 3072),
    "large": (24, 1024, 16, 4096),
}


def model_config(
    size: str,
    *,
    window_tokens: int = 2048,
    hidden_dropout: float = 0.1,
    attention_dropout: float = 0.1,
    vocab_size: int = VOCAB_SIZE,
) -> BertConfig:
    """The `BertConfig` of a named size.

    Args:
        size: "tiny", "mini", "base" or "large"; base with 2,048 positions has 96,850,408
            parameters.
        window_tokens: number of positions; a position that no window reaches would stay untrained.
        hidden_dropout: dropout probability of embeddings and layer outputs.
        attention_dropout: dropout probability of the attention weights.
        vocab_size: of the tokenizer.

    Raises:
        ValueError: `size` is none of these.
    """
    if size not in MODEL_SIZES:
        raise ValueError(f"model size {size!r} is none of {', '.join(MODEL_SIZES)}")
    layers, hidden, heads, feed_forward = MODEL_SIZES[size]
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=feed_forward,
        max_position_embeddings=window_tokens,
        hidden_dropout_prob=hidden_dropout,
        attention_probs_dropout_prob=attention_dropout,
        pad_token_id=PAD_ID,
    )


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Bidirectional attention of (B, heads, T, H / heads) inputs -> (B, T, heads, H / heads)."""
    mixed = scaled_dot_product_attention(
        query, key, value, attn_mask=attention_mask, dropout_p=dropout, scale=scaling
    )
    return mixed.transpose(1, 2).contiguous(), None


def _attention_mask(*, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor | None:
    """The SDPA mask of transformers, but None, also while compiling, when no mask was given."""
    if attention_mask is None:
        return None
    mask: Tensor | None = sdpa_mask(attention_mask=attention_mask, **kwargs)
    return mask


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, _attention_mask)


def kernel_order(device: torch.device) -> list[SDPBackend]:
    """The attention kernels of torch for a CUDA device, fastest first."""
    is_hopper = torch.cuda.get_device_capability(device) >= (9, 0)
    return _HOPPER_ORDER if is_hopper else _OLDER_ORDER


def masked_capacity(num_tokens: int, mlm_probability: float) -> int:
    """How many masked positions a batch of `num_tokens` has room for: the mean + 6 sigma.

    The draw is Bernoulli, so more happen with a probability below 1e-9.

    >>> masked_capacity(32 * 2048, 0.15)
    10432
    """
    mean = num_tokens * mlm_probability
    sigma = math.sqrt(mean * (1 - mlm_probability))
    needed = math.ceil(mean + _CAPACITY_SIGMAS * sigma)
    rounded = -(-needed // _CAPACITY_MULTIPLE) * _CAPACITY_MULTIPLE
    return min(num_tokens, rounded)


def gather_masked_positions(labels: Tensor, capacity: int) -> tuple[Tensor, Tensor, Tensor]:
    """The masked positions of a batch in a fixed number of rows, without a synchronisation.

    Args:
        labels: (B, T) int64, `IGNORE_INDEX` where nothing is to be predicted.
        capacity: K, the number of rows.

    Returns:
        Positions in the flattened batch (K,), ascending, 0 in rows that are not used; their labels
        (K,), `IGNORE_INDEX` in those; and the number of masked positions, a scalar, which is above
        K when some did not fit.
    """
    flat = labels.reshape(-1)
    is_masked = flat != IGNORE_INDEX
    num_masked = is_masked.sum()
    rank = is_masked.cumsum(0) - 1
    # Everything that is not kept lands in one extra row, which is then cut off.
    row = torch.where(is_masked & (rank < capacity), rank, capacity)
    positions = torch.zeros(capacity + 1, dtype=torch.int64, device=labels.device)
    positions.scatter_(0, row, torch.arange(flat.numel(), device=labels.device))
    positions = positions[:capacity]
    is_used = torch.arange(capacity, device=labels.device) < num_masked
    return positions, torch.where(is_used, flat[positions], IGNORE_INDEX), num_masked


class RRWebBertForMaskedLM(BertForMaskedLM):  # type: ignore[misc]
    """`BertForMaskedLM` with a training forward that skips what training does not need.

    State-dict keys, configuration and saved files are those of `BertForMaskedLM`. In evaluation
    mode `forward` returns full logits (B, T, V) as the parent does; in training mode with `labels`
    it returns the loss alone.

    Attributes:
        mlm_probability: share of positions that the collator masks; it sizes the head's batch.
        static_head: True gathers a fixed number of rows (right for GPUs), False exactly the masked
            ones (right for CPUs), None decides by the device.
        fused_kernels: the module whose kernels run between the matrix products (see
            `fused_encoder`); None runs transformers' own layers.
        recompute_gelu: with fused kernels, compute the GELU again in the backward pass: a fifth
            less memory for about 1% more time.
        num_overflows: batches so far with more masked positions than rows, a scalar tensor. Those
            left out are made up for by weighting the others, so that the loss stays right in
            expectation.
    """

    mlm_probability: float = 0.15
    static_head: bool | None = None
    fused_kernels: ModuleType | None = None
    recompute_gelu: bool = False

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        if self.config._attn_implementation == "sdpa":
            self.config._attn_implementation = ATTENTION
        self.register_buffer("num_overflows", torch.zeros((), dtype=torch.int64), persistent=False)

    def _init_weights(self, module: nn.Module) -> None:
        """Stock initialisation; loading builds buffers on the meta device, so ours is set too."""
        super()._init_weights(module)
        if module is self:
            nn.init.zeros_(self.num_overflows)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[Tensor, ...]:
        """Loss in training, loss and logits in evaluation.

        Args:
            input_ids: (B, T) int64.
            attention_mask: (B, T), 0 at padding; None (no padding) is the fast case.
            labels: (B, T) int64, `IGNORE_INDEX` where nothing is predicted.
            num_items_in_batch: divisor of the summed loss; None takes the mean of this batch.
            **kwargs: anything else that `BertForMaskedLM.forward` takes.
        """
        with self._kernels(input_ids):
            if labels is None or not self.training:
                output = super().forward(input_ids, attention_mask=attention_mask, **kwargs)
                if labels is None:
                    return output
                logits = output[0].reshape(-1, self.config.vocab_size)
                loss = _mean_loss(logits, labels.reshape(-1), num_items_in_batch)
                if isinstance(output, tuple):
                    return (loss, *output)
                output["loss"] = loss
                return MaskedLMOutput(**output)
            kwargs.pop("return_dict", None)
            hidden = self._hidden(input_ids, attention_mask, **kwargs)
            return MaskedLMOutput(loss=self._masked_loss(hidden, labels, num_items_in_batch))

    @torch.no_grad()
    def masked_logits(
        self, input_ids: Tensor, labels: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Float32 logits (K, V) of the masked positions and their labels (K,), in reading order."""
        is_masked = labels != IGNORE_INDEX
        hidden = self.masked_states(input_ids, is_masked, attention_mask)
        return self.cls(hidden).float(), labels[is_masked]

    @torch.no_grad()
    def masked_states(
        self, input_ids: Tensor, is_masked: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        """The last hidden states (K, H) where `is_masked` (B, T), in reading order."""
        # A GPU is kept busy better by whole layers, and by its own kernels.
        if attention_mask is None and not input_ids.is_cuda and self._takes_chosen():
            return chosen_states(self.bert, input_ids, is_masked)
        with self._kernels(input_ids):
            return self._hidden(input_ids, attention_mask)[is_masked]

    def _takes_chosen(self) -> bool:
        return not self.training and self.fused_kernels is None and is_supported(self.config)

    def masked_losses(
        self, input_ids: Tensor, labels: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss of each masked position and its label, both (K,), in reading order."""
        logits, targets = self.masked_logits(input_ids, labels, attention_mask)
        return cross_entropy(logits, targets, reduction="none"), targets

    def _hidden(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, **kwargs: Any
    ) -> Tensor:
        """The last hidden state (B, T, H), by the fused layers where they apply."""
        is_plain = not any(value is not None for value in kwargs.values())
        is_plain = is_plain and not self.bert.encoder.layer[0].gradient_checkpointing
        if self.fused_kernels is not None and input_ids is not None and is_plain:
            return encode(
                self.bert,
                input_ids,
                attention_mask,
                kernels=self.fused_kernels,
                recompute_gelu=self.recompute_gelu,
            )
        output = self.bert(input_ids, attention_mask=attention_mask, return_dict=True, **kwargs)
        hidden: Tensor = output.last_hidden_state
        return hidden

    def compile_layers(self) -> None:
        """Compile the encoder layers one by one; the state-dict keys stay as they are.

        Whole-model compilation runs out of memory at batch 32; a layer compiles once for all 12.
        """
        for layer in self.bert.encoder.layer:
            layer.compile(dynamic=False)

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Save a plain BERT checkpoint: `architectures` names the class that everybody has."""
        super().save_pretrained(save_directory, **kwargs)
        self.config.architectures = [BertForMaskedLM.__name__]
        if kwargs.get("is_main_process", True):
            self.config.save_pretrained(save_directory)

    def _masked_loss(
        self, hidden: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None
    ) -> Tensor:
        flat_hidden = hidden.reshape(-1, hidden.shape[-1])
        is_static = hidden.device.type != "cpu" if self.static_head is None else self.static_head
        if not is_static:
            rows = (labels.reshape(-1) != IGNORE_INDEX).nonzero().squeeze(1)
            logits = self.cls(flat_hidden[rows])
            return _mean_loss(logits, labels.reshape(-1)[rows], num_items_in_batch)
        capacity = masked_capacity(labels.numel(), self.mlm_probability)
        positions, targets, num_masked = gather_masked_positions(labels, capacity)
        self.num_overflows += num_masked > capacity
        logits = self.cls(flat_hidden.index_select(0, positions))
        if self.fused_kernels is None:
            total = cross_entropy(
                logits.float(), targets, ignore_index=IGNORE_INDEX, reduction="sum"
            )
        else:
            total = summed_cross_entropy(logits, targets, kernels=self.fused_kernels)
        weight = num_masked.clamp(min=capacity) / capacity  # 1 unless some did not fit
        divisor = num_masked.clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        return total * weight / divisor

    @staticmethod
    def _kernels(inputs: Tensor | None) -> AbstractContextManager[None]:
        if inputs is not None and inputs.is_cuda:
            return sdpa_kernel(kernel_order(inputs.device), set_priority=True)
        return nullcontext()


def _mean_loss(logits: Tensor, targets: Tensor, num_items: Tensor | int | None) -> Tensor:
    """Summed loss over `num_items`, or over the targets that count; 0 when there are none."""
    total = cross_entropy(logits.float(), targets, ignore_index=IGNORE_INDEX, reduction="sum")
    return total / (
        (targets != IGNORE_INDEX).sum().clamp(min=1) if num_items is None else num_items
    )
