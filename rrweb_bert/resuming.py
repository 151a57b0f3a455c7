"""Where a run goes on: from `--resume` and the output folder to a checkpoint, or a refusal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import BaseFileLock, FileLock, Timeout

from .callbacks import say
from .checkpoints import (
    FoundCheckpoint,
    choose_checkpoint,
    find_startable,
    first_good,
    name_sealed,
    place_of,
    problem_of,
)
from .options import UsageError
from .run_record import RECORD_FILE, Origin, RunRecord, refuse_other_run
from .sealing import read_seal, seal_hash

__all__ = ["check_folder", "check_resume", "find_start", "held", "origins_of", "recover"]

LOCK_FILE: Final = "_run.lock"
# Loader workers of a killed run hold its lock until they notice, within 5 seconds.
_PATIENCE_S: Final = 20.0


@contextmanager
def held(output_dir: Path) -> Iterator[None]:
    """Keep the folder to this process: two runs in one would damage each other's checkpoints.

    Where nothing is written into it, nothing of it is left.

    Raises:
        UsageError: another process trains there, or nothing can be written there.
    """
    missing = [path for path in (output_dir, *output_dir.parents) if not path.exists()]
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(output_dir / LOCK_FILE)
        _acquire(lock, output_dir)
    except Timeout:
        raise UsageError(
            f"another process is training in {output_dir}. Wait for it or stop it, or give another "
            "--output_dir"
        ) from None
    except NotImplementedError:
        raise UsageError(
            f"--output_dir {output_dir} is on a file system without locks; give one on another"
        ) from None
    except OSError as error:
        raise UsageError(f"--output_dir {output_dir} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        _remove_if_empty(output_dir, missing)
        lock.release()


def _acquire(lock: BaseFileLock, output_dir: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process holds {output_dir}: waiting {_PATIENCE_S:g} seconds for its end")
        lock.acquire(timeout=_PATIENCE_S)


def _remove_if_empty(output_dir: Path, made: Iterable[Path]) -> None:
    """Remove a lock that is alone in its folder, and the folders that were made for it."""
    with suppress(OSError):  # not empty, or another process was quicker; no harm is done
        if [path.name for path in output_dir.iterdir()] == [LOCK_FILE]:
            (output_dir / LOCK_FILE).unlink()
            for path in made:
                path.rmdir()


def check_resume(output_dir: Path, resume: str) -> None:
    """Refuse what `--resume` alone tells to be impossible, before any work is done.

    Raises:
        UsageError: it names no checkpoint to go on from, or is "never" and the folder holds a run.
    """
    if resume == "never":
        _refuse_any_run(output_dir)
    elif resume != "auto":
        record = RunRecord.load(output_dir)
        is_finished = record is not None and record.is_finished
        if not is_finished and not _descendants(output_dir, Path(resume).resolve()):
            _named_checkpoint(output_dir, resume)


def _named_checkpoint(output_dir: Path, resume: str) -> FoundCheckpoint:
    named = _place_in(output_dir, Path(resume).resolve())
    if not os.path.exists(named):  # noqa: PTH110 - Path.exists raises for overlong names
        problem: str | None = "there is no such folder"
    else:
        problem = problem_of(named) if named.is_dir() else "it is a file"
    if problem is not None:
        raise UsageError(
            f"--resume {resume}: {problem}. Give a checkpoint-<step> folder that train_mlm.py "
            "wrote, or leave --resume out to go on from the newest one in --output_dir"
        )
    return FoundCheckpoint(named, read_seal(named).step)


def _place_in(output_dir: Path, named: Path) -> Path:
    """Where a named checkpoint lies before `recover`, which names those of `output_dir` alone."""
    return place_of(named) if named.parent == output_dir.resolve() else named


def check_folder(output_dir: Path, record: RunRecord, resume: str) -> None:
    """Refuse a folder that is another run's, or any run's with `--resume never`.

    Raises:
        UsageError: it is; the message names the differences.
    """
    if resume == "never":
        _refuse_any_run(output_dir)
        return
    refuse_other_run(output_dir, record)


def _refuse_any_run(output_dir: Path) -> None:
    found = find_startable(output_dir)
    if found:
        raise UsageError(
            f"--resume never, but {output_dir} holds {found[0].path.name}. Give another "
            "--output_dir, or remove that folder"
        )
    earlier = RunRecord.load(output_dir)
    if earlier is not None and earlier.is_finished:
        raise UsageError(
            f"--resume never, but {output_dir} holds a finished run. Give another --output_dir"
        )


def recover(output_dir: Path) -> None:
    """Complete what a kill left undone of sealed checkpoints, before one is looked for."""
    for name in name_sealed(output_dir):
        say(f"note: {output_dir / name} was sealed when the run was stopped; it has its name now")


def find_start(
    output_dir: Path,
    record: RunRecord,
    resume: str,
    *,
    needs_best: bool,
    report: Callable[[str], None] = say,
) -> FoundCheckpoint | None:
    """The checkpoint that the run goes on from, None for the beginning.

    A named one is where the run goes on once; the same command again goes on from the newest that
    descends from it. One that `recover` would name is found before that, too. Reports damaged
    checkpoints, which are passed over. Its cost does not grow with the steps done.

    Args:
        output_dir: of the run.
        record: of the present command.
        resume: "auto", "never" or a checkpoint folder.
        needs_best: the run ends with its best model.
        report: takes a line for each one that is passed over, and last one for the one found.

    Raises:
        UsageError: the checkpoint is another run's, or none can be continued.
    """
    if resume == "never":
        return None
    if resume == "auto":
        found, notes = choose_checkpoint(output_dir, needs_best=needs_best)
    else:
        children = _descendants(output_dir, Path(resume).resolve())
        found, notes, _ = first_good(children, needs_best=needs_best)
    for note in notes:
        report(f"note: {note}")
    if found is None:
        if resume == "auto":
            return None
        found = _named_checkpoint(output_dir, resume)
    if refuse_other_run(found.path, record) is None:
        raise UsageError(
            f"{found.path} has no {RECORD_FILE}, so whether it is of this run cannot be told. Give "
            "another --output_dir; to start from its weights, add --model_name_or_path CHECKPOINT"
        )
    report(f"continuing after step {found.step}, from {found.named_path}")
    return found


def _descendants(output_dir: Path, named: Path) -> list[FoundCheckpoint]:
    """The checkpoints in `output_dir` of a run that went on from the named one, newest first."""
    seal = seal_hash(_place_in(output_dir, named))

    def descends(checkpoint: FoundCheckpoint) -> bool:
        try:
            record = RunRecord.load(checkpoint.path)
        except UsageError:  # a damaged file
            return False
        # One that is gone is known by its place.
        return record is not None and any(
            origin.path == str(named) if seal is None else origin.seal == seal
            for origin in record.origins
        )

    return [checkpoint for checkpoint in find_startable(output_dir) if descends(checkpoint)]


def origins_of(start: FoundCheckpoint | None, resume: str) -> tuple[Origin, ...]:
    """The checkpoints that were named on the way to where the run goes on now.

    Args:
        start: what `find_start` returned.
        resume: as it was given to it.
    """
    if start is None:
        return ()
    record = RunRecord.load(start.path)
    earlier = () if record is None else record.origins
    seal = seal_hash(start.path)
    if resume in ("auto", "never") or Path(resume).resolve() != start.path or seal is None:
        return earlier
    return (*earlier, Origin(path=str(start.path), seal=seal))
