"""One tokenised session, and its columns in an Arrow shard.

Letters in shapes: n ids of a session, k keyframes of a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["SCHEMA", "SPLITS", "SessionRow"]

SPLITS: Final = ("train", "validation", "test")

SCHEMA: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("group", pa.string()),
        pa.field("split", pa.string()),
        pa.field("ids", pa.large_list(pa.uint16())),
        pa.field("keyframes", pa.large_list(pa.uint32())),
        pa.field("start_ms", pa.float64()),
        pa.field("end_ms", pa.float64()),
        pa.field("num_events", pa.uint32()),
        pa.field("sha256", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One tokenised session, as a shard stores it.

    Raises:
        ValueError: Ids or keyframes break what is promised of them below.
    """

    session_id: str
    """Stable name: the path below the input folder, without suffixes."""

    group: str
    """What the split must not tear apart; a hash where it names a person."""

    split: str
    """One of SPLITS."""

    ids: npt.NDArray[np.uint16]
    """(n,) uint16, n >= 1, without [CLS] and [SEP]."""

    keyframes: npt.NDArray[np.uint32]
    """(k,) uint32, increasing offsets into `ids` at which a window may start; the first is 0."""

    start_ms: float
    """Time of the earliest event, milliseconds since 1970."""

    end_ms: float
    """Time of the latest event, milliseconds since 1970."""

    num_events: int
    """Number of events that were encoded."""

    sha256: str
    """Hash of the session's bytes after decompression."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"{self.session_id}: split must be one of {SPLITS}")
        if self.ids.dtype != np.uint16 or len(self.ids) == 0:
            raise ValueError(f"{self.session_id}: ids must be uint16 and not empty")
        if len(self.keyframes) == 0 or self.keyframes[0] != 0:
            raise ValueError(f"{self.session_id}: the first keyframe must be 0")
        if self.keyframes[-1] >= len(self.ids):
            raise ValueError(f"{self.session_id}: a keyframe lies beyond the ids")
