"""Pooled sums of windows, computed once for a model and a corpus, kept in a folder.

A file's name is a hash of the weights, of all ids and windows, of the layers and of the precision,
so that a file is never stale; it may be copied to another machine.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from rrweb_tokenizer import RRWebTokenizer

from ..modeling_rrweb_bert import RRWebBertForMaskedLM
from ..session_encoder import Precision, SessionEncoder
from .units import Sessions

__all__ = ["LAYER_SETS", "cached_sums", "comparing_encoder", "untrained_encoder"]

LAYER_SETS: Final = ("embeddings", "last layer", "mean of layers")
"""What the L of the sums are."""

_FORMAT: Final = "4"  # rises with each change of what a file holds


def comparing_encoder(
    name_or_path: str, *, window_ids: int, device: str, precision: Precision
) -> SessionEncoder:
    """The encoder of a model that gives the states named in `LAYER_SETS`.

    Raises:
        ValueError: as `SessionEncoder.from_pretrained`.
    """
    plain = SessionEncoder.from_pretrained(
        name_or_path, device, precision=precision, window_ids=window_ids
    )
    return _comparing(plain.model, plain)


def untrained_encoder(like: SessionEncoder, seed: int) -> SessionEncoder:
    """An encoder of the same shape with the weights that training from `seed` starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RRWebBertForMaskedLM(like.model.config)
    return _comparing(model, like)


def _comparing(model: RRWebBertForMaskedLM, like: SessionEncoder) -> SessionEncoder:
    tokenizer: RRWebTokenizer = like.tokenizer
    encoder = SessionEncoder(
        model,
        tokenizer,
        device=like.device,
        precision=like.precision,
        window_ids=like.window_ids,
    )
    last = model.config.num_hidden_layers
    encoder.layer_sets = ((0,), (last,), tuple(range(1, last + 1)))
    return encoder


def cached_sums(
    encoder: SessionEncoder, sessions: Sessions, *, folder: Path | None, batch_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Sums (w, L, P, H) float32 and counts (w, P) int64 of the windows of `sessions`.

    Args:
        encoder: with the window length that the windows of `sessions` were cut to.
        sessions: all of them are encoded, in order.
        folder: where to look, and to write; None to do neither.
        batch_size: windows at once.

    Raises:
        ValueError: the encoder cuts other windows.
    """
    path = None if folder is None else folder / f"{_key(encoder, sessions)}.npz"
    if path is not None and path.is_file():
        with np.load(path) as stored:
            return stored["sums"], stored["counts"]
    found = encoder.window_sums(list(sessions.rows), batch_size=batch_size, show_progress=True)
    if len(found.sums) != len(sessions.windows):
        raise ValueError("the encoder's windows are not those of the sessions")
    if path is None:
        return found.sums, found.counts
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(descriptor, "wb") as file:
        np.savez(file, sums=found.sums, counts=found.counts)
    Path(name).replace(path)
    return found.sums, found.counts


def _key(encoder: SessionEncoder, sessions: Sessions) -> str:
    digest = hashlib.sha256(_FORMAT.encode())
    for name, tensor in sorted(encoder.model.bert.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(sessions.content.encode())
    options = (encoder.window_ids, encoder.stride, encoder.layer_sets, encoder.precision)
    digest.update(repr(options).encode())
    return digest.hexdigest()[:32]
