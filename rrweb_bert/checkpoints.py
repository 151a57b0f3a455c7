"""Which checkpoints an output folder holds, which one a run continues from, which may go.

| name | what |
|---|---|
| `checkpoint-<step>` | sealed (`seal.json`): written completely, on the disk |
| `_checkpoint-<step>.partial` | being written; left behind by a kill |
| `_checkpoint-<step>.removed` | being removed; the same |
| `checkpoints.json` | names the last and the best one |

The next start gives a left `.partial` its name where it is sealed already, and removes the others.

Pushes to the hub leave out names that begin with an underscore.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from data_prep.files import sync_folder

from .durable import write_atomically
from .options import UsageError
from .sealing import SEAL_FILE, problem_of

__all__ = [
    "FoundCheckpoint",
    "best_of",
    "choose_checkpoint",
    "find_checkpoints",
    "find_startable",
    "find_unnamed",
    "first_good",
    "give_name",
    "name_sealed",
    "partial_of",
    "place_of",
    "problem_of",
    "prune_checkpoints",
    "remove_checkpoint",
    "remove_leftovers",
    "write_overview",
]

OVERVIEW_FILE: Final = "checkpoints.json"
_NAME: Final = re.compile(r"checkpoint-(\d+)")
_PARTIAL: Final = re.compile(r"_(checkpoint-(\d+))\.partial")
_LEFTOVER: Final = re.compile(r"_checkpoint-\d+\.(partial|removed)")


class FoundCheckpoint(NamedTuple):
    """A checkpoint folder and the step in its name."""

    path: Path
    step: int

    @property
    def named_path(self) -> Path:
        """Where it lies once `name_sealed` has named it."""
        match = _PARTIAL.fullmatch(self.path.name)
        return self.path if match is None else self.path.with_name(match[1])


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
    found = find_startable(output_dir)
    chosen, notes, newest_whole = first_good(found, needs_best=needs_best)
    if chosen is not None or not found:
        return chosen, notes
    remedies = "Put back a whole copy of one, or"
    if newest_whole is not None:
        remedies = (
            "Put back a whole copy of the best; or continue without it, and end with the best of "
            f"what comes: --resume {newest_whole.named_path}; or"
        )
    listed = "\n  ".join(notes)
    raise UsageError(
        f"no checkpoint in {output_dir} is good:\n  {listed}\n"
        f"{remedies} give another --output_dir to start anew (with --model_name_or_path CHECKPOINT "
        "from its weights); to start over in this folder, remove its checkpoint folders"
    )


def first_good(
    found: Iterable[FoundCheckpoint], *, needs_best: bool
) -> tuple[FoundCheckpoint | None, list[str], FoundCheckpoint | None]:
    """The first checkpoint to continue from, a line for each before it, and the first whole one.

    A whole one whose best is lost is not good where the best is needed.
    """
    notes: list[str] = []
    whole: FoundCheckpoint | None = None
    for checkpoint in found:
        problem = problem_of(checkpoint.path)
        if problem is None:
            whole = whole or checkpoint
            problem = problem_of_best(checkpoint.path) if needs_best else None
        if problem is None:
            return checkpoint, notes, whole
        notes.append(f"{checkpoint.named_path} is passed over: {problem}")
    return None, notes, whole


def best_of(checkpoint: Path) -> Path | None:
    """The folder of the best checkpoint at the time of this one, None before any evaluation."""
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text())
    best = state.get("best_model_checkpoint")
    if best is None:
        return None
    if state.get("best_global_step") == state["global_step"]:
        return checkpoint  # whatever its name is now
    # The output folder may have moved since; the best one moved with it.
    return checkpoint.parent / Path(best).name


def problem_of_best(checkpoint: Path) -> str | None:
    """What is wrong with the best checkpoint that this one, a good one, names; None: nothing."""
    best = best_of(checkpoint)
    if best is None or best == checkpoint:
        return None
    place = place_of(best)
    problem = problem_of(place) if place.is_dir() else "it is missing"
    return None if problem is None else f"its best so far, {best.name}, is lost ({problem})"


def partial_of(output_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step is written before it gets its name."""
    return output_dir / f"_checkpoint-{step}.partial"


def set_aside(path: Path) -> Path:
    """Take a checkpoint's name from it in one step, and return where it is, to be removed."""
    removed = path.with_name(f"_{path.name}.removed")
    remove_tree(removed)
    return path.replace(removed)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint so that a kill leaves it whole or without its name, never in part."""
    remove_tree(set_aside(path))


def remove_tree(path: Path) -> None:
    """Remove a folder, or a link to one but not where it leads."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def give_name(partial: Path, final: Path) -> None:
    """Rename a sealed checkpoint; what has its name goes only once it has it.

    A kill in between costs neither: the sealed one is named by the next start.
    """
    is_repeated = final.exists() or final.is_symlink()
    before = set_aside(final) if is_repeated else None
    partial.replace(final)
    sync_folder(final.parent)
    if before is not None:
        remove_tree(before)


def name_sealed(output_dir: Path) -> list[str]:
    """Give their names to checkpoints that were sealed when a kill came, and return the names.

    A checkpoint whose step is repeated loses its name before the new one gets it; a kill before
    that or between the two must not cost both. One that has its name and is good stays as it is.
    """
    named = []
    for partial in find_unnamed(output_dir):
        give_name(partial.path, partial.named_path)
        named.append(partial.named_path.name)
    return named


def find_unnamed(output_dir: Path) -> list[FoundCheckpoint]:
    """The sealed checkpoints that `name_sealed` would give their names; changes nothing."""
    if not output_dir.is_dir():
        return []
    partials = ((path, _PARTIAL.fullmatch(path.name)) for path in sorted(output_dir.iterdir()))
    return [
        FoundCheckpoint(path, int(match[2]))
        for path, match in partials
        if match is not None and _is_to_be_named(path, output_dir / match[1], int(match[2]))
    ]


def find_startable(output_dir: Path) -> list[FoundCheckpoint]:
    """The checkpoints as they are once `name_sealed` has named what it would, newest step first.

    Changes nothing: one without its name is given where it lies.
    """
    unnamed = find_unnamed(output_dir)
    replaced = {checkpoint.named_path for checkpoint in unnamed}
    others = (each for each in find_checkpoints(output_dir) if each.path not in replaced)
    return sorted((*unnamed, *others), key=lambda checkpoint: checkpoint.step, reverse=True)


def place_of(final: Path) -> Path:
    """Where a checkpoint lies now whose name, once `name_sealed` was called, is `final`."""
    unnamed = find_unnamed(final.parent)
    return next((each.path for each in unnamed if each.named_path == final), final)


def _is_to_be_named(partial: Path, final: Path, step: int) -> bool:
    return (
        (partial / SEAL_FILE).is_file()
        and problem_of(partial, step=step) is None
        and not (final.exists() and problem_of(final) is None)
    )


def remove_leftovers(output_dir: Path) -> list[str]:
    """Remove what a killed run was writing or removing, and return the names."""
    if not output_dir.is_dir():
        return []
    leftovers = [p for p in sorted(output_dir.iterdir()) if _LEFTOVER.fullmatch(p.name)]
    for path in leftovers:
        remove_tree(path)
    return [path.name for path in leftovers]


def prune_checkpoints(output_dir: Path, *, limit: int | None, keep: set[str]) -> list[str]:
    """Remove the oldest checkpoints until `limit` are left; the names in `keep` stay.

    Args:
        output_dir: of the run.
        limit: None or less than 1 removes nothing.
        keep: the one that was sealed last, and the best.

    Returns:
        A line for each one that cannot be removed.
    """
    if limit is None or limit < 1:
        return []
    found = find_checkpoints(output_dir)
    others = [each.path for each in found if each.path.name not in keep]
    num_too_many = len(found) - max(limit, len(keep))
    # Those that a run would pass over are of no use; they go before the others.
    others.sort(key=_looks_usable, reverse=True)
    notes: list[str] = []
    for path in reversed(others):
        if num_too_many <= 0:
            break
        if not path.is_symlink():
            try:
                remove_checkpoint(path)
            except OSError as error:
                notes.append(f"{path} cannot be removed: {error.strerror}")
                continue
            num_too_many -= 1
    return notes


def _looks_usable(checkpoint: Path) -> bool:
    """Whether it and the best that it names have seals; nothing is hashed."""
    try:
        best = best_of(checkpoint)
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return False
    return all((path / SEAL_FILE).is_file() for path in (checkpoint, best or checkpoint))


def write_overview(output_dir: Path, *, last: str, best: str | None, metric: Any) -> None:
    """Write `checkpoints.json`: for people; a run reads the checkpoints themselves."""
    content = {"format": 1, "last": last, "best": best, "best_metric": metric}
    write_atomically(output_dir / OVERVIEW_FILE, json.dumps(content, indent=1) + "\n")
