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
    """Largest text that is read as a whole: a JSON list or object."""

    max_container_bytes: int = 1 << 40
    """Largest file that is read piece by piece: JSON Lines, Parquet, SQLite, zip, tar."""

    max_session_bytes: int = 128 * _MIB
    """Largest session that is put together from lines, rows, segments or members, and most bytes of
    unfinished ones that are held at a time."""

    max_decompressed_bytes: int = 1024 * _MIB
    """Most bytes that one text may decompress to; all packed strings in it together as well."""

    max_compression_ratio: int = 500
    """Most decompressed bytes for each compressed one. Recordings reach 50, a gzip bomb 1,028."""

    compression_ratio_floor_bytes: int = 16 * _MIB
    """Decompressed bytes below which the ratio does not count: short files are harmless."""

    max_sessions_per_file: int = 1_000_000
    """Most sessions that are taken out of one file."""

    max_nesting_depth: int = 3
    """Most archives in one another: a zip in a tar in a zip."""

    max_members: int = 1_000_000
    """Most members of one archive."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"{field.name} must be positive, got {getattr(self, field.name)}")


DEFAULT_LIMITS = Limits()
