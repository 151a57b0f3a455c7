"""Where a run would begin, as a dry run tells it: finished, refused, anew, or after some step."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rrweb_tokenizer.telling.wording import counted

from .checkpoints import find_startable, find_unnamed
from .options import UsageError
from .resuming import check_folder, check_resume, find_start
from .run_record import RunRecord
from .training_arguments import RRWebTrainingArguments

__all__ = ["StartPlan", "start_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """Where a run would begin.

    Attributes:
        lines: what is told of it.
        steps_left: to be done; all of them where the run would be refused.
        is_finished: the run has its results.
        is_refused: it would not start.
    """

    lines: tuple[str, ...]
    steps_left: int
    is_finished: bool = False
    is_refused: bool = False


def start_of(
    output_dir: Path,
    record: RunRecord | None,
    training: RRWebTrainingArguments,
    *,
    num_steps: int,
) -> StartPlan:
    """What the output folder and `--resume` make of a run.

    Args:
        output_dir: of the run.
        record: of the present command; None where that needs recordings that are not prepared yet.
        training: its arguments.
        num_steps: of the whole run.
    """
    try:
        _check_place(output_dir)
        check_resume(output_dir, training.resume)
        if record is None:
            return StartPlan(lines=(_unknown(output_dir),), steps_left=num_steps)
        check_folder(output_dir, record, training.resume)
        found = RunRecord.load(output_dir)
        if found is not None and found.is_finished:
            return _finished(output_dir, is_pushed=training.push_to_hub)
        notes = [
            f"note: {each.path} was sealed when the run was stopped; the start names it "
            f"{each.named_path.name}"
            for each in find_unnamed(output_dir)
        ]
        start = find_start(
            output_dir,
            record,
            training.resume,
            needs_best=training.load_best_model_at_end,
            report=notes.append,
        )
    except UsageError as refusal:
        told = f"REFUSED: {refusal}".splitlines()
        last = "what follows is the plan of the same run in a folder of its own"
        return StartPlan(lines=(*told, last), steps_left=num_steps, is_refused=True)
    if start is None:
        return StartPlan(lines=("at the beginning",), steps_left=num_steps)
    notes.pop()  # that it continues, which the line below says
    left = num_steps - start.step
    line = f"after step {start.step:,}, from {start.named_path}; "
    line += f"{counted(left, 'step')} left" if left else "all steps are done, the results are left"
    return StartPlan(lines=(*notes, line), steps_left=left)


def _check_place(output_dir: Path) -> None:
    """See, writing nothing, that the folder can be made where it is not there, and written."""
    above = next(path for path in (output_dir, *output_dir.parents) if os.path.exists(path))  # noqa: PTH110 - below a file Path.exists raises
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"--output_dir {output_dir} cannot be written: {above} stands in its way")


def _finished(output_dir: Path, *, is_pushed: bool) -> StartPlan:
    lines = (
        f"this run is finished: the best model is in {output_dir}",
        "the same command would only push it" if is_pushed else "the same command does nothing",
        "for another one, and for its plan, give another --output_dir; to go on from these "
        f"weights there, add --model_name_or_path {output_dir}",
    )
    return StartPlan(lines=lines, steps_left=0, is_finished=True)


def _unknown(output_dir: Path) -> str:
    found = RunRecord.load(output_dir)
    if found is None and not find_startable(output_dir):
        return "at the beginning"
    what = "a finished run" if found is not None and found.is_finished else "a run"
    return (
        f"{output_dir} holds {what}; whether it is the same shows when the recordings are prepared "
        "(another one is refused). What follows is the plan of a whole run"
    )
