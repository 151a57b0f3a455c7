"""Which model and which tokenizer made a file of embeddings: hashes of what decides the vectors."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from data_prep.encoding import tokenizer_hashes
from rrweb_tokenizer import RRWebTokenizer

if TYPE_CHECKING:
    from ..session_encoder import SessionEncoder

__all__ = ["model_hash", "tokenizer_hash"]

_DECIDING: Final = (
    "hidden_act",
    "layer_norm_eps",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
)


def model_hash(encoder: SessionEncoder) -> str:
    """A hash of the encoder's weights, and of what its configuration does with them."""
    config = encoder.model.config
    digest = hashlib.sha256(json.dumps([str(getattr(config, n)) for n in _DECIDING]).encode())
    for name, weight in sorted(encoder.model.bert.state_dict().items()):
        values = weight.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def tokenizer_hash(tokenizer: RRWebTokenizer) -> str:
    """A hash of the files that decide the ids."""
    hashes = json.dumps(tokenizer_hashes(tokenizer), sort_keys=True)
    return hashlib.sha256(hashes.encode()).hexdigest()
