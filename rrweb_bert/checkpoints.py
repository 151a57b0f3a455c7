"""Which checkpoints an output folder holds, which one a run continues from, which may go.

| name | what |
|---|---|
| `checkpoint-<step>` | sealed (`seal.json`): written completely, on the disk |
| `_checkpoint-<step>.partial` | being written; left behind by a kill, removed by the next start |
| `_checkpoint-<step>.removed` | being removed; the same |
| `checkpoints.json` | names the last and the best one |

Pushes to the hub leave out names that begin with an underscore.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final, NamedTuple

from .durable import write_atomically
from .options import UsageError
from .sealing import SEAL_FILE, problem_of

__all__ = [
    "FoundCheckpoint",
    "best_of",
    "choose_checkpoint",
    "find_checkpoints",
    "partial_of",
    "problem_of",
    "prune_checkpoints",
    "remove_checkpoint",
    "remove_leftovers",
    "write_overview",
]

OVERVIEW_FILE: Final = "checkpoints.json"
_NAME: Final = re.compile(r"checkpoint-(\d+)")
_LEFTOVER: Final = re.compile(r"_checkpoint-\d+\.(partial|removed)")


class FoundCheckpoint(NamedTuple):
    """A checkpoint folder and the step in its name."""

    path: Path
    step: int


def find_checkpoints(output_dir: Path) -> list[FoundCheckpoint]:
    """The `checkpoint-<step>` folders of `output_dir`, whole or not, newest step first."""
    if not output_dir.is_dir():
        return []
    matches = ((path, _NAME.fullmatch(path.name)) for path in output_dir.iterdir())
    found = [
        FoundCheckpoint(path, int(match[1]))
        for path, match in matches
        if match is not None and path.is_dir()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint.step, reverse=True)


def choose_checkpoint(
    output_dir: Path, *, needs_best: bool
) -> tuple[FoundCheckpoint | None, list[str]]:
    """The newest checkpoint to continue from, and a line for each one passed over.

    Args:
        output_dir: of the run.
        needs_best: the run ends with its best model, so a checkpoint whose best is lost is passed
            over too: an older one finds the best again.

    Raises:
        UsageError: there are checkpoints and none is good; starting over would hide the loss.
    """
    notes: list[str] = []
    found = find_checkpoints(output_dir)
    for checkpoint in found:
        problem = problem_of(checkpoint.path)
        if problem is None and needs_best:
            problem = problem_of_best(checkpoint.path)
        if problem is None:
            return checkpoint, notes
        notes.append(f"{checkpoint.path} is passed over: {problem}")
    if not found:
        return None, notes
    listed = "\n  ".join(notes)
    raise UsageError(
        f"no checkpoint in {output_dir} is good:\n  {listed}\n"
        "Put back a whole copy of one, or give another --output_dir to start anew (with "
        "--model_name_or_path CHECKPOINT from its weights); to start over in this folder, remove "
        "its checkpoint folders"
    )


def best_of(checkpoint: Path) -> Path | None:
    """The folder of the best checkpoint at the time of this one, None before any evaluation."""
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text())
    best = state.get("best_model_checkpoint")
    # The output folder may have moved since; the best one moved with it.
    return None if best is None else checkpoint.parent / Path(best).name


def problem_of_best(checkpoint: Path) -> str | None:
    """What is wrong with the best checkpoint that this one, a good one, names; None: nothing."""
    best = best_of(checkpoint)
    if best is None or best == checkpoint:
        return None
    problem = problem_of(best) if best.is_dir() else "it is missing"
    return None if problem is None else f"its best so far, {best.name}, is lost ({problem})"


def partial_of(output_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step is written before it gets its name."""
    return output_dir / f"_checkpoint-{step}.partial"


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint so that a kill leaves it whole or without its name, never in part."""
    removed = path.with_name(f"_{path.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    path.replace(removed)
    shutil.rmtree(removed, ignore_errors=True)


def remove_leftovers(output_dir: Path) -> list[str]:
    """Remove what a killed run was writing or removing, and return the names."""
    if not output_dir.is_dir():
        return []
    leftovers = [p for p in sorted(output_dir.iterdir()) if _LEFTOVER.fullmatch(p.name)]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in leftovers]


def prune_checkpoints(output_dir: Path, *, limit: int | None, keep: set[str]) -> None:
    """Remove the oldest checkpoints until `limit` are left; the names in `keep` stay.

    Args:
        output_dir: of the run.
        limit: None or less than 1 removes nothing.
        keep: the one that was sealed last, and the best.
    """
    if limit is None or limit < 1:
        return
    found = find_checkpoints(output_dir)
    others = [each.path for each in found if each.path.name not in keep]
    num_too_many = len(found) - max(limit, len(keep))
    # Folders without a seal are of no use; they go before whole ones.
    others.sort(key=lambda path: (path / SEAL_FILE).is_file(), reverse=True)
    for path in reversed(others):
        if num_too_many <= 0:
            return
        if not path.is_symlink():
            remove_checkpoint(path)
            num_too_many -= 1


def write_overview(output_dir: Path, *, last: str, best: str | None, metric: Any) -> None:
    """Write `checkpoints.json`: for people; a run reads the checkpoints themselves."""
    content = {"format": 1, "last": last, "best": best, "best_metric": metric}
    write_atomically(output_dir / OVERVIEW_FILE, json.dumps(content, indent=1) + "\n")
