"""Training runs in processes of their own, of a size that can be killed often."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMALL = [
    *("--model_size", "tiny", "--window_tokens", "64", "--per_device_train_batch_size", "4"),
    *("--samples_per_epoch", "96", "--max_steps", "60", "--eval_steps", "5"),
    *("--logging_steps", "3"),
    *("--save_steps", "5", "--learning_rate", "1e-3", "--warmup", "5", "--use_cpu"),
    *("--per_device_eval_batch_size", "64"),
]
ON_GPU = [
    *("--model_size", "base", "--max_steps", "40", "--eval_steps", "10", "--logging_steps", "5"),
    *("--save_steps", "10", "--samples_per_epoch", "640", "--warmup", "5"),
    *("--full_determinism", "true"),
]
READY = re.compile(r"^training [\d,]+ parameters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How runs are started.

    Attributes:
        flags: of train_mlm.py, without output folder and workers.
        folder: for outputs and the prepared corpus.
        pause: a kill comes this many seconds after training begins, drawn between the two.
        worker_choices: numbers of loader workers to draw from.
        is_forked: start a run from a process that has imported all that it needs, instead of with
            a new interpreter, which takes 6 s of a core.
    """

    flags: list[str]
    folder: Path
    pause: tuple[float, float] = (0.0, 3.0)
    worker_choices: tuple[int, ...] = (0, 1, 2, 3)
    is_forked: bool = False

    @property
    def start_s(self) -> float:
        """Seconds from the start of a process to that of training, about."""
        return 2.0 if self.is_forked else 8.0

    def start(self, name: str, *, num_workers: int) -> Run:
        """Start training in the folder of that name."""
        flags = [*self.flags, "--cache_dir", str(self.folder / "cache")]
        flags += ["--output_dir", str(self.folder / name)]
        flags += ["--dataloader_num_workers", str(num_workers)]
        if self.is_forked:
            return ForkedRun(flags)
        command = [sys.executable, "-u", str(ROOT / "train_mlm.py"), *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )


class ForkedRun:
    """A process of its own that trains, with the part of `subprocess.Popen` that is used here."""

    def __init__(self, flags: list[str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["train_mlm"])
        self._output, into = context.Pipe(duplex=False)
        self._process = context.Process(target=_train, args=(flags, into))
        self._process.start()
        into.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.stdout = open(self._output.fileno(), encoding="utf-8", closefd=False)  # noqa: SIM115
        self._lock = threading.Lock()

    @property
    def returncode(self) -> int | None:
        """As of a process that was waited for."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the status when the process has ended."""
        if not multiprocessing.connection.wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired("train_mlm.py", timeout or 0.0)
        with self._lock:  # threads that read the status both would get halves of it
            self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def poll(self) -> int | None:
        """The status, None while the process runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self) -> tuple[str, None]:
        """The rest of the output, when the process has ended."""
        rest = self.stdout.read()
        self.wait()
        self.stdout.close()
        self._output.close()
        return rest, None

    def kill(self) -> None:
        """End the process, not its workers, with SIGKILL."""
        self._process.kill()


Run = subprocess.Popen[str] | ForkedRun


def _train(flags: list[str], output: Connection) -> None:
    os.setsid()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    import train_mlm

    # Loader workers are forked from a process that imports what the main program does.
    multiprocessing.set_forkserver_preload(["train_mlm"])
    sys.exit(train_mlm.main(flags))


def whole_run(setup: Setup, name: str, *, num_workers: int = 0) -> str:
    """Train without a disturbance and return the output."""
    process = setup.start(name, num_workers=num_workers)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the undisturbed run failed:\n{output}")
    return output
