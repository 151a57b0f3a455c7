"""Ids -> string -> ids over a folder of recordings, by both forms of the tokenizer.

    python benchmarks/round_trips.py FOLDER [--every N]

Counts sessions whose ids come back from `decode` and from `render`, through `RRWebTokenizer` and
through the `tokenizer.json` that it saves, and strings on which the two differ: every window of 512
ids as `decode` and as `render` writes it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers import AutoTokenizer

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.session_windows import cut_windows

WINDOW_IDS = 512


def main() -> None:
    """Prints the counts, and the first sessions that do not come back from `render`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th file")
    arguments = parser.parse_args()
    slow = RRWebTokenizer(model_max_length=10**9)
    with TemporaryDirectory() as folder:
        slow.save_pretrained(folder)
        fast = AutoTokenizer.from_pretrained(folder)
    counts: Counter[str] = Counter()
    changed: list[str] = []
    for file in sorted(arguments.folder.rglob("*.json"))[:: arguments.every]:
        session = slow.encode_session(file)
        ids = session.ids.tolist()
        decoded, rendered = slow.decode(ids), slow.render(ids)
        counts["sessions"] += 1
        counts["ids"] += len(ids)
        is_exact = slow(rendered, add_special_tokens=False)["input_ids"] == ids
        counts["exact from decode"] += slow(decoded, add_special_tokens=False)["input_ids"] == ids
        counts["exact from render"] += is_exact
        counts["exact from render, tokenizer.json"] += (
            fast(rendered, add_special_tokens=False)["input_ids"] == ids
        )
        counts["decode is render, without marks"] += decoded == rendered
        counts["decode of both forms the same"] += decoded == fast.decode(ids)
        windows = [ids[w.start : w.stop] for w in cut_windows(session, WINDOW_IDS)]
        texts = slow.decode(windows) + [slow.render(window) for window in windows]
        pairs = zip(slow(texts)["input_ids"], fast(texts)["input_ids"], strict=True)
        counts["strings"] += len(texts)
        counts["strings that differ"] += sum(a != b for a, b in pairs)
        if not is_exact:
            changed.append(str(file))
    for name, count in counts.items():
        print(f"{name:<36} {count:>10,}")
    print("\n".join(changed[:10]))


if __name__ == "__main__":
    main()
