"""Kills training runs at random moments and compares what comes out with an undisturbed run.

python benchmarks/kill_and_resume.py --kills 10                        a CPU, about 3 minutes
python benchmarks/kill_and_resume.py --minutes 60 --pause 60 180       a soak
python benchmarks/kill_and_resume.py --kills 5 --gpu --cost            one GPU, base model
python benchmarks/kill_and_resume.py --kills 5 -- --seed 7             after --: train_mlm's flags

A run is started again after every kill -9 until it is finished. One kill in ten comes at a random
moment of the start, three while a checkpoint is being written, the others whenever it happens in
training. The number of loader workers is drawn anew at every start. When a run is finished, its
weights, optimizer, scheduler, random state and history (but for speeds) are compared with the
undisturbed run's, bit for bit.
Ends with status 1 if a start was refused or anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.starting_runs import (
    ON_GPU,
    READY,
    ROOT,
    SMALL,
    Run,
    Setup,
    whole_run,
)

__all__ = [
    "READY",
    "ROOT",
    "SMALL",
    "Setup",
    "Tally",
    "fingerprint",
    "kill_and_compare",
    "whole_run",
]

# Nothing is saved or evaluated before the end, so that only steps are timed.
SPEED_RUN = ("--max_steps", "80", "--eval_steps", "80", "--save_steps", "80")
SPEEDS = (
    "mfu",
    "tokens_per_second",
    "data_wait_share",
    "gpu_memory_peak_gib",
    "runtime",
    "per_second",
)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the kills."""

    num_kills: int = 0
    num_in_save: int = 0
    num_starts_after_kill: int = 0
    num_resumed: int = 0
    num_runs: int = 0
    num_identical: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every start after a kill went on, and every run ended the same."""
        return (
            self.num_resumed == self.num_starts_after_kill and self.num_identical == self.num_runs
        )

    def report(self) -> str:
        """A line for a person."""
        return (
            f"{self.num_kills} kills ({self.num_in_save} while a checkpoint was being written), "
            f"{self.num_resumed} of {self.num_starts_after_kill} starts went on, "
            f"{self.num_identical} of {self.num_runs} runs bit-identical"
        )


def killed_run(
    setup: Setup,
    name: str,
    tally: Tally,
    rng: random.Random,
    *,
    kills_left: int,
    until: float,
    save_s: float,
) -> None:
    """Train in the folder of that name until finished, with up to `kills_left` kills."""
    output_dir = setup.folder / name
    was_killed = False
    while True:
        started_at = time.time()
        process = setup.start(name, num_workers=rng.choice(setup.worker_choices))
        has_kill = kills_left > 0 and time.monotonic() < until
        lines: list[str] = []
        is_killed = has_kill and _kill_at_random(
            process, lines, rng, output_dir=output_dir, setup=setup, save_s=save_s
        )
        rest, _ = process.communicate()
        lines += rest.splitlines()
        if was_killed and any(READY.match(line) or "error:" in line for line in lines):
            tally.num_starts_after_kill += 1
            tally.num_resumed += any(READY.match(line) for line in lines)
        if is_killed and process.returncode == -signal.SIGKILL:
            kills_left -= 1
            tally.num_kills += 1
            tally.num_in_save += _is_in_save(output_dir, since=started_at)
            was_killed = True
            continue
        if process.returncode:
            tally.differences.append(f"{name}: status {process.returncode}\n" + "\n".join(lines))
        return


def _kill_at_random(
    process: Run,
    lines: list[str],
    rng: random.Random,
    *,
    output_dir: Path,
    setup: Setup,
    save_s: float,
) -> bool:
    """Kill the process and all its children, mostly in training; False if it ended before."""
    assert process.stdout is not None
    moment = rng.random()
    if moment < 0.1:  # somewhere in the start, before training
        killer = threading.Thread(
            target=_kill_after, args=(process, rng.uniform(0.0, setup.start_s)), daemon=True
        )
    else:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if READY.match(line):
                break
        if moment < 0.4:
            args = (process, rng.uniform(0.0, save_s), output_dir, time.time())
            killer = threading.Thread(target=_kill_in_save, args=args, daemon=True)
        else:
            args = (process, rng.uniform(*setup.pause))
            killer = threading.Thread(target=_kill_after, args=args, daemon=True)
    killer.start()
    lines += [line.rstrip("\n") for line in process.stdout]
    process.wait()
    return process.returncode == -signal.SIGKILL


def _is_in_save(output_dir: Path, *, since: float) -> bool:
    """Whether a checkpoint that was begun after this time is not whole yet."""
    try:
        return any(path.stat().st_mtime > since for path in output_dir.glob("_checkpoint-*"))
    except FileNotFoundError:  # it has just got its name
        return False


def _kill_in_save(process: Run, seconds: float, output_dir: Path, since: float) -> None:
    while process.poll() is None and not _is_in_save(output_dir, since=since):
        time.sleep(0.002)
    _kill_after(process, seconds)


def _kill_after(process: Run, seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        _kill_group(process.pid)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:  # it has just ended by itself
        return


def fingerprint(output_dir: Path) -> dict[str, str]:
    """Name -> hash of each thing that must be the same bit for bit after the last step."""
    import torch

    last = max(output_dir.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    found = {"last step": last.name}
    for path in (output_dir / "model.safetensors", last / "model.safetensors"):
        found[str(path.relative_to(output_dir))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        # Ours, and the random state holds numpy arrays, which weights_only refuses.
        content = torch.load(last / name, weights_only=False, map_location="cpu")
        digest = hashlib.sha256()
        _feed(digest, content)
        found[name] = digest.hexdigest()
    history = json.loads((output_dir / "training_history.json").read_text())
    for part in ("train", "evaluation"):
        rows = [{k: v for k, v in row.items() if not k.endswith(SPEEDS)} for row in history[part]]
        found[f"history, {part}"] = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    return found


def _feed(digest: Any, value: Any) -> None:
    """Feed a nest of dicts, lists, arrays and tensors to a hash."""
    if isinstance(value, dict):
        for key in sorted(value, key=str):
            digest.update(str(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, (list, tuple)):
        for each in value:
            _feed(digest, each)
    elif hasattr(value, "tobytes"):
        digest.update(value.tobytes())
    elif hasattr(value, "numpy"):
        digest.update(value.contiguous().numpy().tobytes())
    else:
        digest.update(repr(value).encode())


def kill_and_compare(
    setup: Setup, *, num_kills: int, seconds: float = float("inf"), seed: int = 0, say: Any = print
) -> Tally:
    """Kill runs until `num_kills` or `seconds` are reached, and compare each finished one."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    started = time.monotonic()
    output = whole_run(setup, "whole", num_workers=2)
    sealed = [line for line in output.splitlines() if " sealed: " in line]
    say(f"undisturbed run: {time.monotonic() - started:.0f} s; {sealed[-1]}")
    save_s = float(sealed[-1].split(" MB in ")[1].split(" s")[0])
    expected = fingerprint(setup.folder / "whole")
    tally = Tally()
    until = started + seconds
    while tally.num_kills < num_kills and time.monotonic() < until:
        name = f"killed-{tally.num_runs}"
        left = num_kills - tally.num_kills
        killed_run(setup, name, tally, rng, kills_left=left, until=until, save_s=save_s)
        tally.num_runs += 1
        found = fingerprint(setup.folder / name) if not tally.differences else {}
        unequal = [key for key in expected if found.get(key) != expected[key]]
        if unequal:
            tally.differences.append(f"{name} differs in {', '.join(unequal)}")
        else:
            tally.num_identical += 1
            shutil.rmtree(setup.folder / name)
        say(f"{time.monotonic() - started:5.0f} s: {tally.report()}")
        if tally.differences:
            break
    return tally


def tokens_per_second(output_dir: Path) -> float:
    """Median speed of a run, its first rows left out."""
    rows = json.loads((output_dir / "training_history.json").read_text())["train"][2:]
    speeds = sorted(row["tokens_per_second"] for row in rows)
    return float(speeds[len(speeds) // 2])


def cost_table(free: float, fixed: float) -> str:
    """What `--full_determinism` costs, from tokens/s without and with it."""
    rows = (("false (default)", free), ("true", fixed))
    lines = [f"{name:<20}  {speed:>9,.0f}  {speed / free - 1:>+6.1%}" for name, speed in rows]
    return "\n".join([f"{'--full_determinism':<20}  {'tokens/s':>9}  {'change':>6}", *lines])


def main() -> int:
    """Run as the arguments say and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10**9, help="kills to reach")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time to spend")
    parser.add_argument(
        "--pause", type=float, nargs=2, help="seconds of training before a kill, between these"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--gpu", action="store_true", help="base model with --full_determinism")
    parser.add_argument(
        "--cost", action="store_true", help="also time --full_determinism against the default"
    )
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("flags", nargs="*", help="after --: more flags of train_mlm.py")
    options = parser.parse_args()
    if options.kills == 10**9 and options.minutes == float("inf"):
        parser.error("give --kills or --minutes")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        setup = Setup(
            flags=[*(ON_GPU if options.gpu else SMALL), *options.flags],
            folder=folder,
            # The first step of a GPU takes seconds.
            pause=tuple(options.pause or ((2.0, 10.0) if options.gpu else (0.0, 5.0))),
        )
        tally = kill_and_compare(
            setup, num_kills=options.kills, seconds=60 * options.minutes, seed=options.seed
        )
        print("\n".join(tally.differences))
        print(tally.report())
        if options.cost:
            speeds = []
            for is_exact in ("false", "true"):
                flags = [*setup.flags, *SPEED_RUN, "--full_determinism", is_exact]
                whole_run(Setup(flags=flags, folder=folder), f"exact-{is_exact}", num_workers=2)
                speeds.append(tokens_per_second(folder / f"exact-{is_exact}"))
            print(cost_table(*speeds))
    return 0 if tally.is_good and not tally.differences else 1


if __name__ == "__main__":
    sys.exit(main())
