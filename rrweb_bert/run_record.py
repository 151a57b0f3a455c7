"""`run.json`: what a run is, so that only the same run continues in its folder.

A different corpus, tokenizer or training argument would bend the curve in silence; the record
refuses it and names the difference. What does not change the curve (workers, logging, how often to
save) may change freely.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .durable import write_atomically
from .options import UsageError

__all__ = ["RECORD_FILE", "Origin", "RunRecord", "refuse_other_run"]

RECORD_FILE: Final = "run.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A checkpoint that `--resume` named and the run went on from."""

    path: str
    """Where it lay."""

    seal: str
    """The hash of its seal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What makes a run this run.

    Attributes:
        identity: flag or fact -> value that JSON can hold.
        spoken: the same names -> what the user gave, where that is not the value itself.
        is_finished: the results are written.
        origins: the checkpoints that were named on the way here, oldest first.
    """

    identity: dict[str, Any]
    spoken: dict[str, str] = field(default_factory=dict)
    is_finished: bool = False
    origins: tuple[Origin, ...] = ()

    def save(self, output_dir: Path) -> None:
        """Write `run.json`, replacing the old one in one step."""
        content = {
            "format": _FORMAT,
            "finished": self.is_finished,
            "identity": self.identity,
            "spoken": self.spoken,
            "origins": [asdict(origin) for origin in self.origins],
        }
        write_atomically(
            output_dir / RECORD_FILE, json.dumps(content, indent=2, sort_keys=True) + "\n"
        )

    @classmethod
    def load(cls, output_dir: Path) -> RunRecord | None:
        """The record in a folder, None where there is none.

        Raises:
            UsageError: the file is not one of ours.
        """
        path = output_dir / RECORD_FILE
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text())
            if content["format"] != _FORMAT:
                raise UsageError(f"{path} has format {content['format']}, this program {_FORMAT}")
            record = cls(
                identity=content["identity"],
                spoken=content.get("spoken", {}),
                is_finished=content["finished"],
                origins=tuple(Origin(**origin) for origin in content.get("origins", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} is damaged ({error}). Remove it: each checkpoint carries a copy, and the "
                "same command continues"
            ) from error
        return record

    def differences(self, other: RunRecord) -> list[str]:
        """One line for each value in which `other` (the present command) differs from this."""
        names = sorted(self.identity.keys() | other.identity.keys())
        return [
            f"{name} was {self._say(name)}, is {other._say(name)}"
            for name in names
            if self.identity.get(name) != other.identity.get(name)
        ]

    def _say(self, name: str) -> str:
        return self.spoken.get(name, repr(self.identity.get(name)))


def refuse_other_run(folder: Path, record: RunRecord) -> RunRecord | None:
    """The earlier record of the same run in `folder`, None where there is none.

    Args:
        folder: an output folder, or a checkpoint.
        record: of the present command.

    Raises:
        UsageError: the folder belongs to another run; the message names the differences.
    """
    earlier = RunRecord.load(folder)
    if earlier is None:
        return None
    differences = earlier.differences(record)
    if differences:
        listed = "\n  ".join(differences)
        raise UsageError(
            f"{folder} holds another run:\n  {listed}\n"
            "Give the old values to continue it, or another --output_dir to start a new run"
        )
    return earlier
