"""Slurm as far as pages use it: jobs run at once, and the time of a first turn is up early."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from documentation.blocks import ROOT
from documentation.running import with_more
from documentation.shell import Answer, Asked

_JOB = "42"


class Slurm:
    """`sbatch`, `srun` and `scontrol` of one page.

    Attributes:
        printed: what each training printed that `srun` ran.
    """

    def __init__(self, more: Mapping[str, Sequence[str]]) -> None:
        self.printed: list[str] = []
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
                run(variables + script)
        # What a job prints goes to a file of its own.
        return Answer(status=0, output=f"{_JOB}\n" if "--parsable" in asked.words else "")

    def _srun(self, asked: Asked, run: Callable[[str], str]) -> Answer:
        """Train in a process of its own; the first one gets SIGTERM after some steps."""
        words = with_more(asked.words[1:], self._more)
        assert words[0] == "python"
        process = subprocess.Popen(
            [sys.executable, "-u", str(ROOT / words[1]), *words[2:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=asked.environment,
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("step ") and not self.printed:
                process.send_signal(signal.SIGTERM)
                break
        lines.append(process.communicate()[0])
        self.printed.append("".join(lines))
        return Answer(status=process.returncode, output=self.printed[-1])

    def _scontrol(self, asked: Asked, run: Callable[[str], str]) -> Answer:
        assert asked.words[1:] == ["requeue", _JOB]
        self._is_requeued = True
        return Answer(status=0, output="")
