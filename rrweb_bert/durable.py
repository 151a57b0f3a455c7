"""Small files that a crash or a full disk leaves in their old form or their new one."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, and a crash, sees the old or the new one, never a part.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    # Pushes to the hub, which run beside training, leave out names that begin with an underscore.
    temporary = path.with_name(f"_{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
