"""How fast `embed` is, how much memory it takes, and what more sessions would cost.

    python benchmarks/embed_speed.py DATA [--model DIR] [--device cuda] [--copies 20] [--limit 100]

DATA is a folder of recordings or a prepared corpus. With `--copies`, each file is read so many
times under other names, so that a small sample keeps a GPU busy for a while; texts repeat then,
which the tokenizer's memory of texts likes: tokenising is somewhat faster than with other sites.
Runs in a process of its own, from a cold start; the parts and the result go to a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from data_prep.corpus import is_corpus
from data_prep.manifest import list_sources

CHILD = """
import json, resource, sys, time
began = time.monotonic()
from pathlib import Path
from rrweb_bert.embeddings.job import embed
from rrweb_bert.embeddings.options import EmbedOptions
from rrweb_bert.early_checks import tokenizer_path
from rrweb_bert.session_encoder import SessionEncoder

if __name__ == "__main__":
    data, output, model, device, options = json.loads(sys.argv[1])
    encoder = SessionEncoder.from_pretrained(model, device)
    started, cpu = time.monotonic(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    options = EmbedOptions(**options)
    embed(data, Path(output), encoder, options, tokenizer_path=tokenizer_path(model))
    peak = 0
    if encoder.device.type == "cuda":
        import torch
        peak = torch.cuda.max_memory_allocated()
    print("RESULT", json.dumps({
        "load_s": started - began,
        "embed_s": time.monotonic() - started,
        "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - cpu,
        "worker_cpu_s": sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "gpu_mb": peak / 2**20,
        "precision": encoder.precision,
        "device": str(encoder.device),
    }))
"""


def copies(data: Path, folder: Path, num_copies: int, limit: int | None) -> Path:
    """A folder of links to the files of DATA, so many times each."""
    sources = list_sources([data]).sources
    step = max(1, len(sources) // limit) if limit else 1
    for copy in range(num_copies):
        for source in sources[::step][:limit]:
            link = folder / f"{copy:04d}" / source.relative
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source.path.resolve(), link)
            except OSError:  # on another disk
                shutil.copyfile(source.path, link)
    return folder


def main() -> None:
    """Embed, and print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--limit", type=int, help="so many files, evenly spread")
    parser.add_argument("--num_proc", type=int)
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--work", type=Path, help="folder for links and output")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name)
        data = arguments.data
        if not is_corpus(data) and (arguments.copies > 1 or arguments.limit):
            data = copies(data, folder / "in", arguments.copies, arguments.limit)
        options = {"num_proc": arguments.num_proc, "batch_size": arguments.batch_size}
        call = [str(data), str(folder / "e.parquet"), arguments.model, arguments.device, options]
        script = folder / "child.py"
        script.write_text(CHILD)
        done = subprocess.run(
            [sys.executable, str(script), json.dumps(call)], check=True, stdout=subprocess.PIPE
        )
        lines = done.stdout.decode().splitlines()
        print("\n".join(line for line in lines if not line.startswith("RESULT")))
        result = json.loads(next(line for line in lines if line.startswith("RESULT"))[7:])
        table = pq.read_table(folder / "e.parquet", columns=["num_ids", "num_windows"])
        size = (folder / "e.parquet").stat().st_size
    sessions = len(table)
    ids = sum(table.column("num_ids").to_pylist())
    per_session = result["embed_s"] / sessions
    cpu = (result["cpu_s"] + result["worker_cpu_s"]) / sessions
    print(json.dumps(result))
    print(
        f"{sessions:,} sessions, {ids:,} ids, {sum(table.column('num_windows').to_pylist()):,} "
        f"windows: {1 / per_session:.1f} sessions/s, {ids / result['embed_s']:,.0f} ids/s, "
        f"{cpu:.3f} CPU seconds a session, {size / sessions / 1e3:.1f} kB a session"
    )
    for number in (1_000, 10_000, 100_000):
        print(
            f"{number:>7,} sessions: {number * per_session / 60:8.1f} minutes, "
            f"{number * cpu / 3600:6.2f} CPU hours, {number * size / sessions / 1e6:7.1f} MB"
        )


if __name__ == "__main__":
    main()
