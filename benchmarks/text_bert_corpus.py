"""The raw JSON of recordings as a corpus for a text BERT, and questions that it can be asked.

    python benchmarks/text_bert_corpus.py RECORDINGS CORPUS OUTPUT.tar.xz

CORPUS is what `data_prep prepare` made of RECORDINGS; a session is in the split that it has there.
The archive holds:

- `tokenizer/`: a byte-level BPE of as many ids as ours, trained on train sessions' JSON alone;
- `train/`, `validation/`, `test/`: shards as a prepared corpus has them, but of that BPE's ids.
  A session gives the same number of windows whatever its length; half of them open with an event,
  the other half anywhere. A window begins where a keyframe of the shard stands;
- `questions.npz`: "of which kind is this event?", asked of events of the held-out sessions, with
  what stands before and after them as plain JSON and as ids of this project. Predictions by counts
  of kinds in train sessions stand beside them.

`--reuse ARCHIVE` takes tokenizer and shards from an earlier archive and makes the questions anew.

Nothing is redacted: the archive holds what the recordings do, and is not for shipping.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from text_bert_events import RawSession, raw_sessions
from text_bert_questions import WINDOW_TOKENS, KindCounts, Questions, first_ids
from tokenizers import ByteLevelBPETokenizer, Tokenizer

from data_prep.shards import SPLITS, SessionRow
from data_prep.split_writer import SplitWriter
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import VOCAB_SIZE

ABOUT_FILE = "about.json"
TOKENIZER_FILE = "tokenizer/tokenizer.json"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

"""What can come next, as the heads of our vocabulary; the order of all scores."""


def train_bpe(sessions: Iterator[RawSession], max_chars: int) -> ByteLevelBPETokenizer:
    """A BPE of `max_chars` characters of train sessions, equally many of each, drawn anywhere."""
    texts = []
    for session in sessions:
        if session.split != "train":
            continue
        starts = session.rng("bpe").integers(0, max(1, len(session.text) - 4000), size=64)
        texts.append([session.text[start : start + 4000] for start in starts])
    share = max(1, max_chars // max(1, 4000 * len(texts)))
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        (chunk for session_texts in texts for chunk in session_texts[:share]),
        vocab_size=VOCAB_SIZE,
        special_tokens=SPECIALS,
        show_progress=False,
    )
    # A page may say "[MASK]"; that is text.
    bpe._tokenizer.encode_special_tokens = True
    return bpe


def windows_of(session: RawSession, bpe: ByteLevelBPETokenizer, number: int) -> SessionRow:
    """A session's row: `number` windows of its JSON, those that its end cuts short last."""
    rng = session.rng("windows")
    anywhere = rng.integers(0, len(session.text), size=number // 2)
    at_events = rng.choice(session.starts, size=number - number // 2)
    starts = sorted({*anywhere.tolist(), *at_events.tolist()})
    chunks = [first_ids(session.text, start, bpe) for start in starts]
    chunks.sort(key=lambda ids: len(ids) < WINDOW_TOKENS - 2)
    lengths = [len(chunk) for chunk in chunks]
    return SessionRow(
        session_id=session.session_id,
        group=session.group,
        split=session.split,
        ids=np.concatenate(chunks).astype(np.uint16),
        keyframes=(np.cumsum(lengths) - lengths).astype(np.uint32),
        start_ms=session.events[0].time_ms,
        end_ms=session.events[-1].time_ms,
        num_events=len(session.events),
        sha256=session.sha256,
    )


"""Name of a prediction by counts -> how many kinds before and after it looks at."""


def main() -> None:
    """Reads the recordings twice: for the BPE, then for windows and questions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("output", type=Path, help="an archive, .tar.xz")
    parser.add_argument("--every", type=int, default=1, help="take every N-th session of a split")
    parser.add_argument("--windows_per_session", type=int, default=64)
    parser.add_argument("--questions_per_session", type=int, default=12)
    parser.add_argument("--bpe_chars", type=int, default=60_000_000)
    parser.add_argument("--reuse", type=Path, help="an archive whose tokenizer and shards stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.reuse is None:
            write_shards(folder, arguments)
        else:
            with tarfile.open(arguments.reuse, "r:xz") as archive:
                archive.extractall(folder, filter="data")
        num_questions = write_questions(folder, arguments)
        with tarfile.open(arguments.output, "w:xz", preset=4) as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)
        print((folder / ABOUT_FILE).read_text())
    size = arguments.output.stat().st_size / 2**20
    print(f"{num_questions:,} questions; {arguments.output}: {size:.1f} MiB")


def chosen_sessions(arguments: argparse.Namespace) -> Iterator[RawSession]:
    """The sessions that the command is about."""
    return raw_sessions(arguments.recordings, arguments.corpus, every=arguments.every)


def write_shards(folder: Path, arguments: argparse.Namespace) -> None:
    """Train the tokenizer and write the windows of all splits."""
    bpe = train_bpe(chosen_sessions(arguments), arguments.bpe_chars)
    print(f"trained a BPE of {bpe.get_vocab_size():,} ids", flush=True)
    (folder / "tokenizer").mkdir()
    bpe.save(str(folder / TOKENIZER_FILE))
    num_ids, num_bytes = Counter[str](), Counter[str]()
    writers = {split: SplitWriter(folder, split) for split in SPLITS}
    for session in chosen_sessions(arguments):
        row = windows_of(session, bpe, arguments.windows_per_session)
        writers[session.split].append(row)
        num_ids[session.split] += len(row.ids)
        num_bytes[session.split] += len(bpe.decode(row.ids.tolist()).encode())
    for writer in writers.values():
        writer.close()
    bytes_per_id = {split: num_bytes[split] / number for split, number in num_ids.items()}
    about = {"ids": num_ids, "bytes_per_id": bytes_per_id}
    (folder / ABOUT_FILE).write_text(json.dumps(about, indent=1) + "\n")


def write_questions(folder: Path, arguments: argparse.Namespace) -> int:
    """Write the questions and return their number."""
    bpe = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    bpe.encode_special_tokens = True
    counts = KindCounts()
    questions = Questions(
        bpe=bpe, tokenizer=RRWebTokenizer(), per_session=arguments.questions_per_session
    )
    for session in chosen_sessions(arguments):
        if session.split == "train":
            counts.add([event.kind for event in session.events])
        else:
            questions.add(session)
    questions.save(folder / "questions.npz", counts)
    return len(questions.answers)


if __name__ == "__main__":
    main()
