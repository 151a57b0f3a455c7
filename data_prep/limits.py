"""The caps on what is read from one file, so that a hostile one costs bounded time and memory."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["DEFAULT_LIMITS", "Limits"]

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps for one input file; a file beyond one of them is rejected and the others go on.

    Raises:
        ValueError: A cap is not positive.
    """

    max_file_bytes: int = 1024 * _MIB
    """Largest file that is opened, as it lies on the disk."""

    max_decompressed_bytes: int = 1024 * _MIB
    """Most bytes that one file may decompress to."""

    max_compression_ratio: int = 500
    """Most decompressed bytes for each compressed one. Recordings reach 50, a gzip bomb 1,028."""

    compression_ratio_floor_bytes: int = 16 * _MIB
    """Decompressed bytes below which the ratio does not count: short files are harmless."""

    max_sessions_per_file: int = 100_000
    """Most sessions that are taken out of one file."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"{field.name} must be positive, got {getattr(self, field.name)}")


DEFAULT_LIMITS = Limits()
