"""Random numbers of several processes: each has its own, as each has its own windows."""

from __future__ import annotations

import struct
from hashlib import blake2b

from transformers import set_seed

__all__ = ["seed_process"]


def seed_process(seed: int, *, step: int, rank: int) -> None:
    """Seed this process so that dropout differs from process to process, and repeats.

    transformers seeds all processes alike, which would drop the same units in each. The step is in
    it so that a run that goes on with another number of processes does not start over.
    """
    digest = blake2b(struct.pack("<3q", seed, step, rank), digest_size=4).digest()
    set_seed(int.from_bytes(digest, "little"))
