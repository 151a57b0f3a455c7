"""Recordings -> a corpus folder, once: read, encode, split, write, and account for every file.

The output is written to a folder beside it and renamed when complete, so it is either whole or not
there. Its bytes follow from the inputs, the tokenizer and the options, not from the number of
processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from filelock import FileLock

from data_prep.corpus import (
    WINDOW_IDS,
    Identity,
    PreparedCorpus,
    inputs_hash,
    is_corpus,
    open_corpus,
    write_corpus,
)
from data_prep.dropping import count_windows, drop_near_duplicates
from data_prep.encoding import (
    EncodedFile,
    EncoderFactory,
    EncodingOptions,
    SessionEncoder,
    file_sha256,
    load_tokenizer,
    recogniser_hash,
    tokenizer_code_hash,
    tokenizer_hashes,
)
from data_prep.errors import DataError
from data_prep.files import put_in_place, sha256_of
from data_prep.grouping import Grouping, MissingGroup, cached_grouping
from data_prep.ledger import FileOutcome, Ledger
from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.manifest import LEDGER_FILE, Manifest, list_sources
from data_prep.pool import encode_sources, processes_for
from data_prep.progress import Progress
from data_prep.readers import reader_of
from data_prep.remote import is_remote, shown
from data_prep.shards import SPLITS, SplitWriter
from data_prep.splits import check_not_empty
from data_prep.summary import summary_of

__all__ = [
    "LEDGER_FILE",
    "PrepareOptions",
    "PreparedCorpus",
    "default_cache_dir",
    "open_or_prepare",
    "prepare",
]

_UNSAFE: Final = re.compile(r"[^\w.-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """How recordings are prepared.

    Raises:
        ValueError: A field is out of its range.
    """

    group_by: str = "auto"
    """What the split keeps together: see module `grouping`."""

    manifest: Path | None = None
    """Table of the files, for group_by column:NAME."""

    missing_group: MissingGroup = "reject"
    """What becomes of sessions that lack what `group_by` asks for."""

    drop_near_duplicates: bool = False
    """Leave out validation and test sessions that are nearly the same as one of another split."""

    test_fraction: float = 0.05
    """Share of the groups set aside for the test split, first."""

    validation_fraction: float = 0.1
    """Share of the others for validation."""

    salt: str = ""
    """Another salt deals the groups out anew."""

    tokenizer_name_or_path: str | None = None
    """Folder of a tokenizer; the shipped one where not given."""

    recogniser: str | None = None
    """Name of a recogniser for what patterns cannot find, "module:function"."""

    num_proc: int | None = None
    """Processes; where not given, as many as there are cores and work for them."""

    overwrite: bool = False
    """Replace a corpus of another fingerprint."""

    max_shard_bytes: int = 512 << 20
    """A new file of a split is begun after this many bytes of ids."""

    show_progress: bool = True
    """Show a bar on a terminal, plain lines elsewhere."""

    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    """Caps on what is read from one file."""

    reader: str | None = None
    """Name of the reader that reads every file; by content where not given."""

    def __post_init__(self) -> None:
        self.grouping()
        for name in ("test_fraction", "validation_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.num_proc is not None and self.num_proc < 1:
            raise ValueError(f"num_proc must be positive, got {self.num_proc}")

    def grouping(self) -> Grouping:
        """Return the rule that `group_by` names; reads the manifest, where there is one.

        Raises:
            ValueError: The rule cannot work, or the manifest cannot be read; says why.
        """
        return cached_grouping(self.group_by, self.manifest, self.missing_group)

    def deciding(self) -> dict[str, Any]:
        """Return those options that decide the bytes of the corpus."""
        names = [
            "group_by",
            "test_fraction",
            "validation_fraction",
            "salt",
            "max_shard_bytes",
            "reader",
        ]
        # Named only where they differ from the default, so that older corpora are still the same.
        if self.missing_group != "reject":
            names.append("missing_group")
        if self.drop_near_duplicates:
            names.append("drop_near_duplicates")
        deciding = {name: getattr(self, name) for name in names} | {"limits": asdict(self.limits)}
        table = self.grouping().table
        return deciding if table is None else deciding | {"manifest": table.sha256()}


def prepare(
    inputs: Sequence[Path | str],
    output: Path,
    options: PrepareOptions,
    *,
    encoder_factory: EncoderFactory | None = None,
    report: Callable[[str], None] = print,
) -> PreparedCorpus:
    """Prepare recordings into a corpus folder, or reuse the folder where it already holds them.

    Args:
        inputs: Folders (recursively), files, and addresses as "s3://bucket/prefix".
        output: The corpus folder; made, with the folders above it.
        options: See `PrepareOptions`.
        encoder_factory: Makes the tokenizer, in each process; must pickle.
        report: Takes each message for the user.

    Raises:
        DataError: Nothing to prepare, an empty split, or an output that is something else.
    """
    output = output.absolute()
    if options.reader is not None:
        reader_of(options.reader)  # a wrong name is an error before any work
    manifest = list_sources(inputs, exclude=[output, _partial_of(output)])
    factory = encoder_factory or partial(
        load_tokenizer, options.tokenizer_name_or_path, options.recogniser
    )
    encoder = factory()
    tokenizer = tokenizer_hashes(encoder) | {"code": tokenizer_code_hash()}
    tokenizer |= recogniser_hash(options.recogniser)
    output.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may want the same corpus at once: one prepares it, the others open it.
    with FileLock(output.parent / f".{output.name}.lock"):
        existing = _reusable(output, manifest, tokenizer, options)
        if existing is not None:
            report(f"{output} already holds these recordings; it is used as it is")
            return existing
        if manifest.skipped:
            skipped = ", ".join(f"{number} {what}" for what, number in manifest.skipped.items())
            report(f"not looked at: {skipped}")
        job = _Preparation(manifest, output, options, tokenizer, report)
        return job.run(encoder, factory)


def open_or_prepare(
    data_dir: Path | str,
    *,
    cache_dir: Path | None = None,
    options: PrepareOptions,
    encoder_factory: EncoderFactory | None = None,
    report: Callable[[str], None] = print,
) -> PreparedCorpus:
    """Open a prepared folder, or prepare raw recordings once into a cache.

    Within the cache, files are taken to be the same where names, sizes and times of change are.

    Args:
        data_dir: A prepared corpus, or recordings: a folder, one file, or an address.
        cache_dir: Where prepared corpora are kept; `default_cache_dir()` where not given.
        options: See `PrepareOptions`; without effect on a prepared corpus.
        encoder_factory: As in `prepare`.
        report: Takes each message for the user.
    """
    data_dir = data_dir if is_remote(data_dir) else Path(data_dir)
    if isinstance(data_dir, Path) and is_corpus(data_dir):
        return open_corpus(data_dir)
    manifest = list_sources([data_dir])
    key = json.dumps(
        [
            data_dir if isinstance(data_dir, str) else os.path.realpath(data_dir),
            manifest.quick_hash(),
            tokenizer_code_hash(),
            options.tokenizer_name_or_path,
            recogniser_hash(options.recogniser),
            options.deciding(),
        ]
    )
    place = PurePosixPath(shown(data_dir)) if isinstance(data_dir, str) else data_dir.absolute()
    stem = _UNSAFE.sub("_", place.name) or "corpus"
    name = f"{stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    output = (cache_dir or default_cache_dir()) / "corpora" / name
    if not is_corpus(output):
        report(f"preparing {shown(str(data_dir))} once, into {output}")
    return prepare([data_dir], output, options, encoder_factory=encoder_factory, report=report)


def default_cache_dir() -> Path:
    """Return $RRWEB_BERT_CACHE, or ~/.cache/rrweb-bert."""
    named = os.environ.get("RRWEB_BERT_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "rrweb-bert"


class _Preparation:
    """One run over all files: the state that lives while the output grows."""

    def __init__(
        self,
        manifest: Manifest,
        output: Path,
        options: PrepareOptions,
        tokenizer: dict[str, str],
        report: Callable[[str], None],
    ) -> None:
        self._manifest, self._output, self._options = manifest, output, options
        self._tokenizer, self._report = tokenizer, report
        self._partial = _partial_of(output)
        self._file_hashes: list[str] = []
        self._first_with: dict[str, str] = {}
        self._groups: set[str] = set()
        self._num_retries = 0
        self._num_windows = Counter(dict.fromkeys(SPLITS, 0))

    def run(self, encoder: SessionEncoder, factory: EncoderFactory) -> PreparedCorpus:
        """Write the corpus beside its place and put it there; leave nothing behind on failure."""
        # What an interrupted run left is not continued: it may lack its last batch.
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir()
        options = self._options
        progress = Progress(
            len(self._manifest.sources), self._manifest.num_bytes, is_shown=options.show_progress
        )
        ledger = Ledger(path=self._partial / LEDGER_FILE, num_listed=len(self._manifest.sources))
        writers = {
            split: SplitWriter(self._partial, split, max_shard_bytes=options.max_shard_bytes)
            for split in SPLITS
        }
        is_complete = False
        try:
            self._encode_all(encoder, factory, writers, ledger, progress)
            progress.close()
            corpus, ledger = self._finish(writers, ledger)
            is_complete = True
        finally:
            if not is_complete:
                progress.close()
                ledger.abort()
                for writer in writers.values():
                    writer.abort()
                shutil.rmtree(self._partial, ignore_errors=True)
        if self._num_retries:
            self._report(f"{self._num_retries:,} transfers broke and were tried again")
        self._report(summary_of(corpus, ledger, self._manifest.num_bytes, progress.seconds))
        return corpus

    def _encode_all(
        self,
        encoder: SessionEncoder,
        factory: EncoderFactory,
        writers: dict[str, SplitWriter],
        ledger: Ledger,
        progress: Progress,
    ) -> None:
        options, sources = self._options, self._manifest.sources
        encoding = EncodingOptions(
            grouping=options.grouping(),
            test_fraction=options.test_fraction,
            validation_fraction=options.validation_fraction,
            salt=options.salt,
            limits=options.limits,
            reader=options.reader,
        )
        num_proc = processes_for(options.num_proc, self._manifest.num_bytes)
        for encoded in encode_sources(sources, encoder, factory, encoding, num_proc):
            self._num_retries += encoded.num_retries
            ledger.record(self._accept(encoded, writers))
            progress.advance(encoded.source.num_bytes)

    def _accept(self, encoded: EncodedFile, writers: dict[str, SplitWriter]) -> FileOutcome:
        """Write a file's sessions, but those whose content came before: they would leak."""
        source = encoded.source
        reasons, outcomes = list(encoded.reasons), []
        for row, outcome in encoded.sessions:
            first = self._first_with.setdefault(row.sha256, row.session_id)
            if first != row.session_id:
                reasons.append(f"same content as another session ({first})")
                continue
            writers[row.split].append(row)
            outcomes.append(outcome)
            self._groups.add(row.group)
            self._num_windows[row.split] += -(-len(row.ids) // WINDOW_IDS)
        self._file_hashes.append(encoded.sha256)
        return FileOutcome(
            file=source.relative,
            num_bytes=source.num_bytes,
            sha256=encoded.sha256,
            sessions=tuple(outcomes),
            reasons=tuple(reasons),
        )

    def _finish(
        self, writers: dict[str, SplitWriter], ledger: Ledger
    ) -> tuple[PreparedCorpus, Ledger]:
        options = self._options
        ledger.close()
        splits = {split: writer.close() for split, writer in writers.items()}
        if options.drop_near_duplicates:
            splits, ledger = drop_near_duplicates(
                self._partial, splits, ledger, max_shard_bytes=options.max_shard_bytes
            )
            self._num_windows = count_windows(self._partial)
        num_sessions = {split: summary.num_sessions for split, summary in splits.items()}
        if not any(num_sessions.values()):
            raise DataError(_nothing_accepted(ledger))
        check_not_empty(
            num_sessions,
            len(self._groups),
            group_by=options.group_by,
            test_fraction=options.test_fraction,
            validation_fraction=options.validation_fraction,
        )
        identity = Identity(
            inputs=_inputs_hash(self._manifest, self._file_hashes),
            tokenizer=self._tokenizer,
            options=options.deciding(),
        )
        corpus = PreparedCorpus(
            path=self._output,
            fingerprint=identity.fingerprint(),
            identity=identity,
            quick_inputs=self._manifest.quick_hash(),
            splits=splits,
            num_windows=dict(self._num_windows),
            num_listed=ledger.num_listed,
            num_accepted=ledger.num_accepted,
            num_rejected=ledger.num_rejected,
            counts=dict(ledger.counts),
            num_rejected_events=ledger.num_rejected_events,
            ledger_sha256=sha256_of(ledger.path),
        )
        write_corpus(corpus, self._partial)
        put_in_place(self._partial, self._output)
        return corpus, ledger


def _reusable(
    output: Path, manifest: Manifest, tokenizer: dict[str, str], options: PrepareOptions
) -> PreparedCorpus | None:
    """Return the corpus in `output` where it is the one asked for, None where it is to be made."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    if not is_corpus(output):
        raise DataError(f"{output} exists and is no prepared corpus; choose another --output")
    if options.overwrite:
        return None
    corpus = open_corpus(output)
    inputs = corpus.identity.inputs
    if corpus.quick_inputs != manifest.quick_hash():
        inputs = _inputs_hash(
            manifest, [file_sha256(source, options.limits) for source in manifest.sources]
        )
    wanted = Identity(inputs=inputs, tokenizer=tokenizer, options=options.deciding())
    differences = wanted.differences(corpus.identity)
    if not differences:
        return corpus
    raise DataError(
        f"{output} holds another corpus (different: {', '.join(differences)}); "
        "choose another --output, or replace it with --overwrite"
    )


def _partial_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.partial")


def _inputs_hash(manifest: Manifest, file_hashes: Sequence[str]) -> str:
    return inputs_hash(
        (source.relative, source.num_bytes, sha256)
        for source, sha256 in zip(manifest.sources, file_hashes, strict=True)
    )


def _nothing_accepted(ledger: Ledger) -> str:
    reasons = "; ".join(
        f"{number} x {reason} (first: {ledger.examples[reason]})"
        for reason, number in ledger.reasons.most_common(5)
    )
    return (
        f"none of {ledger.num_listed} files is a recording that can be used: {reasons}. "
        "Recordings are JSON: a list of rrweb events, an object with an 'events' list, one "
        "event a line, or one of the forms in docs/containers.md"
    )
