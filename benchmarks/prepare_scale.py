"""Wall time, rate, memory and resumption of `prepare`, at several sizes and numbers of processes.

python benchmarks/prepare_scale.py FOLDER --scratch DIR [--every 100 10 1] [--num_proc 1 2]
    [--repeat 1] [--kill_at 0.5]

FOLDER holds .json.zst files, as `make_reference_corpus.py` writes them. Every run is a process of
its own over links to every n-th file. One line of JSON a run: seconds, megabytes of JSON a second,
CPU seconds (on shared cores the fairer figure), the peak memory of the first process and of the
largest worker. With --kill_at, a further run is killed (SIGKILL) at that share of the time of the
last one and started again: what of the work was left to do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import zstandard


def json_bytes(path: Path) -> int:
    """Size of a file's JSON, out of its header."""
    with path.open("rb") as file:
        return int(zstandard.frame_content_size(file.read(64)))


def linked(files: list[Path], folder: Path) -> Path:
    """A folder of links to the files."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        link = folder / file.parent.name / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    return folder


def start(inputs: Path, output: Path, num_proc: int) -> subprocess.Popen[str]:
    """The command line, as a user runs it."""
    command = [sys.executable, "-m", "data_prep", "prepare", str(inputs)]
    return subprocess.Popen(
        [*command, "--output", str(output), "--num_proc", str(num_proc)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def peaks_mb(pid: int, peaks: dict[int, float]) -> None:
    """Note the peak memory of a process and of its children, by process."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        pids = [pid, *map(int, children.read_text().split())]
    except OSError:
        return
    for each in pids:
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("VmHWM:"):
                peaks[each] = max(peaks.get(each, 0.0), int(line.split()[1]) / 1024)


def measured(inputs: Path, output: Path, num_proc: int, kill_after_s: float | None = None) -> dict:
    """Run once, and kill it after so many seconds where they are given."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = start(inputs, output, num_proc)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        peaks_mb(process.pid, peaks)
        if kill_after_s is not None and time.monotonic() - began > kill_after_s:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.1)
    wall_s = time.monotonic() - began
    said = process.communicate()[0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers = [peak for pid, peak in peaks.items() if pid != process.pid]
    return {
        "wall_s": round(wall_s, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "peak_mb_first": round(peaks.get(process.pid, 0.0)),
        "peak_mb_worker": round(max(workers, default=0.0)),
        "load": round(os.getloadavg()[0], 1),
        "said": [line for line in said.splitlines() if "encoded already" in line],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--every", type=int, nargs="+", default=[100, 10, 1])
    parser.add_argument("--num_proc", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--kill_at", type=float)
    parsed = parser.parse_args()
    files = sorted(parsed.folder.rglob("*.json.zst"))
    for every in parsed.every:
        chosen = files[::every]
        num_bytes = sum(map(json_bytes, chosen))
        inputs = linked(chosen, parsed.scratch / f"every{every}")
        shape = {"files": len(chosen), "json_mb": round(num_bytes / 1e6, 1)}
        for _ in range(parsed.repeat):
            for num_proc in parsed.num_proc:
                output = parsed.scratch / f"corpus{every}"
                shutil.rmtree(output, ignore_errors=True)
                run = measured(inputs, output, num_proc)
                rate = {"mb_per_s": round(num_bytes / 1e6 / run["wall_s"], 1)}
                rate["mb_per_cpu_s"] = round(num_bytes / 1e6 / run["cpu_s"], 1)
                print(json.dumps(shape | {"num_proc": num_proc} | rate | run), flush=True)
        if parsed.kill_at is not None:
            shutil.rmtree(output, ignore_errors=True)
            killed = measured(inputs, output, num_proc, run["wall_s"] * parsed.kill_at)
            again = measured(inputs, output, num_proc)
            print(json.dumps(shape | {"killed": killed, "again": again}), flush=True)


if __name__ == "__main__":
    main()
