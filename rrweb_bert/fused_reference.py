"""The functions of `fused_kernels` in plain torch: what they compute, on any device.

They serve tests, and machines without Triton never need them: there the stock layers run.

Letters: N rows (tokens), H hidden size, F feed-forward size, V vocabulary size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu

__all__ = [
    "bias_gelu",
    "bias_gelu_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout_add_norm",
    "dropout_add_norm_backward",
    "dropout_keep_mask",
    "embed",
    "embed_backward",
    "pack_heads",
]


def dropout_keep_mask(shape: tuple[int, int], *, p: float, seed: int, device: str) -> Tensor:
    """A mask that follows from `seed`: True, with probability 1 - p, is kept."""
    generator = torch.Generator(device).manual_seed(seed)
    return torch.rand(shape, generator=generator, device=device) >= p


def _dropped(x: Tensor, *, p: float, seed: int) -> Tensor:
    if p == 0:
        return x
    keep = dropout_keep_mask((x.shape[0], x.shape[1]), p=p, seed=seed, device=str(x.device))
    return torch.where(keep, x / (1 - p), 0.0)


def dropout_add_norm(
    y: Tensor,
    bias: Tensor,
    residual: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    p: float,
    seed: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """LayerNorm(dropout(y + bias) + residual), with what its backward needs."""
    total = residual.float() + _dropped(y.float() + bias, p=p, seed=seed)
    mean = total.mean(1)
    rstd = (total.var(1, correction=0) + eps).rsqrt()
    out = (total - mean[:, None]) * rstd[:, None] * gamma + beta
    return total.to(y.dtype), out.to(y.dtype), mean, rstd


def dropout_add_norm_backward(
    grad: Tensor,
    grad2: Tensor | None,
    total: Tensor,
    mean: Tensor,
    rstd: Tensor,
    gamma: Tensor,
    *,
    p: float,
    seed: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of y, residual, bias, gamma and beta."""
    grads = grad.float() if grad2 is None else grad.float() + grad2
    normed = (total.float() - mean[:, None]) * rstd[:, None]
    scaled = grads * gamma
    level = scaled.mean(1, keepdim=True)
    along = (scaled * normed).mean(1, keepdim=True)
    grad_total = (scaled - level - normed * along) * rstd[:, None]
    grad_y = _dropped(grad_total, p=p, seed=seed)
    return (
        grad_y.to(total.dtype),
        grad_total.to(total.dtype),
        grad_y.sum(0),
        (grads * normed).sum(0),
        grads.sum(0),
    )


def embed(
    ids: Tensor,
    words: Tensor,
    places: Tensor,
    kind: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    p: float,
    seed: int,
    eps: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """dropout(LayerNorm(word + position + kind of token))."""
    total = _embedded(ids, words, places, kind)
    mean = total.mean(1)
    rstd = (total.var(1, correction=0) + eps).rsqrt()
    out = (total - mean[:, None]) * rstd[:, None] * gamma + beta
    return _dropped(out, p=p, seed=seed).to(dtype), mean, rstd


def embed_backward(
    grad: Tensor,
    grad2: Tensor,
    ids: Tensor,
    words: Tensor,
    places: Tensor,
    kind: Tensor,
    gamma: Tensor,
    mean: Tensor,
    rstd: Tensor,
    *,
    p: float,
    seed: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the summed embeddings, of gamma and of beta."""
    grads = _dropped(grad.float() + grad2, p=p, seed=seed)
    normed = (_embedded(ids, words, places, kind) - mean[:, None]) * rstd[:, None]
    scaled = grads * gamma
    level = scaled.mean(1, keepdim=True)
    along = (scaled * normed).mean(1, keepdim=True)
    grad_total = (scaled - level - normed * along) * rstd[:, None]
    return grad_total, (grads * normed).sum(0), grads.sum(0)


def _embedded(ids: Tensor, words: Tensor, places: Tensor, kind: Tensor) -> Tensor:
    return (words[ids] + places[: ids.shape[1]] + kind).reshape(ids.numel(), -1)


def bias_gelu(x: Tensor, bias: Tensor) -> Tensor:
    """The exact (erf) GELU of `x + bias`."""
    return gelu(x.float() + bias).to(x.dtype)


def bias_gelu_backward(
    grad: Tensor, x: Tensor, bias: Tensor, *, with_output: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gradients of `bias_gelu` and, where asked for, its output."""
    shifted = x.float() + bias
    below = 0.5 * (1 + torch.erf(shifted / math.sqrt(2)))
    bell = torch.exp(-0.5 * shifted.square()) / math.sqrt(2 * math.pi)
    grad_x = grad.float() * (below + shifted * bell)
    out = (shifted * below).to(x.dtype) if with_output else None
    return grad_x.to(grad.dtype), grad_x.sum(0), out


def pack_heads(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Three tensors side by side, and the sums of the columns."""
    packed = torch.cat((query, key, value), dim=1)
    return packed, packed.float().sum(0)


def cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of each row, 0 where its target is negative, and its log-sum-exp."""
    log_sums = logits.float().logsumexp(1)
    chosen = logits.gather(1, targets.clamp(min=0)[:, None]).squeeze(1).float()
    return torch.where(targets < 0, 0.0, log_sums - chosen), log_sums


def cross_entropy_backward(
    logits: Tensor, targets: Tensor, log_sums: Tensor, grad_sum: Tensor
) -> Tensor:
    """The gradient of the summed losses, times the scalar `grad_sum`."""
    grad = (logits.float() - log_sums[:, None]).exp()
    rows = torch.arange(len(targets), device=targets.device)
    grad[rows, targets.clamp(min=0)] -= 1
    return (grad * torch.where(targets < 0, 0.0, grad_sum)[:, None]).to(logits.dtype)
