"""The peak memory of this process after each of some recordings, largest last.

python benchmarks/tokenize_memory.py FILE_OR_FOLDER [...] [--every 1] [--tail 0]
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

from rrweb_tokenizer import RRWebTokenizer


def peak_mb() -> float:
    """The largest resident size of this process so far, in MB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Prints the peak before the first file, at some steps, and after the largest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file by size")
    parser.add_argument("--tail", type=int, default=0, help="take the n largest only")
    arguments = parser.parse_args()
    files: list[Path] = []
    for path in arguments.paths:
        files += path.rglob("*.json") if path.is_dir() else [path]
    files = sorted(files, key=lambda file: file.stat().st_size)[-arguments.tail :]
    files = files[:: -arguments.every][::-1]
    tokenizer = RRWebTokenizer()
    print(f"tokenizer loaded: {peak_mb():.0f} MB")
    for number, file in enumerate(files):
        tokenizer.encode_session(file)
        if number % max(1, len(files) // 8) == 0 or file is files[-1]:
            print(f"{file.stat().st_size / 1e6:8.1f} MB file: peak {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
