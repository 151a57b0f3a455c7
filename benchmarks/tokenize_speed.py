"""Raw rrweb JSON -> ids on one core, beside msgspec's decoding alone, in one run.

python benchmarks/tokenize_speed.py FOLDER [--every 4]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.recording import find_events
from rrweb_tokenizer.schema import decode_events


def main() -> None:
    """Prints MB/s of decoding alone and of the whole way, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=4, help="take every n-th file")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.json"))[:: arguments.every]
    texts = [file.read_bytes() for file in files]
    megabytes = sum(map(len, texts)) / 1e6
    tokenizer = RRWebTokenizer()
    tokenizer.encode_session(texts[0])

    start = time.process_time()
    for text in texts:
        decode_events(find_events(text).parts)
    decoding = time.process_time() - start
    start = time.process_time()
    num_ids = sum(len(tokenizer.encode_session(text).ids) for text in texts)
    whole = time.process_time() - start
    print(f"{len(files)} files, {megabytes:.1f} MB, {num_ids:,} ids")
    print(f"decoding alone {megabytes / decoding:6.1f} MB/s")
    print(f"JSON -> ids    {megabytes / whole:6.1f} MB/s, {decoding / whole:.2f} of decoding alone")


if __name__ == "__main__":
    main()
