"""What the Ray engine costs: `prepare` on a local cluster, against the local engine, alternating.

python benchmarks/ray_overhead.py FOLDER --scratch DIR [--every 4] [--rounds 3] [--nodes 2]

Starts a cluster of so many nodes with one core each on this machine, and then runs the command line
as a user does, in turns: `--num_proc NODES`, then `--engine ray`. Both do everything, the start of
their processes included; the cluster runs already. One line of JSON a run, at the end the ratios of
the rounds, and whether all outputs had the same bytes. CPU seconds are those of all processes that
took part, raylets and idle ones of the cluster included: on shared cores the fairer figure (Linux).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from prepare_scale import linked
from ray.cluster_utils import Cluster

_SECONDS_BETWEEN_LOOKS = 0.2


def digest_of(folder: Path) -> str:
    """A hash over all files of a corpus."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class Clock(threading.Thread):
    """Adds up the CPU time of all processes below this one while it runs.

    It looks at them again and again: a raylet does not wait for its workers, whose time nobody else
    would tell.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._before = {pid: cpu_seconds(pid) for pid in all_below(os.getpid())}
        self._latest = dict(self._before)
        self._ends = threading.Event()

    def run(self) -> None:
        """Look until it is told to stop."""
        while not self._ends.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()

    def stop(self) -> float:
        """End, and return the seconds."""
        self._ends.set()
        self.join()
        self._look()
        return sum(self._latest.values()) - sum(self._before.values())

    def _look(self) -> None:
        for pid in all_below(os.getpid()):
            self._latest[pid] = max(self._latest.get(pid, 0.0), cpu_seconds(pid))


def cpu_seconds(pid: int) -> float:
    """CPU time of one process, 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def all_below(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    children = children_of(pid)
    return children + [below for child in children for below in all_below(child)]


def children_of(pid: int) -> list[int]:
    """The processes that any thread of a process started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    found = []
    for path in lists:
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


def measured(inputs: Path, output: Path, options: list[str]) -> dict[str, float]:
    """Wall time and CPU time of one run of the command line."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "data_prep", "prepare", str(inputs), "--output", str(output)]
    clock = Clock()
    clock.start()
    began = time.monotonic()
    subprocess.run(
        [*command, *options],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wall_s = time.monotonic() - began
    return {"wall_s": round(wall_s, 2), "cpu_s": round(clock.stop(), 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--object_store_mb", type=int, default=100)
    parsed = parser.parse_args()
    files = sorted(path for path in parsed.folder.rglob("*.json*") if path.is_file())
    chosen = files[:: parsed.every]
    megabytes = sum(path.stat().st_size for path in chosen) / 1e6
    inputs = linked(chosen, parsed.scratch / "overhead")
    node = {"num_cpus": 1, "object_store_memory": parsed.object_store_mb << 20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        for _ in range(parsed.nodes - 1):
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        engines = {
            "local": ["--num_proc", str(parsed.nodes)],
            "ray": ["--engine", "ray", "--address", cluster.address],
        }
        digests, runs = set(), []
        for number in range(parsed.rounds):
            for name, options in engines.items():
                output = parsed.scratch / f"overhead-{name}"
                run = {"engine": name, "round": number, "files": len(chosen)}
                run |= {"mb": round(megabytes, 1)} | measured(inputs, output, options)
                digests.add(digest_of(output))
                runs.append(run)
                print(json.dumps(run | {"load": round(os.getloadavg()[0], 1)}), flush=True)
        pairs = list(zip(runs[::2], runs[1::2], strict=True))
        for unit in ("wall_s", "cpu_s"):
            ratios = [round(spread[unit] / local[unit], 3) for local, spread in pairs]
            median = round(statistics.median(ratios), 3)
            print(json.dumps({f"ray / local, {unit}": ratios, "median": median}))
        print(json.dumps({"same bytes": len(digests) == 1}))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
