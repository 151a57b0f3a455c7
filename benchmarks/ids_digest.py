"""A hash over the ids of many recordings: a change that should keep all ids keeps this line.

python benchmarks/ids_digest.py FOLDER [FOLDER ...] [--every 1] [--files OUT.tsv]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from rrweb_tokenizer import EncodedSession, RRWebTokenizer


def digest(session: EncodedSession) -> str:
    """The hash of a session's ids, keyframes, event starts, times and counts."""
    arrays = (session.ids, session.keyframes, session.event_starts, session.event_times_ms)
    counts = f"{session.num_events} {sorted(session.counts.items())}"
    content = b"".join(array.tobytes() for array in arrays) + counts.encode()
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Prints how many files and ids there are, and one hash over all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file")
    parser.add_argument("--files", type=Path, help="write each file's hash here, to compare")
    arguments = parser.parse_args()
    tokenizer = RRWebTokenizer()
    lines: list[str] = []
    num_ids = num_refused = 0
    for folder in arguments.folders:
        for file in sorted(folder.rglob("*.json"))[:: arguments.every]:
            try:
                session = tokenizer.encode_session(file)
            except ValueError as error:  # no recording: what is refused, and why, counts as well
                num_refused += 1
                lines.append(f"{file.relative_to(folder)}\t{type(error).__name__}")
                continue
            num_ids += len(session.ids)
            lines.append(f"{file.relative_to(folder)}\t{digest(session)}")
    if arguments.files:
        arguments.files.write_text("\n".join(lines) + "\n", encoding="utf-8")
    total = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    print(f"{len(lines)} files, {num_refused} of them no recording, {num_ids:,} ids: {total}")


if __name__ == "__main__":
    main()
