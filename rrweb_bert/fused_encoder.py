"""BERT's encoder and loss with what lies between the matrix products done by fused kernels.

The mathematics are those of `transformers.BertModel`; the weights stay where they are, one tensor
for each state-dict key. A layer is two autograd functions around the attention of torch:

    hidden -> [projections] -> query, key, value -> attention -> [rest of the layer] -> hidden

Each saves what its backward reads and nothing else. A layer's output feeds both a product and a
residual sum, so it is handed on twice: the two gradients then meet inside the next kernel instead
of being added in a pass of their own.

Under autocast, values between operations are stored in its dtype and computed with in float32.

Letters: B batch, T window length, N = B T tokens, H hidden size, F feed-forward size.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["encode", "is_supported", "summed_cross_entropy"]

_MAX_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """One layer's matrices in the dtype that is computed in.

    `qkv` are three in one (3 H, H); `down_t` is transposed (F, H), since the product with it that
    the backward pass needs is 9% faster that way, and the forward one is as fast.
    """

    qkv: Tensor
    qkv_bias: Tensor
    output: Tensor
    up: Tensor
    down_t: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What a layer needs to know beside its tensors."""

    kernels: Any
    weights: _Weights
    dropout: float
    eps: float
    seeds: tuple[int, int]
    recompute_gelu: bool


def is_supported(config: Any) -> bool:
    """Whether the layers of this `BertConfig` are the plain ones that are fused here."""
    return (
        config.hidden_act == "gelu"
        and not config.is_decoder
        and not getattr(config, "add_cross_attention", False)
        and config.chunk_size_feed_forward == 0
    )


def encode(
    bert: Any,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    kernels: ModuleType,
    recompute_gelu: bool = False,
) -> Tensor:
    """The last hidden state of a `BertModel`, (B, T, H).

    Args:
        bert: in training mode dropout is applied, from seeds drawn from torch's CPU generator.
        input_ids: (B, T) int64.
        attention_mask: (B, T), 0 at padding; None, no padding, is the fast case.
        kernels: `fused_kernels` or `fused_reference`.
        recompute_gelu: compute the GELU again in the backward pass instead of storing it, which
            saves a quarter of the memory of activations and costs about 1% of the time.
    """
    batch, window = input_ids.shape
    layers = bert.encoder.layer
    seeds = [[0, 0]] * (len(layers) + 1)
    if bert.training:
        seeds = torch.randint(_MAX_SEED, (len(layers) + 1, 2)).tolist()
    mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
    hidden, residual = _embed(
        input_ids, bert.embeddings, kernels, seeds[-1][0], *_embedding_parameters(bert.embeddings)
    )
    dtype = hidden.dtype
    for number, layer in enumerate(layers):
        settings = _Settings(
            kernels=kernels,
            weights=_weights_of(layer, dtype),
            dropout=layer.output.dropout.p if bert.training else 0.0,
            eps=layer.output.LayerNorm.eps,
            seeds=(seeds[number][0], seeds[number][1]),
            recompute_gelu=recompute_gelu,
        )
        heads = layer.attention.self
        query, key, value = _project(
            hidden, settings, (batch, window, heads.num_attention_heads), *_head_parameters(layer)
        )
        p = heads.dropout.p if bert.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=p)
        mixed = mixed.transpose(1, 2).reshape(batch * window, -1)
        hidden, residual = _finish(mixed, residual, settings, *_rest_parameters(layer))
    result: Tensor = hidden.view(batch, window, -1)
    return result


def summed_cross_entropy(logits: Tensor, targets: Tensor, *, kernels: ModuleType) -> Tensor:
    """The summed loss of `logits` (N, V) where `targets` (N,) are not negative, float32.

    The backward pass writes the gradient over `logits`; nothing else may use them.
    """
    loss: Tensor = _sum_cross_entropy(logits, targets, kernels)
    return loss


def _compute_dtype(x: Tensor) -> torch.dtype:
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


def _embedding_parameters(embeddings: Any) -> list[Tensor]:
    tables = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    norm = embeddings.LayerNorm
    return [*(getattr(embeddings, name).weight for name in tables), norm.weight, norm.bias]


def _head_parameters(layer: Any) -> list[Tensor]:
    heads = layer.attention.self
    return [p for m in (heads.query, heads.key, heads.value) for p in (m.weight, m.bias)]


def _rest_parameters(layer: Any) -> list[Tensor]:
    after = layer.attention.output
    modules = (after.dense, after.LayerNorm, layer.intermediate.dense, layer.output.dense)
    return [p for m in (*modules, layer.output.LayerNorm) for p in (m.weight, m.bias)]


@torch.no_grad()
def _weights_of(layer: Any, dtype: torch.dtype) -> _Weights:
    """The layer's matrices in `dtype`, by one kernel where they have to be converted."""
    heads = layer.attention.self
    parts = (heads.query, heads.key, heads.value)
    matrices = [layer.attention.output.dense, layer.intermediate.dense]
    sizes = [part.weight.shape[0] for part in parts]
    first = parts[0].weight
    qkv = torch.empty((sum(sizes), first.shape[1]), dtype=dtype, device=first.device)
    qkv_bias = torch.empty(sum(sizes), dtype=dtype, device=first.device)
    targets = [*torch.split(qkv, sizes), *torch.split(qkv_bias, sizes)]
    sources = [*(part.weight for part in parts), *(part.bias for part in parts)]
    others = [matrix.weight for matrix in matrices]
    if dtype != first.dtype:
        converted = [torch.empty_like(other, dtype=dtype) for other in others]
        targets += converted
        sources += others
        others = converted
    torch._foreach_copy_(targets, sources)
    down = layer.output.dense.weight
    down_t = torch.empty_like(down.t(), dtype=dtype, memory_format=torch.contiguous_format)
    down_t.copy_(down.t())
    return _Weights(qkv=qkv, qkv_bias=qkv_bias, output=others[0], up=others[1], down_t=down_t)


def _weight_gradient(grad: Tensor, x: Tensor) -> Tensor:
    """grad^T x: (N, K), (N, H) -> (K, H), in float32 where the products can write that."""
    if grad.is_cuda and grad.dtype != torch.float32:
        return torch.mm(grad.t(), x, out_dtype=torch.float32)
    return grad.t() @ x


class _Embeddings(Function):
    """Ids (B, T) -> embedded tokens (N, H), twice.

    There is one kind of token, so its embedding is a row to add, not a table to look up in.
    """

    @staticmethod
    def forward(
        ctx: Any, ids: Tensor, embeddings: Any, kernels: ModuleType, seed: int, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        words, places, kinds, gamma, beta = parameters
        p = embeddings.dropout.p if embeddings.training else 0.0
        out, mean, rstd = kernels.embed(
            ids, words, places, kinds[0], gamma, beta,
            p=p, seed=seed, eps=embeddings.LayerNorm.eps, dtype=_compute_dtype(words),
        )  # fmt: skip
        ctx.save_for_backward(ids, words, places, kinds, gamma, mean, rstd)
        ctx.kernels, ctx.p, ctx.seed = kernels, p, seed
        ctx.padding = embeddings.word_embeddings.padding_idx
        return out, out.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        ids, words, places, kinds, gamma, mean, rstd = ctx.saved_tensors
        grad, grad_gamma, grad_beta = ctx.kernels.embed_backward(
            *grads, ids, words, places, kinds[0], gamma, mean, rstd, p=ctx.p, seed=ctx.seed
        )
        padding = -1 if ctx.padding is None else ctx.padding
        grad_words = torch.ops.aten.embedding_dense_backward(
            grad.view(*ids.shape, -1), ids, len(words), padding, False
        )
        grad_places, grad_kinds = torch.zeros_like(places), torch.zeros_like(kinds)
        torch.sum(grad.view(*ids.shape, -1), dim=0, out=grad_places[: ids.shape[1]])
        torch.sum(grad_places, dim=0, out=grad_kinds[0])
        return None, None, None, None, grad_words, grad_places, grad_kinds, grad_gamma, grad_beta


class _Projections(Function):
    """Hidden states (N, H) -> query, key and value, each (B, heads, T, H / heads)."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, settings: _Settings, shape: tuple[int, int, int], *_: Tensor
    ) -> tuple[Tensor, ...]:
        weights = settings.weights
        packed = torch.addmm(weights.qkv_bias, hidden, weights.qkv.t())
        ctx.save_for_backward(hidden)
        ctx.settings = settings
        batch, window, heads = shape
        return packed.view(batch, window, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (hidden,) = ctx.saved_tensors
        # No copies where the attention keeps the layout of its inputs, as the fast ones do.
        flat = [grad.transpose(1, 2).reshape(hidden.shape[0], -1) for grad in grads]
        packed, grad_bias = ctx.settings.kernels.pack_heads(*flat)
        grad_weight = _weight_gradient(packed, hidden)
        grad_hidden = packed @ ctx.settings.weights.qkv
        width = flat[0].shape[1]
        pairs = zip(torch.split(grad_weight, width), torch.split(grad_bias, width), strict=True)
        return grad_hidden, None, None, *(grad for pair in pairs for grad in pair)


class _RestOfLayer(Function):
    """Mixed values (N, H) and the layer's input (N, H) -> its output (N, H), twice."""

    @staticmethod
    def forward(
        ctx: Any, mixed: Tensor, residual: Tensor, settings: _Settings, *parameters: Tensor
    ) -> tuple[Tensor, Tensor]:
        _, bias, gamma, beta, _, up_bias, _, down_bias, gamma2, beta2 = parameters
        kernels, weights = settings.kernels, settings.weights
        norm = {"p": settings.dropout, "eps": settings.eps}
        total, middle, mean, rstd = kernels.dropout_add_norm(
            mixed @ weights.output.t(), bias, residual, gamma, beta, seed=settings.seeds[0], **norm
        )
        wide = middle @ weights.up.t()
        active = kernels.bias_gelu(wide, up_bias)
        total2, out, mean2, rstd2 = kernels.dropout_add_norm(
            active @ weights.down_t, down_bias, middle, gamma2, beta2,
            seed=settings.seeds[1], **norm,
        )  # fmt: skip
        ctx.save_for_backward(
            mixed, total, mean, rstd, middle, wide, None if settings.recompute_gelu else active,
            total2, mean2, rstd2, gamma, up_bias, gamma2,
        )  # fmt: skip
        ctx.settings = settings
        ctx.set_materialize_grads(False)
        return out, out.detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_residual: Tensor | None) -> Any:
        (
            mixed, total, mean, rstd, middle, wide, active,
            total2, mean2, rstd2, gamma, up_bias, gamma2,
        ) = ctx.saved_tensors  # fmt: skip
        settings = ctx.settings
        kernels, weights = settings.kernels, settings.weights
        if grad is None:
            grad, grad_residual = grad_residual, None
        if grad is None:
            return (None,) * 13
        grad_down_out, grad_middle, grad_down_bias, grad_gamma2, grad_beta2 = (
            kernels.dropout_add_norm_backward(
                grad, grad_residual, total2, mean2, rstd2, gamma2,
                p=settings.dropout, seed=settings.seeds[1],
            )
        )  # fmt: skip
        grad_wide, grad_up_bias, again = kernels.bias_gelu_backward(
            grad_down_out @ weights.down_t.t(), wide, up_bias, with_output=active is None
        )
        grad_down = _weight_gradient(grad_down_out, again if active is None else active)
        del active, again, grad_down_out
        grad_up = _weight_gradient(grad_wide, middle)
        grad_out, grad_input, grad_bias, grad_gamma, grad_beta = kernels.dropout_add_norm_backward(
            grad_wide @ weights.up, grad_middle, total, mean, rstd, gamma,
            p=settings.dropout, seed=settings.seeds[0],
        )  # fmt: skip
        del grad_wide, grad_middle
        grad_output = _weight_gradient(grad_out, mixed)
        grad_mixed = grad_out @ weights.output
        return (
            grad_mixed, grad_input, None,
            grad_output, grad_bias, grad_gamma, grad_beta,
            grad_up, grad_up_bias,
            grad_down, grad_down_bias, grad_gamma2, grad_beta2,
        )  # fmt: skip


class _SummedCrossEntropy(Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, kernels: ModuleType) -> Tensor:
        losses, log_sums = kernels.cross_entropy(logits, targets)
        ctx.save_for_backward(logits, targets, log_sums)
        ctx.kernels = kernels
        total: Tensor = losses.sum()
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return ctx.kernels.cross_entropy_backward(*ctx.saved_tensors, grad), None, None


# `apply` has no type information.
_embed: Any = _Embeddings.apply
_project: Any = _Projections.apply
_finish: Any = _RestOfLayer.apply
_sum_cross_entropy: Any = _SummedCrossEntropy.apply
