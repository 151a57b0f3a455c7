"""States of windows, computed once for a model and a corpus, kept in a folder.

A file's name is a hash of the weights, of all ids and windows, of what is seen, of the layers and
of the precision, so that a file is never stale; it may be copied to another machine.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..session_encoder import SessionEncoder
from .hidden_states import hidden_states
from .unit_states import NUM_EVENT_CLUSTERS, UnitStates, window_states
from .units import Sessions

__all__ = ["cached_window_states"]

_FORMAT: Final = "5"  # rises with each change of what a file holds
_BAG: Final = "bag_of_{}"
_ARRAYS: Final = ("sums", "counts", "squares", "paces")


def cached_window_states(
    encoder: SessionEncoder,
    sessions: Sessions,
    *,
    folder: Path | None,
    batch_size: int,
    seed: int = 0,
) -> UnitStates:
    """The states of the windows of `sessions`.

    Args:
        encoder: with the window length that the windows of `sessions` were cut to.
        sessions: all of them are encoded, in order.
        folder: where to look, and to write; None to do neither.
        batch_size: windows at once.
        seed: of the clusters.

    Raises:
        ValueError: the model's states are no finite numbers.
    """
    path = None if folder is None else folder / f"{_key(encoder, sessions, seed)}.npz"
    if path is not None and path.is_file():
        with np.load(path) as stored:
            return UnitStates(
                bags=tuple(stored[_BAG.format(k)] for k in NUM_EVENT_CLUSTERS),
                **{name: stored[name] for name in _ARRAYS},
            )
    states = hidden_states(encoder, sessions.windows, batch_size=batch_size)
    found = window_states(states, sessions, seed=seed)
    if path is None:
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    arrays: dict[str, Any] = {
        _BAG.format(k): bag for k, bag in zip(NUM_EVENT_CLUSTERS, found.bags, strict=True)
    }
    arrays |= {name: getattr(found, name) for name in _ARRAYS}
    with os.fdopen(descriptor, "wb") as file:
        np.savez(file, **arrays)
    Path(temporary).replace(path)
    return found


def _key(encoder: SessionEncoder, sessions: Sessions, seed: int) -> str:
    digest = hashlib.sha256(_FORMAT.encode())
    for name, tensor in sorted(encoder.model.bert.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(sessions.content.encode())
    digest.update(sessions.is_seen.tobytes())
    options = (encoder.window_ids, encoder.stride, encoder.layer_sets, encoder.precision, seed)
    digest.update(repr(options).encode())
    return digest.hexdigest()[:32]
