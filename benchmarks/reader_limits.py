"""What hostile and huge files cost: time and memory of the readers, each in a process of its own.

python benchmarks/reader_limits.py [--gigabytes 10] [--folder /tmp]
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_MEASURE = """
import resource, sys, time
from collections import Counter
from pathlib import Path
from data_prep.readers import Rejected, read_sessions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
found = Counter()
for session in read_sessions(Path(sys.argv[1])):
    found[session.reason if isinstance(session, Rejected) else "sessions"] += 1
seconds = time.perf_counter() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
outcome = ", ".join(f"{number:,} x {what}" for what, number in found.items())
print(f"{seconds:8.2f} s {grown:6,} MiB above start  {outcome}")
"""
_EVENT = '{"type":3,"timestamp":%d,"data":{"source":2,"type":2,"id":5,"x":1,"y":2}}'


def main() -> None:
    """Write each file, measure it, remove it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=int, default=10)
    parser.add_argument("--folder", type=Path)
    parsed = parser.parse_args()
    num_bytes = parsed.gigabytes << 30
    with tempfile.TemporaryDirectory(dir=parsed.folder) as folder:
        for write in (_sparse, _sparse_list, _gzip_bomb, _event_lines, _session_lines, _zipped):
            path = write(Path(folder), num_bytes)
            size = path.stat().st_size
            command = [sys.executable, "-c", _MEASURE, str(path)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            what = (write.__doc__ or "").rstrip(".")
            print(f"{what:<58}{size / 1e6:>10,.0f} MB {said.strip()}", flush=True)
            path.unlink()


def _sparse(folder: Path, num_bytes: int) -> Path:
    """Holes only, named .json."""
    return _with_holes(folder, b"", num_bytes)


def _sparse_list(folder: Path, num_bytes: int) -> Path:
    """A list that opens, then holes."""
    return _with_holes(folder, b'[{"type":4}', num_bytes)


def _with_holes(folder: Path, opening: bytes, num_bytes: int) -> Path:
    path = folder / "sparse.json"
    with path.open("wb") as file:
        file.write(opening)
        file.truncate(num_bytes)
    return path


def _gzip_bomb(folder: Path, num_bytes: int) -> Path:
    """Gzip of an endless list."""
    path = folder / "bomb.json.gz"
    piece = gzip.compress(b"[" + b" " * ((64 << 20) - 1))
    with path.open("wb") as file:
        for _ in range(num_bytes >> 26):
            file.write(piece)
    return path


def _event_lines(folder: Path, num_bytes: int) -> Path:
    """JSON Lines, an event a line: one session, too large."""
    path = folder / "events.jsonl"
    block = "".join(_EVENT % n + "\n" for n in range(100_000)).encode()
    with path.open("wb") as file:
        for _ in range(num_bytes // len(block)):
            file.write(block)
    return path


def _session_lines(folder: Path, num_bytes: int) -> Path:
    """JSON Lines, a session of 1 MB a line."""
    path = folder / "sessions.jsonl"
    events = ",".join(_EVENT % n for n in range(13_500))
    with path.open("w") as file:
        for number in range(num_bytes // len(events)):
            file.write(f'{{"sessionId":{json.dumps(str(number))},"events":[{events}]}}\n')
    return path


def _zipped(folder: Path, num_bytes: int) -> Path:
    """The same, a tenth of it, as .gz."""
    plain = _session_lines(folder, num_bytes // 10)
    path = folder / "sessions.jsonl.gz"
    with plain.open("rb") as source, gzip.open(path, "wb", 1) as target:
        while block := source.read(1 << 24):
            target.write(block)
    plain.unlink()
    return path


if __name__ == "__main__":
    main()
