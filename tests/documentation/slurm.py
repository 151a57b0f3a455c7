"""Slurm as far as pages use it: jobs run at once, and the time of a first turn is up early."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from documentation.running import with_more
from documentation.shell import Answer, Asked

from benchmarks.starting_runs import ForkedRun

_JOB = "42"


def train_apart(arguments: list[str], *, is_stopped: bool) -> Answer:
    """Train in a process of its own, which gets SIGTERM after some steps."""
    process = ForkedRun(arguments)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if is_stopped and line.startswith("step "):
            os.kill(process.pid, signal.SIGTERM)
            break
    lines.append(process.communicate()[0])
    assert process.returncode is not None
    return Answer(status=process.returncode, output="".join(lines))


class Slurm:
    """`sbatch`, `srun` and `scontrol` of one page.

    Attributes:
        printed: what each training printed that `srun` ran.
        num_turns: how often a job was started.
    """

    def __init__(self, more: Mapping[str, Sequence[str]]) -> None:
        self.printed: list[str] = []
        self.num_turns = 0
        self._more = more
        self._is_requeued = False
        self.programs = {"sbatch": self._sbatch, "srun": self._srun, "scontrol": self._scontrol}

    def _sbatch(self, asked: Asked, run: Callable[[str], str]) -> Answer:
        words = [word for word in asked.words[1:] if not re.match("--(parsable|dependency=)", word)]
        script = words[1] if words[0] == "--wrap" else Path(words[0]).read_text()
        array = re.search(r"^#SBATCH .*--array=(\d+)-(\d+)", script, re.MULTILINE)
        for task in range(int(array[1]), int(array[2]) + 1) if array else [0]:
            variables = f"export SLURM_JOB_ID={_JOB} SLURM_ARRAY_TASK_ID={task}\n"
            self._is_requeued = True
            while self._is_requeued:
                self._is_requeued = False
                self.num_turns += 1
                run(variables + script)
        # What a job prints goes to a file of its own.
        return Answer(status=0, output=f"{_JOB}\n" if "--parsable" in asked.words else "")

    def _srun(self, asked: Asked, run: Callable[[str], str]) -> Answer:
        words = with_more(asked.words[1:], self._more)
        assert words[:2] == ["python", "train_mlm.py"]
        answer = train_apart(words[2:], is_stopped=not self.printed)
        self.printed.append(answer.output)
        return answer

    def _scontrol(self, asked: Asked, run: Callable[[str], str]) -> Answer:
        assert asked.words[1:] == ["requeue", _JOB]
        self._is_requeued = True
        return Answer(status=0, output="")
