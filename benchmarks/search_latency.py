"""What an index of many vectors costs: building, memory, latency, recall.

    python benchmarks/search_latency.py [--num 1000000] [--size 256] [--queries 300]

The vectors are made up: 20,000 centres of uneven sizes with noise around each, in `--dims`
dimensions of falling variance, turned into `--size`; with `--dims` as `--size` they are as hard to
index as vectors can be. Queries are others of the same kind. Latency is that of one query
at a time, on warm memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from rrweb_bert.search.neighbours import Neighbours, build_lists, exact

NUM_CENTRES = 20_000
AT_ONCE = 50_000


def fill(vectors: npt.NDArray[np.float32], seed: int, noise: float, dims: int) -> None:
    """Clustered vectors of length 1, made piece by piece."""
    size = vectors.shape[1]
    fixed = np.random.default_rng(0)
    # The variances fall off, as those of real vectors do.
    scale = (1 / np.sqrt(np.arange(1, dims + 1))).astype(np.float32)
    centres = scale * fixed.standard_normal((NUM_CENTRES, dims), dtype=np.float32)
    turn = fixed.standard_normal((dims, size), dtype=np.float32) / np.float32(np.sqrt(size))
    rng = np.random.default_rng(seed)
    for start in range(0, len(vectors), AT_ONCE):
        stop = min(start + AT_ONCE, len(vectors))
        chosen = (NUM_CENTRES * rng.random(stop - start) ** 2).astype(int)
        around = scale * rng.standard_normal((stop - start, dims), dtype=np.float32)
        found = (centres[chosen] + noise * around) @ turn
        vectors[start:stop] = found / np.linalg.norm(found, axis=1, keepdims=True)


def anonymous_mb() -> float:
    """Memory of this process that is not a mapped file."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Build, search, and print lines of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--noise", type=float, default=0.9)
    parser.add_argument("--dims", type=int, default=64, help="dimensions that they vary in")
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name)
        shape = (arguments.num, arguments.size)
        vectors = np.lib.format.open_memmap(folder / "v.npy", "w+", np.float32, shape)
        fill(vectors, 1, arguments.noise, arguments.dims)
        queries = np.zeros((arguments.queries, arguments.size), np.float32)
        fill(queries, 2, arguments.noise, arguments.dims)
        before, began, cpu = anonymous_mb(), time.monotonic(), time.process_time()
        tuned = build_lists(vectors, folder / "lists.faiss")
        built = {
            "build_s": round(time.monotonic() - began, 1),
            "build_cpu_s": round(time.process_time() - cpu, 1),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "file_mb": round((folder / "lists.faiss").stat().st_size / 1e6, 1),
            "threads": faiss.omp_get_max_threads(),
            **tuned._asdict(),
        }
        print(json.dumps(built), flush=True)
        before = anonymous_mb()
        found = Neighbours.load(vectors, folder / "lists.faiss", tuned)
        print(json.dumps({"loaded_mb": round(anonymous_mb() - before, 1)}), flush=True)
        wanted, _ = exact(vectors, queries, 10)
        rng = np.random.default_rng(3)
        for name, share in (("all", 1.0), ("filter 10%", 0.1), ("filter 0.5%", 0.005)):
            mask = None if share == 1.0 else rng.random(arguments.num) < share
            if mask is not None:
                wanted, _ = exact(vectors, queries, 10, np.flatnonzero(mask))
            seconds, recall = [], []
            for query, row in zip(queries, wanted, strict=True):
                began = time.perf_counter()
                numbers, _ = found.find(query[None], 10, mask)
                seconds.append(time.perf_counter() - began)
                recall.append(np.isin(row, numbers[0]).mean())
            p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
            line = {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}
            line |= {"recall_at_10": round(float(np.mean(recall)), 4)}
            print(json.dumps({"searched": name, **line}), flush=True)


if __name__ == "__main__":
    main()
