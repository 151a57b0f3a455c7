"""Training with 1, 2, 4, ... processes: tokens/s, efficiency, memory, and the same losses.

python benchmarks/scaling.py CORPUS                          as many processes as there are GPUs
python benchmarks/scaling.py CORPUS --processes 1 2 4 8      these; also 1 on a machine with one GPU
python benchmarks/scaling.py CORPUS --use_cpu --processes 1 2 --size tiny --window 256 --batch 4
python benchmarks/scaling.py CORPUS --resume 4 8             saved by 4 processes, continued by 8
python benchmarks/scaling.py CORPUS --processes 1 2 --hosts 2 --only_equality   two on one GPU

Two questions, two kinds of runs of train_mlm.py under torchrun (0 processes: plain `python`):

- weak scaling: each process has --batch windows a step. tokens/s are the median of the log lines
  after the first two (kernels are built and caches filled in them); efficiency is tokens/s over
  those of one process times the number of processes.
- equality: --global_batch windows a step in all, whatever the number of processes, no dropout (each
  process draws its own) and fp32, unless --precision says otherwise. The largest relative
  difference of the losses from those of one process is printed.

NVLink multicast is off (NCCL_NVLS_ENABLE=0): not every virtual machine allows it. Memory is that of
the first process. On a CPU processes share the cores, so efficiency there says nothing of GPUs;
losses do. With --hosts the processes come from so many launchers, as on so many hosts: each has its
own first GPU, which on one machine is the same one. NCCL takes the launchers for hosts, too, and
talks through sockets, so that several processes can be tried on a single GPU: their losses, not
their speed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run left in its history."""

    losses: list[float]
    eval_losses: list[float]
    tokens_per_second: float
    peak_gib: float | None
    seconds: float


def main() -> int:
    """Run what was asked for and print two tables."""
    arguments = _arguments()
    processes = arguments.processes or _powers_up_to(_num_gpus())
    with tempfile.TemporaryDirectory(dir=arguments.work_dir) as folder:
        work = Path(folder)
        if arguments.resume:
            return resumed(arguments, work, *arguments.resume)
        if not arguments.only_equality:
            print_speed(arguments, work, processes)
        if not arguments.only_speed:
            print_equality(arguments, work, processes)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="folder that `data_prep prepare` wrote")
    parser.add_argument("--processes", type=int, nargs="+", help="numbers of processes; 0: plain")
    parser.add_argument("--hosts", type=int, default=1, help="launchers that share the processes")
    parser.add_argument("--size", default="base", help="--model_size")
    parser.add_argument("--window", type=int, default=2048, help="ids in a window")
    parser.add_argument("--batch", type=int, default=32, help="windows a process and step")
    parser.add_argument(
        "--global_batch", type=int, help="of the equality runs; batch x 1 if not given"
    )
    parser.add_argument("--steps", type=int, default=60, help="steps of a speed run")
    parser.add_argument("--equality_steps", type=int, default=20, help="steps of an equality run")
    parser.add_argument("--precision", default="fp32", help="of the equality runs")
    parser.add_argument("--use_cpu", action="store_true", help="gloo on the CPU")
    parser.add_argument("--only_speed", action="store_true")
    parser.add_argument("--only_equality", action="store_true")
    parser.add_argument("--resume", type=int, nargs=2, metavar=("SAVED_BY", "CONTINUED_BY"))
    parser.add_argument("--work_dir", type=Path, help="where runs are written, and removed")
    return parser.parse_args()


def print_speed(arguments: argparse.Namespace, work: Path, processes: Sequence[int]) -> None:
    """Weak scaling: the same batch for each process."""
    print("| processes | windows a step | k tokens/s | efficiency | peak GiB | seconds |")
    print("|---|---|---|---|---|---|")
    single = None
    for number in processes:
        flags = ["--max_steps", arguments.steps, "--logging_steps", max(1, arguments.steps // 10)]
        flags += ["--per_device_train_batch_size", arguments.batch]
        flags += ["--eval_strategy", "no", "--save_strategy", "no"]
        result = train(arguments, work / f"speed-{number}", number, flags)
        width = max(1, number)
        if single is None:
            single = result.tokens_per_second / width
        share = result.tokens_per_second / (width * single)
        peak = "" if result.peak_gib is None else f"{result.peak_gib:.1f}"
        print(
            f"| {number} | {width * arguments.batch} | {result.tokens_per_second / 1000:,.1f} "
            f"| {share:.1%} | {peak} | {result.seconds:.0f} |",
            flush=True,
        )
    if processes[0] > 1:
        print(f"(efficiency is against {processes[0]} processes)")


def print_equality(arguments: argparse.Namespace, work: Path, processes: Sequence[int]) -> None:
    """The same global batch for every number of processes."""
    print("\n| processes | accumulated | steps | largest difference of losses | of evaluations |")
    print("|---|---|---|---|---|")
    total = arguments.global_batch or arguments.batch
    single = equality_run(arguments, work / "equal-1", 1, total)
    print(f"| 1 | 1 | {len(single.losses)} | | |", flush=True)
    for number in [each for each in processes if each != 1]:
        for accumulated in (1, 2):
            if total % (max(1, number) * accumulated):
                continue
            name = work / f"equal-{number}-{accumulated}"
            result = equality_run(arguments, name, number, total, accumulated=accumulated)
            print(
                f"| {number} | {accumulated} | {len(result.losses)} "
                f"| {_difference(result.losses, single.losses):.1e} "
                f"| {_difference(result.eval_losses, single.eval_losses):.1e} |",
                flush=True,
            )


def resumed(arguments: argparse.Namespace, work: Path, saved_by: int, continued_by: int) -> int:
    """Half a run by so many processes, the other half by so many others, against a whole one."""
    total = arguments.global_batch or arguments.batch
    whole = equality_run(arguments, work / "whole", saved_by, total)
    folder = work / "resumed"
    shutil.copytree(work / "whole", folder)
    shutil.rmtree(folder / f"checkpoint-{arguments.equality_steps}")
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"finished": False}))
    result = equality_run(arguments, folder, continued_by, total)
    difference = _difference(result.losses, whole.losses)
    print(
        f"saved by {saved_by}, continued by {continued_by} processes after step "
        f"{arguments.equality_steps // 2} of {arguments.equality_steps}: losses differ by at most "
        f"{difference:.1e}"
    )
    return 0


def equality_run(
    arguments: argparse.Namespace, output: Path, processes: int, total: int, *, accumulated: int = 1
) -> Result:
    """A run whose losses do not depend on how its batch is spread."""
    half = max(1, arguments.equality_steps // 2)
    flags = ["--max_steps", arguments.equality_steps, "--logging_steps", 1]
    flags += ["--eval_steps", half, "--save_steps", half, "--save_total_limit", 3]
    flags += ["--per_device_train_batch_size", total // max(1, processes) // accumulated]
    flags += ["--gradient_accumulation_steps", accumulated]
    flags += ["--hidden_dropout", 0, "--attention_dropout", 0, "--precision", arguments.precision]
    return train(arguments, output, processes, flags)


def train(
    arguments: argparse.Namespace, output: Path, processes: int, flags: Sequence[Any]
) -> Result:
    """Run train_mlm.py with so many processes and read its history."""
    command = [
        *(str(ROOT / "train_mlm.py"), "--data_dir", str(arguments.corpus)),
        *("--output_dir", str(output), "--model_size", arguments.size),
        *("--window_tokens", str(arguments.window)),
        *(["--use_cpu"] if arguments.use_cpu else []),
        *map(str, flags),
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with ExitStack() as stack:
        running: list[tuple[subprocess.Popen[bytes], IO[str]]] = []
        for number, (launcher, variables) in enumerate(launchers(processes, arguments.hosts)):
            log = stack.enter_context(output.with_suffix(f".{number}.log").open("w+"))
            words = [sys.executable, *launcher, *command]
            environment = variables | os.environ
            running.append((subprocess.Popen(words, stdout=log, stderr=log, env=environment), log))
        while running:
            time.sleep(0.2)
            for process, log in running:
                if process.poll():
                    for other, _ in running:
                        other.terminate()
                    log.seek(0)
                    sys.exit(f"{' '.join(command)} failed:\n{log.read()[-6000:]}")
            running = [each for each in running if each[0].poll() is None]
    seconds = time.perf_counter() - started
    content = json.loads((output / "training_history.json").read_text())
    rows = content["train"]
    peaks = [row["gpu_memory_peak_gib"] for row in rows if "gpu_memory_peak_gib" in row]
    return Result(
        losses=[row["loss"] for row in rows],
        eval_losses=[row["eval_loss"] for row in content["evaluation"]],
        tokens_per_second=statistics.median(row["tokens_per_second"] for row in rows[2:] or rows),
        peak_gib=max(peaks, default=None),
        seconds=seconds,
    )


def launchers(processes: int, hosts: int) -> Iterator[tuple[list[str], dict[str, str]]]:
    """What starts the processes, and its environment: one launcher a host, none for 0 processes."""
    variables = {"OMP_NUM_THREADS": "1", "NCCL_NVLS_ENABLE": "0"}
    if processes == 0:
        yield [], variables
        return
    hosts = min(hosts, processes)
    if processes % hosts:
        sys.exit(f"{processes} processes cannot be shared by {hosts} hosts alike")
    torchrun = ["-m", "torch.distributed.run", f"--nproc_per_node={processes // hosts}"]
    if hosts == 1:
        yield [*torchrun, "--standalone"], variables
        return
    endpoint = f"127.0.0.1:{_free_port()}"
    torchrun += [f"--nnodes={hosts}", "--rdzv_backend=c10d", f"--rdzv_endpoint={endpoint}"]
    for host in range(hosts):
        # NCCL refuses two processes of one host on one GPU; it knows a host by this name.
        yield torchrun, variables | {"NCCL_HOSTID": f"host{host}", "NCCL_SOCKET_IFNAME": "lo"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _difference(found: Sequence[float], expected: Sequence[float]) -> float:
    return max(abs(a - b) / abs(b) for a, b in zip(found, expected, strict=True))


def _num_gpus() -> int:
    import torch

    return max(1, torch.cuda.device_count())


def _powers_up_to(number: int) -> list[int]:
    return [1 << power for power in range(number.bit_length()) if 1 << power <= number]


if __name__ == "__main__":
    sys.exit(main())
