"""`run.json`: what a run is, so that only the same run continues in its folder.

A different corpus, tokenizer or training argument would bend the curve in silence; the record
refuses it and names the difference. What does not change the curve (workers, logging, how often to
save) may change freely.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .arguments import UsageError
from .checkpoints import find_checkpoints

__all__ = ["RunRecord", "refuse_other_run", "write_atomically"]

_FILE: Final = "run.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What makes a run this run: flag or fact -> value that JSON can hold."""

    identity: dict[str, Any]
    is_finished: bool = False

    def save(self, output_dir: Path) -> None:
        """Write `run.json`, replacing the old one in one step."""
        content = {"format": _FORMAT, "finished": self.is_finished, "identity": self.identity}
        write_atomically(output_dir / _FILE, json.dumps(content, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, output_dir: Path) -> RunRecord | None:
        """The record in a folder, None where there is none.

        Raises:
            UsageError: the file is not one of ours.
        """
        path = output_dir / _FILE
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            if content["format"] != _FORMAT:
                raise UsageError(f"{path} has format {content['format']}, this program {_FORMAT}")
            return cls(identity=content["identity"], is_finished=content["finished"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} is damaged ({error}). Give another --output_dir, or remove that file to "
                "start anew beside the old checkpoints"
            ) from error

    def differences(self, other: RunRecord) -> list[str]:
        """One line for each value in which `other` (the present command) differs from this."""
        names = sorted(self.identity.keys() | other.identity.keys())
        return [
            f"{name} was {self.identity.get(name)!r}, is {other.identity.get(name)!r}"
            for name in names
            if self.identity.get(name) != other.identity.get(name)
        ]


def refuse_other_run(output_dir: Path, record: RunRecord) -> RunRecord | None:
    """The earlier record of the same run in `output_dir`, None for a fresh folder.

    Raises:
        UsageError: the folder belongs to another run; the message names the differences.
    """
    earlier = RunRecord.load(output_dir)
    if earlier is None:
        if find_checkpoints(output_dir):
            raise UsageError(
                f"{output_dir} holds checkpoints of a run without {_FILE}, which cannot be "
                "continued exactly. Give another --output_dir; to start from its weights, add "
                "--model_name_or_path CHECKPOINT"
            )
        return None
    differences = earlier.differences(record)
    if differences:
        listed = "\n  ".join(differences)
        raise UsageError(
            f"{output_dir} holds another run:\n  {listed}\n"
            "Give the old values to continue it, or another --output_dir to start a new run"
        )
    return earlier


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, and a crash, sees the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
