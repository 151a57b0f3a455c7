"""Triton kernels for the parts of BERT that move memory: each reads and writes a tensor once.

A BERT layer is matrix products, attention, and three pieces in between. Done by separate
operations, those pieces move about twice the bytes they need (masks and fp32 copies are written
and read again, gradients of biases and norms are summed in passes of their own). Here each piece is
one kernel each way, with the bias gradients summed on the way. All arithmetic is in fp32; dropout
masks are drawn again from their seed in the backward pass and never stored.

`fused_reference` has the same functions in plain torch; tests hold the two together.
"""

from .activation import bias_gelu, bias_gelu_backward
from .dropout import dropout_keep_mask
from .embedding import embed, embed_backward
from .loss import cross_entropy, cross_entropy_backward
from .norms import dropout_add_norm, dropout_add_norm_backward
from .packing import pack_heads

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
