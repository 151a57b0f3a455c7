"""Recordings -> a SentencePiece BPE model for their texts, from the train split alone.

`python -m data_prep train-text-model INPUT... --output DIR` writes a tokenizer with that model, for
`--tokenizer_name_or_path`; an output that ends in `.model` gets the bare model.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sentencepiece

from data_prep.encoding import group_of_session, named_recogniser, unit_of
from data_prep.errors import DataError
from data_prep.files import put_in_place, sync_file, sync_folder
from data_prep.grouping import GROUP_BY_HELP, MISSING_GROUP, Grouping, parse_grouping
from data_prep.limits import DEFAULT_LIMITS
from data_prep.manifest import Source, list_sources
from data_prep.progress import Progress
from data_prep.readers import Rejected, Session
from data_prep.reading_options import add_reading_options
from data_prep.sessions import sessions_of
from data_prep.splits import group_of, split_of
from data_prep.text_sample import MAX_SAMPLE_CHARS, TextCollector, TextSample
from rrweb_tokenizer.command_line import CommandParser
from rrweb_tokenizer.recognisers import Recogniser
from rrweb_tokenizer.schema import Event, MetaEvent, decode_events
from rrweb_tokenizer.serializer import Serializer
from rrweb_tokenizer.structural_vocab import MAX_VOCAB_SIZE, NUM_STRUCTURAL, NUM_TEXT_PIECES
from rrweb_tokenizer.telling.wording import counted

__all__ = [
    "CollectOptions",
    "add_arguments",
    "collect_texts",
    "run",
    "train_text_model",
]

_MIN_PIECES: Final = 300  # 256 bytes, the unknown piece, and some to spell with
_MAX_PIECES: Final = MAX_VOCAB_SIZE - NUM_STRUCTURAL

# Characters that get a piece whether or not the texts hold them: letters of European languages and
# the marks of typography. Others become bytes unless the texts hold enough of them.
_ALWAYS_COVERED: Final = "".join(
    chr(code)
    for start, stop in ((0x21, 0x7F), (0xA1, 0x180), (0x386, 0x3CF), (0x401, 0x460))
    for code in range(start, stop)
    if chr(code).isprintable() and code not in (0x38B, 0x38D, 0x3A2)
) + (
    "\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2022"
    "\u2026\u2039\u203a\u20ac\u2122\u2190\u2191\u2192\u2193\u2212\u2713\u00d7"
)


def train_text_model(
    texts: Iterable[str],
    *,
    vocab_size: int = NUM_TEXT_PIECES,
    max_chars: int = MAX_SAMPLE_CHARS,
    seed: int = 0,
    character_coverage: float = 0.9995,
) -> bytes:
    """Return the bytes of a SentencePiece BPE model of the texts.

    The same set of texts gives the same bytes, in whatever order they come. Text is taken as it is:
    identity normalisation but for extra spaces, byte fallback, digits one by one (so no number can
    become a piece), no control pieces.

    Args:
        texts: Normalised and redacted texts.
        vocab_size: Number of pieces, 256 bytes and the unknown piece included.
        max_chars: Bound on the characters that are used; a keyed sample where there are more.
        seed: Key of that sample.
        character_coverage: Share of the characters that get a piece of their own.

    Raises:
        DataError: There is too little text for so many pieces.
    """
    sample = TextSample(max_chars=max_chars, seed=seed)
    sample.extend(texts)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sample),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            required_chars=_ALWAYS_COVERED if vocab_size >= NUM_TEXT_PIECES else "",
            normalization_rule_name="identity",
            remove_extra_whitespaces=True,
            add_dummy_prefix=True,
            byte_fallback=True,
            split_digits=True,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            # Bytes; no text is left out for its length.
            max_sentence_length=1 << 20,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"{counted(len(sample), 'distinct text')} of {sample.num_chars:,} characters: too few "
            f"for {vocab_size:,} pieces ({str(error).rpartition(']')[2].strip()}). Remedies: give "
            "more recordings, or a smaller --vocab_size"
        ) from error
    return model.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectOptions:
    """Which sessions texts are taken from: the train split, by the rules of `prepare`."""

    grouping: Grouping = field(default_factory=lambda: parse_grouping("auto"))
    """What the split keeps together."""

    test_fraction: float = 0.05
    """Share of the groups set aside for the test split, first."""

    validation_fraction: float = 0.1
    """Share of the others for validation."""

    salt: str = ""
    """Another salt deals the groups out anew."""

    reader: str | None = None
    """Name of the reader that reads every file; by content where not given."""

    exclude_sites: frozenset[str] = frozenset()
    """Hosts of the first page, or names of the folders that files lie in, that are left out."""


def collect_texts(
    sources: Sequence[Source],
    sample: TextSample,
    options: CollectOptions,
    recogniser: Recogniser | None = None,
    *,
    show_progress: bool = False,
) -> Counter[str]:
    """Offer every text that the serializer would encode to the sample.

    Returns:
        How many sessions were used, excluded, in other splits, or rejected.
    """
    serializer = Serializer(TextCollector(sample, recogniser))
    outcomes: Counter[str] = Counter()
    num_bytes = sum(source.num_bytes for source in sources)
    progress = Progress(len(sources), num_bytes, verb="read", is_shown=show_progress)
    for source in sources:
        for session in sessions_of(source, DEFAULT_LIMITS, reader=options.reader):
            if isinstance(session, Rejected):
                outcomes["rejected"] += 1
                continue
            events = decode_events(session.parts).events
            outcome = _fate(session, source, events, options)
            outcomes[outcome] += 1
            if outcome == "used":
                serializer.serialize(events)
        progress.advance(source.num_bytes)
    progress.close()
    return outcomes


def run(parsed: argparse.Namespace) -> int:
    """Train as the arguments say; see `add_arguments`.

    Raises:
        DataError: There is too little text, or the output is in the way.
    """
    started = time.monotonic()
    try:
        grouping = parse_grouping(
            parsed.group_by, manifest=parsed.manifest, missing_group=parsed.missing_group
        )
    except ValueError as error:
        parsed.parser.error(str(error))
    if not _MIN_PIECES <= parsed.vocab_size <= _MAX_PIECES:
        parsed.parser.error(f"--vocab_size must be in [{_MIN_PIECES}, {_MAX_PIECES}]")
    is_bare = parsed.output.suffix == ".model"
    if not is_bare and parsed.output.exists() and any(parsed.output.iterdir()):
        raise DataError(f"{parsed.output} exists already; choose another --output, or remove it")
    recogniser = named_recogniser(parsed.recogniser)
    sources = list_sources(parsed.inputs).sources
    sample = TextSample(max_chars=parsed.max_chars, seed=parsed.seed)
    options = CollectOptions(
        grouping=grouping,
        test_fraction=parsed.test_fraction,
        validation_fraction=parsed.validation_fraction,
        salt=parsed.salt,
        exclude_sites=frozenset(parsed.exclude_site),
        reader=parsed.reader,
    )
    outcomes = collect_texts(sources, sample, options, recogniser, show_progress=True)
    model = train_text_model(
        sample, vocab_size=parsed.vocab_size, max_chars=parsed.max_chars, seed=parsed.seed
    )
    if is_bare:
        _write_atomically(parsed.output, model)
    else:
        _write_tokenizer(parsed.output, model, recogniser)
    for line in _report(outcomes, sample, model):
        print(line)
    print(f"{parsed.output}: {len(model):,} bytes in {time.monotonic() - started:.0f} s")
    if not is_bare:
        print(
            f"use it with: python -m data_prep prepare ... --tokenizer_name_or_path {parsed.output}"
            ", and the same in train_mlm.py"
        )
    return 0


def _fate(
    session: Session, source: Source, events: Sequence[Event], options: CollectOptions
) -> str:
    first_meta = next((event for event in events if isinstance(event, MetaEvent)), None)
    href = first_meta.data.href if first_meta is not None else None
    folder = source.path.parent.name.encode(errors="replace").decode()
    site = group_of(
        group_by="site",
        file_id=unit_of(session, source),
        fields=session.fields,
        first_href=href,
        parent_folder=folder,
    )
    group = group_of_session(session, source, events, options.grouping)
    if group is None:
        return "without a group"
    if options.exclude_sites & {folder, (site or "").removeprefix("site:")}:
        return "excluded"
    split = split_of(
        group,
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        salt=options.salt,
    )
    return "used" if split == "train" else f"left to {split}"


def _report(outcomes: Counter[str], sample: TextSample, model: bytes) -> Iterator[str]:
    sessions = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
    yield f"sessions: {sessions}"
    yield (
        f"texts: {sample.num_texts_seen:,} seen, {len(sample):,} distinct kept, "
        f"{sample.num_chars:,} characters"
    )
    yield f"sha256: {hashlib.sha256(model).hexdigest()}"


def _write_atomically(path: Path, content: bytes) -> None:
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    sync_file(temporary)
    temporary.replace(path)
    sync_folder(path.absolute().parent)


def _write_tokenizer(folder: Path, model: bytes, recogniser: Recogniser | None) -> None:
    """Write a tokenizer with the model; the folder is whole or not there."""
    from rrweb_tokenizer import RRWebTokenizer

    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as work:
        bare = Path(work) / "text_bpe.model"
        bare.write_bytes(model)
        made = Path(work) / "tokenizer"
        RRWebTokenizer(bpe_model_file=bare, recogniser=recogniser).save_pretrained(made)
        put_in_place(made, folder)


def add_arguments(parser: CommandParser) -> None:
    """Describe the command."""
    parser.description = (
        "Train a text model on the texts of recordings, those of the train split, and write a "
        "tokenizer with it."
    )
    parser.set_example("recordings/ --output tokenizer")
    defaults = CollectOptions()
    add = parser.add_argument
    add("inputs", metavar="INPUT", nargs="+", help="folder (recursively), file or address")
    add(
        "--output",
        required=True,
        type=Path,
        help="tokenizer folder to write; the bare model where it ends in .model",
    )
    add(
        "--vocab_size",
        type=int,
        default=NUM_TEXT_PIECES,
        help=f"number of pieces, at most {_MAX_PIECES}",
    )
    add("--max_chars", type=int, default=MAX_SAMPLE_CHARS, help="characters of text to use")
    add("--seed", type=int, default=0, help="key of the sample, where not all text is used")
    add("--group_by", default=defaults.grouping.rule, help=GROUP_BY_HELP)
    add("--manifest", type=Path, help="as in prepare")
    add("--missing_group", choices=MISSING_GROUP, default="reject", help="as in prepare")
    add("--test_fraction", type=float, default=defaults.test_fraction, help="as in prepare")
    add("--validation_fraction", type=float, default=defaults.validation_fraction, help="as there")
    add("--salt", default=defaults.salt, help="as in prepare")
    add_reading_options(parser)
    add(
        "--exclude_site",
        metavar="NAME",
        nargs="*",
        action="extend",
        default=[],
        help="host, or name of the folder of files, to leave out",
    )
