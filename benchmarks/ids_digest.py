"""A hash over the ids of many recordings: a change that should keep all ids keeps this line.

Recordings are found and read as `python -m data_prep prepare` does.

python benchmarks/ids_digest.py FOLDER [FOLDER ...] [--every 1] [--files OUT.tsv]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from data_prep.limits import DEFAULT_LIMITS
from data_prep.manifest import list_sources
from data_prep.readers import Rejected
from data_prep.sessions import sessions_of
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.schema import decode_events


def digest(session: EncodedSession) -> str:
    """The hash of a session's ids, keyframes, event starts, times and counts."""
    arrays = (session.ids, session.keyframes, session.event_starts, session.event_times_ms)
    counts = f"{session.num_events} {sorted(session.counts.items())}"
    content = b"".join(array.tobytes() for array in arrays) + counts.encode()
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Prints how many files, sessions and ids there are, and one hash over all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file")
    parser.add_argument("--files", type=Path, help="write each session's hash here, to compare")
    arguments = parser.parse_args()
    tokenizer = RRWebTokenizer()
    lines: list[str] = []
    num_ids = num_refused = 0
    sources = list_sources(arguments.folders).sources[:: arguments.every]
    for source in sources:
        for found in sessions_of(source, DEFAULT_LIMITS):
            if isinstance(found, Rejected):  # what is refused, and why, counts as well
                num_refused += 1
                lines.append(f"{source.source_id}\t{found.reason}")
                continue
            session = tokenizer.encode_events(decode_events(found.parts).events)
            num_ids += len(session.ids)
            lines.append(f"{found.session_id}\t{digest(session)}")
    if arguments.files:
        arguments.files.write_text("\n".join(lines) + "\n", encoding="utf-8")
    total = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    num_sessions = len(lines) - num_refused
    print(
        f"{len(sources)} files, {num_sessions} sessions, {num_refused} refused, "
        f"{num_ids:,} ids: {total}"
    )


if __name__ == "__main__":
    main()
