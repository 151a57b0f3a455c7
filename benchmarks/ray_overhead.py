"""What the Ray engine costs: `prepare` on a local cluster, against the local engine, alternating.

python benchmarks/ray_overhead.py FOLDER --scratch DIR [--every 4] [--rounds 3] [--nodes 2]

Starts a cluster of so many nodes with one core each on this machine, and then runs the command line
as a user does, in turns: `--num_proc NODES`, then `--engine ray`. Both do everything, the start of
their processes included; the cluster runs already. One line of JSON a run (seconds), at the end the
ratio of each round and their median, and whether all outputs had the same bytes.
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
import time
from pathlib import Path

from ray.cluster_utils import Cluster


def linked(files: list[Path], folder: Path) -> Path:
    """A folder of links to the files."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        link = folder / file.parent.name / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())
    return folder


def digest_of(folder: Path) -> str:
    """A hash over all files of a corpus."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def seconds_of(inputs: Path, output: Path, options: list[str]) -> float:
    """Wall time of one run of the command line."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "data_prep", "prepare", str(inputs), "--output", str(output)]
    began = time.monotonic()
    subprocess.run(
        [*command, *options],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return time.monotonic() - began


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
        ratios, digests = [], set()
        for number in range(parsed.rounds):
            seconds = {}
            for name, options in engines.items():
                output = parsed.scratch / f"overhead-{name}"
                seconds[name] = seconds_of(inputs, output, options)
                digests.add(digest_of(output))
                run = {"engine": name, "round": number, "files": len(chosen)}
                run |= {"mb": round(megabytes, 1), "wall_s": round(seconds[name], 2)}
                print(json.dumps(run | {"load": round(os.getloadavg()[0], 1)}), flush=True)
            ratios.append(seconds["ray"] / seconds["local"])
        print(
            json.dumps(
                {
                    "ray / local": [round(ratio, 3) for ratio in ratios],
                    "median": round(statistics.median(ratios), 3),
                    "same bytes": len(digests) == 1,
                }
            )
        )
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
