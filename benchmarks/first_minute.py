"""What the shipped model takes for the embedded sample: embed, index, search, surprise.

    OMP_NUM_THREADS=2 python benchmarks/first_minute.py [--python PYTHON] [--work DIR]

Each command runs in a process of its own, from a cold start, without a network (HF_HUB_OFFLINE=1),
in an empty folder: with `--python`, that of an environment in which the package was installed.
CPU seconds are user and system time of a process and of those that it started; where other jobs
hold the cores, they tell more than the time by the clock, though they grow with such jobs too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WHERE = "from rrweb_bert.sample_plan import sample_directory as s; print(s().resolve())"


def timed(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds of a command; its output goes to this one's.

    Raises:
        CalledProcessError: it fails.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu_s": round(sum(after[:2]) - sum(before[:2]), 1),
        "wall_s": round(time.monotonic() - began, 1),
        "max_rss_mb": round(after.ru_maxrss / 1024),
    }


def main() -> None:
    """Run the commands, print a line of JSON each, then the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--work", type=Path, help="folder for a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name)
        found = subprocess.run(
            [arguments.python, "-c", WHERE], check=True, cwd=folder, capture_output=True, text=True
        )
        sample = Path(found.stdout.strip())
        recording = str(min(sample.iterdir()))
        total = {"cpu_s": 0.0, "wall_s": 0.0}
        for words in (
            ["embed"],
            ["index"],
            ["search", "--like", recording],
            ["search", "--text", "add to cart"],
            ["surprise", str(sample)],
        ):
            used = timed([arguments.python, "-m", "rrweb_bert", *words], folder)
            print(json.dumps({"command": " ".join(words[:2]), **used}), flush=True)
            total = {key: round(total[key] + used[key], 1) for key in total}
    print(json.dumps({"command": "all", **total, "load": [round(n, 1) for n in os.getloadavg()]}))


if __name__ == "__main__":
    main()
