"""Which checkpoints an output folder holds, and which of them are whole."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

from safetensors import SafetensorError, safe_open

__all__ = ["FoundCheckpoint", "find_checkpoints", "problem_of"]

_NAME: Final = re.compile(r"checkpoint-(\d+)")
_TORCH_FILES: Final = ("optimizer.pt", "scheduler.pt")


class FoundCheckpoint(NamedTuple):
    """A checkpoint folder, the step in its name, and what is wrong with it (None: nothing)."""

    path: Path
    step: int
    problem: str | None


def find_checkpoints(output_dir: Path) -> list[FoundCheckpoint]:
    """The `checkpoint-<step>` folders of `output_dir`, newest step first."""
    if not output_dir.is_dir():
        return []
    matches = ((path, _NAME.fullmatch(path.name)) for path in output_dir.iterdir())
    found = [
        FoundCheckpoint(path, int(match[1]), problem_of(path))
        for path, match in matches
        if match is not None and path.is_dir()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint.step, reverse=True)


def problem_of(checkpoint: Path) -> str | None:
    """What keeps a run from continuing exactly from here, or None.

    Finds missing and cut-off files, as a killed process or a full disk leaves them.
    """
    try:
        with safe_open(checkpoint / "model.safetensors", framework="pt"):
            json.loads((checkpoint / "config.json").read_text())
            json.loads((checkpoint / "trainer_state.json").read_text())
    except FileNotFoundError as error:
        return f"{Path(error.filename or checkpoint / 'model.safetensors').name} is missing"
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError) as error:
        return f"a file is damaged ({error})"
    random_states = sorted(path.name for path in checkpoint.glob("rng_state*.pth"))
    for name in (*_TORCH_FILES, *(random_states or ["rng_state.pth"])):
        if not (checkpoint / name).is_file():
            return f"{name} is missing"
        if not zipfile.is_zipfile(checkpoint / name):
            return f"{name} is damaged"
    return None
