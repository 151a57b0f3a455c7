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
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from tokenizers import ByteLevelBPETokenizer, Tokenizer

from data_prep.readers import Rejected
from data_prep.sessions import open_sessions
from data_prep.shards import SPLITS, SessionRow, SplitTable
from data_prep.split_writer import SplitWriter
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS, VOCAB_SIZE

WINDOW_TOKENS = 2048
ABOUT_FILE = "about.json"
TOKENIZER_FILE = "tokenizer/tokenizer.json"
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
EVENT_PREFIX = '{"type":3,"data":{"source":'
# A window's text, cut from the JSON before it is tokenised: 3.3 characters an id are usual, and
# where the first cut was too short, the second is not.
_CHARS_PER_TOKEN = (5, 64)
_INNER_SOURCES = {2: "[MI_", 7: "[ME_"}

KINDS = tuple(
    token
    for token in STRUCTURAL_TOKENS
    if token.startswith(("[IS_", "[MI_", "[ME_"))
    and token not in ("[IS_MouseInteraction]", "[IS_MediaInteraction]")
)
"""What can come next, as the heads of our vocabulary; the order of all scores."""


class Kind(NamedTuple):
    """A kind of incremental event in rrweb's own numbers; `inner` is `data.type`, else -1."""

    source: int
    inner: int = -1


def numbers_of_kinds() -> list[Kind]:
    """For each of KINDS its numbers in the JSON."""
    numbers = []
    for token in KINDS:
        if token.startswith("[IS_"):
            numbers.append(Kind(STRUCTURAL_IDS[token] - STRUCTURAL_IDS["[IS_Mutation]"]))
        else:
            source = 2 if token.startswith("[MI_") else 7
            first = "[MI_MouseUp]" if source == 2 else "[ME_Play]"
            numbers.append(Kind(source, STRUCTURAL_IDS[token] - STRUCTURAL_IDS[first]))
    return numbers


PLACE_OF_KIND = {kind: place for place, kind in enumerate(numbers_of_kinds())}


class _Inner(msgspec.Struct):
    source: int | None = None
    type: int | None = None


class _Shell(msgspec.Struct):
    type: int = -1
    timestamp: float = 0.0
    data: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """An event's JSON; `kind` is the place in KINDS, or below 0 for one that is not incremental."""

    text: str
    kind: int
    time_ms: float


@dataclass(kw_only=True)
class RawSession:
    """A session's events as JSON, in file order."""

    session_id: str
    split: str
    group: str
    sha256: str
    parts: list[bytes]
    events: list[RawEvent]

    @cached_property
    def text(self) -> str:
        """All events, joined by commas."""
        return ",".join(event.text for event in self.events)

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """(e,) int64: where each event begins in `text`."""
        lengths = [len(event.text) + 1 for event in self.events]
        return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)

    def rng(self, purpose: str) -> np.random.Generator:
        """Draws that follow from the session's name alone."""
        digest = blake2b(f"{purpose} {self.session_id}".encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest, "little"))


def raw_sessions(recordings: Path, corpus: Path, *, every: int = 1) -> Iterator[RawSession]:
    """The sessions of a corpus, every n-th of each split, with the JSON that they were made of."""
    places: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        table = SplitTable.open(corpus, split)
        for number in range(0, len(table), every):
            places[table.session_id(number)] = (split, table.group(number))
    found = 0
    for session in open_sessions(recordings):
        if isinstance(session, Rejected) or session.session_id not in places:
            continue
        split, group = places[session.session_id]
        found += 1
        yield RawSession(
            session_id=session.session_id,
            split=split,
            group=group,
            sha256=session.sha256,
            parts=session.parts,
            events=[event for part in session.parts for event in _events_of(part)],
        )
    if found < len(places):
        raise SystemExit(f"{len(places) - found} sessions of {corpus} are not in {recordings}")


def _events_of(part: bytes) -> Iterator[RawEvent]:
    is_list = part.lstrip()[:1] == b"["
    for raw in msgspec.json.decode(part, type=list[msgspec.Raw]) if is_list else [part]:
        text = bytes(raw).decode("utf-8", errors="replace")
        shell = msgspec.json.decode(raw, type=_Shell)
        kind = -1 - max(0, shell.type)
        if shell.type == 3:
            inner = msgspec.json.decode(shell.data, type=_Inner)
            source = -1 if inner.source is None else inner.source
            is_inner = source in _INNER_SOURCES and inner.type is not None
            numbers = Kind(source, inner.type if is_inner and inner.type is not None else -1)
            kind = PLACE_OF_KIND.get(numbers, kind)
        yield RawEvent(text=text, kind=kind, time_ms=shell.timestamp)


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


def first_ids(text: str, start: int, bpe: ByteLevelBPETokenizer) -> list[int]:
    """The ids of a text from `start` on, a window's at most."""
    ids: list[int] = []
    for chars_per_token in _CHARS_PER_TOKEN:
        stop = start + WINDOW_TOKENS * chars_per_token
        ids = bpe.encode(text[start:stop]).ids[: WINDOW_TOKENS - 2]
        if len(ids) == WINDOW_TOKENS - 2 or stop >= len(text):
            break
    return ids


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


CONTEXTS = {"frequency": (0, 0), "after one": (1, 0), "after two": (2, 0), "between": (1, 1)}
"""Name of a prediction by counts -> how many kinds before and after it looks at."""

BACK_OFF = {(0, 0): None, (1, 0): (0, 0), (2, 0): (1, 0), (1, 1): (1, 0)}


@dataclass(slots=True)
class KindCounts:
    """How often kinds stand in which contexts in train sessions."""

    counts: dict[tuple[int, int], Counter[tuple[int, ...]]] = field(
        default_factory=lambda: {context: Counter() for context in BACK_OFF}
    )

    def add(self, kinds: list[int]) -> None:
        """Count a session's kinds, one by one with what stands around each."""
        for (before, after), counter in self.counts.items():
            counter.update(
                (*kinds[i - before : i], *kinds[i + 1 : i + 1 + after], kinds[i])
                for i in range(before, len(kinds) - after)
                if kinds[i] >= 0
            )

    def log_probabilities(
        self, before: tuple[int, ...], after: tuple[int, ...], context: tuple[int, int]
    ) -> npt.NDArray[np.float64]:
        """(K,) natural logarithms, from counts in a context, smoothed (Witten-Bell) by a shorter.

        Args:
            before: kinds before, as many as there are up to two.
            after: the same after.
            context: how many of them to look at.
        """
        shares = np.full(len(KINDS), 1 / len(KINDS))
        shorter = BACK_OFF[context]
        if shorter is not None:
            shares = np.exp(self.log_probabilities(before, after, shorter))
        if len(before) >= context[0] and len(after) >= context[1]:
            around = (*before[len(before) - context[0] :], *after[: context[1]])
            counter = self.counts[context]
            numbers = np.array([counter[(*around, k)] for k in range(len(KINDS))], np.float64)
            num_types = np.count_nonzero(numbers)
            if num_types:
                shares = (numbers + num_types * shares) / (numbers.sum() + num_types)
        return np.log(shares)


ID_ROWS = ("json before", "json after", "our before", "our after")


@dataclass(slots=True, kw_only=True)
class Questions:
    """What is asked of held-out sessions; `add` draws from one."""

    bpe: Tokenizer
    tokenizer: RRWebTokenizer
    per_session: int
    ids: dict[str, list[npt.NDArray[np.uint16]]] = field(
        default_factory=lambda: {name: [] for name in ID_ROWS}
    )
    before: list[tuple[int, ...]] = field(default_factory=list)
    after: list[tuple[int, ...]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)

    def add(self, session: RawSession) -> None:
        """Ask about events that both representations tell apart, drawn uniformly."""
        encoded = self.tokenizer.encode_events(decode_events(session.parts).events)
        heads = encoded.ids[encoded.event_starts]
        written: dict[tuple[float, int], list[int]] = {}
        kind_of_head = {STRUCTURAL_IDS[token]: place for place, token in enumerate(KINDS)}
        for start, head, time_ms in zip(
            encoded.event_starts, heads, encoded.event_times_ms, strict=True
        ):
            place = kind_of_head.get(int(head))
            if place is not None:
                written.setdefault((float(time_ms), place), []).append(int(start))
        named = Counter((event.time_ms, event.kind) for event in session.events)
        can_ask = []
        for number, event in enumerate(session.events):
            key = (event.time_ms, event.kind)
            is_clear = named[key] == 1 and len(written.get(key, ())) == 1
            if number and event.kind >= 0 and is_clear and event.text.startswith(EVENT_PREFIX):
                can_ask.append((number, written[key][0]))
        rng = session.rng("questions")
        drawn = rng.permutation(len(can_ask))[: self.per_session]
        stops = np.append(encoded.event_starts[1:], len(encoded.ids))
        stop_of = dict(zip(encoded.event_starts.tolist(), stops.tolist(), strict=True))
        for number, start in (can_ask[place] for place in sorted(drawn)):
            self._ask_ours(encoded, start, stop_of[start])
            self._ask_json(session, number)

    def _ask_ours(self, encoded: EncodedSession, start: int, stop: int) -> None:
        room = WINDOW_TOKENS - 3  # [CLS], [MASK], [SEP]
        keyframes = encoded.keyframes
        inside = keyframes[(keyframes <= start) & (keyframes >= start - room)]
        opening = int(inside[0]) if len(inside) else max(0, start - room)
        self.ids["our before"].append(encoded.ids[opening:start])
        self.ids["our after"].append(encoded.ids[stop : stop + room])

    def _ask_json(self, session: RawSession, number: int) -> None:
        # Room for [CLS], [MASK], [SEP], and for the source and `,"type":` of the second question.
        room = WINDOW_TOKENS - 8
        begin, chars = int(session.starts[number]), room * _CHARS_PER_TOKEN[0]
        text = session.text[max(0, begin - chars) : begin] + EVENT_PREFIX
        self.ids["json before"].append(np.array(self.bpe.encode(text).ids[-room:], np.uint16))
        end = begin + len(session.events[number].text)
        text = "}}" + session.text[end : end + chars]
        self.ids["json after"].append(np.array(self.bpe.encode(text).ids[:room], np.uint16))
        kinds = [event.kind for event in session.events[max(0, number - 2) : number + 2]]
        self.before.append(tuple(kinds[: min(2, number)]))
        self.after.append(tuple(kinds[min(2, number) + 1 :]))
        self.answers.append(session.events[number].kind)
        self.sessions.append(session.session_id)
        self.groups.append(session.group)
        self.splits.append(session.split)

    def save(self, path: Path, counts: KindCounts) -> None:
        """Write everything as arrays; ragged ones flat, with where each stops."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "answers": np.array(self.answers, np.int64),
            "sessions": np.array(self.sessions),
            "groups": np.array(self.groups),
            "splits": np.array(self.splits),
            "previous": np.array([before[-1] for before in self.before], np.int64),
        }
        for name, rows in self.ids.items():
            arrays[f"ids {name}"] = np.concatenate([np.zeros(0, np.uint16), *rows])
            arrays[f"stops {name}"] = np.cumsum([len(row) for row in rows])
        for name, context in CONTEXTS.items():
            arrays[f"counts {name}"] = np.array(
                [
                    counts.log_probabilities(before, after, context)
                    for before, after in zip(self.before, self.after, strict=True)
                ]
            )
        np.savez(path, **arrays)


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
