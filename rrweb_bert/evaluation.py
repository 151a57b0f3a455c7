"""Masked-language-model loss of a fixed set of windows, overall and by kind of token.

The sums run over masked positions in float64, so that the result does not depend on how the windows
fall into batches, and two evaluations differ only when the model does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from rrweb_tokenizer.structural_vocab import GROUPS, MAX_VOCAB_SIZE, TEXT_GROUP, VOCAB_SIZE

__all__ = ["GROUPS_OF_KIND", "KINDS", "LossSums", "kind_table", "perplexity", "sum_losses"]

KINDS: Final = ("head", "time", "place", "target", "tag", "attribute", "text", "value")

# Kind -> the structural groups in it; together with text they cover the vocabulary.
GROUPS_OF_KIND: Final[dict[str, str]] = {
    "head": "special,context,EventType,IncrementalSource,MouseInteractions,PointerTypes,"
    "MediaInteractions,CanvasContext,mutation,console and network,reserved",
    "time": "time delta,elapsed",
    "place": "x,y,direction,distance,scroll,scroll depth,viewport",
    "target": "reference,depth,sibling",
    "tag": "NodeType,tree,tag,svg tag,input type,role",
    "attribute": "attribute,boolean,style change,resource",
    "text": TEXT_GROUP,
    "value": "count,value class,edit and page state",
}


class _MaskedLM(Protocol):
    def masked_logits(
        self, input_ids: Tensor, labels: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]: ...


def perplexity(loss: float) -> float:
    """The exponential of a mean loss in nats, infinite where it would overflow."""
    return math.exp(loss) if loss < 700 else math.inf


def kind_table(device: torch.device | str = "cpu", vocab_size: int = VOCAB_SIZE) -> Tensor:
    """The index into `KINDS` of every id, (V,) int64."""
    kind_of_group = {
        group: kind
        for kind, groups in enumerate(GROUPS_OF_KIND.values())
        for group in groups.split(",")
    }
    table = torch.full((vocab_size,), kind_of_group[TEXT_GROUP], dtype=torch.int64)
    for group in GROUPS:
        table[group.start : group.stop] = kind_of_group[group.name]
    return table.to(device)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSums:
    """Sums over the masked positions of each kind, all (8,) float64 in `KINDS` order.

    Attributes:
        losses: summed loss in nats.
        counts: number of masked positions.
        hits: of those, where the likeliest id is the true one.
        num_windows: how many windows they come from.
    """

    losses: Tensor
    counts: Tensor
    hits: Tensor
    num_windows: int

    def metrics(self) -> dict[str, float]:
        """`loss`, `perplexity`, `accuracy` (0 to 1), and `loss_<kind>` where a kind occurred."""
        losses, counts = self.losses.tolist(), self.counts.tolist()
        num_masked = max(1.0, sum(counts))
        total = sum(losses) / num_masked
        metrics = {
            "loss": total,
            "perplexity": perplexity(total),
            "accuracy": sum(self.hits.tolist()) / num_masked,
        }
        for kind, loss, count in zip(KINDS, losses, counts, strict=True):
            if count:
                metrics[f"loss_{kind}"] = loss / count
        return metrics


def sum_losses(
    model: _MaskedLM,
    batches: Iterable[dict[str, Any]],
    *,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> LossSums:
    """Sum the losses of `model` (in evaluation mode) over `batches` of the collator.

    Args:
        model: has `masked_logits(input_ids, labels, attention_mask)`.
        batches: with `input_ids`, `labels` and perhaps `attention_mask`, on any device.
        device: where the model is.
        autocast: makes the context in which the model runs.
    """
    # For every id that a text model of any size may have; see `RRWebTokenizer`.
    kinds = kind_table(device, MAX_VOCAB_SIZE)
    losses = torch.zeros(len(KINDS), dtype=torch.float64, device=device)
    counts, hits = torch.zeros_like(losses), torch.zeros_like(losses)
    num_windows = 0
    for batch in batches:
        on_device = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        with autocast():
            logits, targets = model.masked_logits(**on_device)
        each = cross_entropy(logits, targets, reduction="none")
        # A product, since adding by index is not deterministic on GPUs.
        is_kind = one_hot(kinds[targets], len(KINDS)).double()
        losses += each.double() @ is_kind
        counts += is_kind.sum(0)
        hits += (logits.argmax(1) == targets).double() @ is_kind
        num_windows += len(batch["input_ids"])
    return LossSums(losses=losses, counts=counts, hits=hits, num_windows=num_windows)
