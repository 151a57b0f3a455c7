"""A simulated corpus of many recordings, out of few: for measuring preparation at full size.

python benchmarks/make_reference_corpus.py RECORDINGS OUTPUT [--num_files 31951] [--total_gb 4]

Each file is a stretch of one recording, from one of its full snapshots on, with its clock, its node
ids and its host shifted, so that no two contents are equal; zstd-compressed, 500 a folder. Sizes
are drawn from those of the recordings, scaled to `total_gb` GB of JSON for all files
(less comes out where a recording is shorter than the size drawn, more where its snapshot is
longer; the sum is printed). Texts repeat from file to file as they do on one
site; the same arguments give the same files.
"""

from __future__ import annotations

import argparse
import random
import re
from functools import lru_cache, partial
from itertools import pairwise
from multiprocessing import Pool
from pathlib import Path

import msgspec
import zstandard

_NODE_ID = re.compile(rb'"(id|parentId|nextId|previousId|rootId)":(\d+)')
_TIMESTAMP = re.compile(rb'"timestamp":(\d+)')
_HOST = re.compile(rb"([a-z0-9-]+)\.test\b")
_FILES_A_FOLDER = 500
_MIN_EVENTS = 6
_NUM_DRAWS = 30


class _Event(msgspec.Struct):
    type: int
    timestamp: float = 0.0


class Recording:
    """The raw events of a recording, and where a stretch of it may start."""

    def __init__(self, path: Path) -> None:
        self.events = msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw])
        types = [msgspec.json.decode(event, type=_Event).type for event in self.events]
        metas = [i for i, pair in enumerate(pairwise(types)) if pair == (4, 2)]
        self.starts = metas or [0]
        self.sizes = [len(bytes(event)) + 1 for event in self.events]

    def stretch(self, start: int, target_bytes: int) -> bytes:
        """JSON of the events from `start` on, about so many bytes."""
        stop, size = start, 0
        while stop < len(self.events) and (size < target_bytes or stop - start < _MIN_EVENTS):
            size += self.sizes[stop]
            stop += 1
        return b"[" + b",".join(bytes(event) for event in self.events[start:stop]) + b"]"


@lru_cache(maxsize=64)
def recording_of(path: Path) -> Recording:
    """A recording, read once in a while."""
    return Recording(path)


def varied(text: bytes, number: int, rng: random.Random) -> bytes:
    """The same events at another time, with other node ids, on another host."""
    shift_ms, shift_id = rng.randrange(10**9, 10**11), rng.randrange(1, 5000)
    host = b"h%d-" % (number % 997)
    text = _TIMESTAMP.sub(lambda m: b'"timestamp":%d' % (int(m[1]) + shift_ms), text)
    text = _NODE_ID.sub(lambda m: b'"%s":%d' % (m[1], int(m[2]) + shift_id), text)
    return _HOST.sub(rb"%s\1.test" % host, text)


def write_file(
    number: int, paths: list[Path], sizes: list[int], scale: float, seed: int, output: Path
) -> tuple[int, int]:
    """Write one file; its bytes as JSON and on the disk."""
    rng = random.Random(seed * 10**9 + number)  # noqa: S311 - nothing secret
    target = int(rng.choice(sizes) * scale)
    # Recordings are cheap to keep and dear to read: files in a row take from a few of them.
    shelf = random.Random(seed + number // 256).sample(paths, min(48, len(paths)))  # noqa: S311
    best: tuple[int, Recording, int] | None = None
    for _ in range(_NUM_DRAWS):
        recording = recording_of(rng.choice(shelf))
        start = rng.choice(recording.starts)
        head = sum(recording.sizes[start : start + _MIN_EVENTS])
        if best is None or head < best[0]:
            best = (head, recording, start)
        if head <= target:
            best = (head, recording, start)
            break
    assert best is not None
    text = varied(best[1].stretch(best[2], target), number, rng)
    path = output / f"{number // _FILES_A_FOLDER:04d}" / f"{number:06d}.json.zst"
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = zstandard.ZstdCompressor(level=3).compress(text)
    path.write_bytes(packed)
    return len(text), len(packed)


def main() -> None:
    """Write the files and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--num_files", type=int, default=31_951)
    parser.add_argument("--total_gb", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num_proc", type=int, default=2)
    parsed = parser.parse_args()
    paths = sorted(parsed.recordings.rglob("*.json"))
    sizes = [path.stat().st_size for path in paths]
    scale = parsed.total_gb * 1e9 / parsed.num_files / (sum(sizes) / len(sizes))
    work = partial(
        write_file,
        paths=paths,
        sizes=sizes,
        scale=scale,
        seed=parsed.seed,
        output=parsed.output,
    )
    num_json = num_disk = 0
    with Pool(parsed.num_proc) as pool:
        for text, packed in pool.imap_unordered(work, range(parsed.num_files), chunksize=256):
            num_json += text
            num_disk += packed
    print(f"{parsed.num_files:,} files, {num_json / 1e9:.2f} GB of JSON, {num_disk / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
