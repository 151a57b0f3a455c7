"""Several processes: each has random numbers of its own, and leaves the group when it is done."""

from __future__ import annotations

import struct
from hashlib import blake2b

from torch import distributed
from transformers import set_seed

__all__ = ["leave_group", "seed_process"]


def seed_process(seed: int, *, step: int, rank: int) -> None:
    """Seed this process so that dropout differs from process to process, and repeats.

    transformers seeds all processes alike, which would drop the same units in each. The step is in
    it so that a run that goes on with another number of processes does not start over.
    """
    digest = blake2b(struct.pack("<3q", seed, step, rank), digest_size=4).digest()
    set_seed(int.from_bytes(digest, "little"))


def leave_group() -> None:
    """Close the connections to the other processes, which NCCL wants before a process ends.

    Only where all went well: of a group that one process has left by an error the others cannot
    take leave.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
