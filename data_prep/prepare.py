"""Recordings -> a corpus folder, once: read, encode, split, write, and account for every file.

Files are encoded into sealed parts beside the output first (module `parts`), in any order; then the
parts are put together in the order of the manifest (module `merging`), beside the output again, and
renamed when complete. So the output is whole or not there, what an interrupted run has encoded is
not encoded again, nor is what an earlier corpus in the output holds (module `earlier`). The bytes
follow from the inputs, the tokenizer and the options alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

from filelock import FileLock

from data_prep.corpus import (
    FORMAT_VERSION,
    Identity,
    PreparedCorpus,
    is_corpus,
    open_corpus,
    write_corpus,
)
from data_prep.dropping import count_windows, drop_near_duplicates
from data_prep.earlier import EarlierCorpus
from data_prep.encoding import (
    EncoderFactory,
    SessionEncoder,
    load_tokenizer,
    recogniser_hash,
    tokenizer_code_hash,
    tokenizer_hashes,
)
from data_prep.engine import check_engine, opened_engine
from data_prep.errors import DataError
from data_prep.files import finish_replacing, put_in_place, sha256_of
from data_prep.ledger import Ledger
from data_prep.manifest import LEDGER_FILE, STAMPS_FILE, Manifest, list_sources
from data_prep.merging import Merge
from data_prep.part_encoding import encode_parts
from data_prep.parts import PartFolder, source_key
from data_prep.prepare_options import PrepareOptions
from data_prep.progress import Progress
from data_prep.readers import reader_of
from data_prep.remote import is_remote, shown
from data_prep.reuse import hash_of_inputs, newest_corpus, reusable_corpus
from data_prep.splits import check_not_empty
from data_prep.summary import summary_of

__all__ = [
    "LEDGER_FILE",
    "PrepareOptions",
    "PreparedCorpus",
    "default_cache_dir",
    "find_prepared",
    "open_or_prepare",
    "prepare",
]

_UNSAFE: Final = re.compile(r"[^\w.-]")


def prepare(
    inputs: Sequence[Path | str],
    output: Path,
    options: PrepareOptions,
    *,
    encoder_factory: EncoderFactory | None = None,
    report: Callable[[str], None] = print,
    work_name: str | None = None,
    earlier: Path | None = None,
) -> PreparedCorpus:
    """Prepare recordings into a corpus folder, or reuse the folder where it already holds them.

    What an interrupted call has encoded is not encoded again, and neither is what the folder holds
    already, where files were added since. Files are the same where name, size and time are.

    Args:
        inputs: Folders (recursively), files, and addresses as "s3://bucket/prefix".
        output: The corpus folder; made, with the folders above it.
        options: See `PrepareOptions`.
        encoder_factory: Makes the tokenizer, in each process; must pickle.
        report: Takes each message for the user.
        work_name: Names lock and parts, beside the output; as the output where not given.
        earlier: A corpus whose sessions may be taken; the one in the output where not given.

    Raises:
        DataError: Nothing to prepare, an empty split, or an output that is something else.
    """
    output = output.absolute()
    check_engine(options.engine)
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
    work_name = work_name or output.name
    # Several processes may want the same corpus at once: one prepares it, the others open it.
    with FileLock(output.parent / f".{work_name}.lock"):
        parts_dir = output.with_name(f".{work_name}.parts")
        finish_replacing(_partial_of(output), output, is_complete=is_corpus)
        existing = reusable_corpus(output, manifest, tokenizer, options)
        if existing is not None:
            shutil.rmtree(parts_dir, ignore_errors=True)
            report(f"{output} already holds these recordings; it is used as it is")
            return existing
        if manifest.skipped:
            skipped = ", ".join(f"{number} {what}" for what, number in manifest.skipped.items())
            report(f"not looked at: {skipped}")
        job = _Preparation(manifest, output, options, tokenizer, report)
        return job.run(encoder, factory, parts_dir, earlier or output)


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
    output, stem = _cache_place(data_dir, cache_dir, options)
    if not is_corpus(output):
        report(f"preparing {shown(str(data_dir))} once, into {output}")
    return prepare(
        [data_dir],
        output,
        options,
        encoder_factory=encoder_factory,
        report=report,
        work_name=stem,
        earlier=newest_corpus(output.parent, stem),
    )


def find_prepared(
    data_dir: Path | str, *, cache_dir: Path | None = None, options: PrepareOptions
) -> PreparedCorpus | None:
    """Return what `open_or_prepare` would open, None where it would prepare. Writes nothing."""
    data_dir = data_dir if is_remote(data_dir) else Path(data_dir)
    if isinstance(data_dir, Path) and is_corpus(data_dir):
        return open_corpus(data_dir)
    output, _ = _cache_place(data_dir, cache_dir, options)
    return open_corpus(output) if is_corpus(output) else None


def _cache_place(
    data_dir: Path | str, cache_dir: Path | None, options: PrepareOptions
) -> tuple[Path, str]:
    """Return the folder of a corpus in the cache, and how the names of its other states begin."""
    manifest = list_sources([data_dir])
    key = [
        data_dir if isinstance(data_dir, str) else os.path.realpath(data_dir),
        tokenizer_code_hash(),
        options.tokenizer_name_or_path,
        recogniser_hash(options.recogniser),
        options.deciding(),
    ]
    place = PurePosixPath(shown(data_dir)) if isinstance(data_dir, str) else data_dir.absolute()
    # Of one folder in different states, names begin alike: one state's sessions serve the next.
    stem = f"{_UNSAFE.sub('_', place.name) or 'corpus'}-{_digest_of(key)}"
    corpora = (cache_dir or default_cache_dir()) / "corpora"
    return corpora / f"{stem}-{manifest.quick_hash()[:8]}", stem


def default_cache_dir() -> Path:
    """Return $RRWEB_BERT_CACHE, or ~/.cache/rrweb-bert."""
    named = os.environ.get("RRWEB_BERT_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "rrweb-bert"


class _Preparation:
    """One run over all files."""

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

    def run(
        self, encoder: SessionEncoder, factory: EncoderFactory, parts_dir: Path, earlier_dir: Path
    ) -> PreparedCorpus:
        """Encode what no store holds, write the corpus beside its place, and put it there."""
        began = time.monotonic()
        shutil.rmtree(self._partial, ignore_errors=True)
        key = [FORMAT_VERSION, self._tokenizer, self._options.deciding()]
        parts = PartFolder(parts_dir, _digest_of(key), self._report)
        num_found = len(parts)
        earlier = EarlierCorpus(self._earlier(earlier_dir), self._report)
        num_bytes = self._encode_missing(encoder, factory, parts, earlier)
        self._partial.mkdir()
        options, sources = self._options, self._manifest.sources
        try:
            with Merge(
                self._partial, len(sources), max_shard_bytes=options.max_shard_bytes
            ) as merge:
                merge.add_all(sources, [parts, earlier])
                corpus, ledger = self._finish(merge)
        except DataError:
            # The recordings are at fault, and other ones or other options are what comes next.
            if num_found == 0:
                parts.remove()
            raise
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)
        parts.remove()
        self._report(summary_of(corpus, ledger, num_bytes, time.monotonic() - began))
        return corpus

    def _earlier(self, folder: Path) -> PreparedCorpus | None:
        """Return the corpus in a folder where its sessions are as this run would make them."""
        if not is_corpus(folder):
            return None
        try:
            corpus = open_corpus(folder)
        except DataError:
            return None
        wanted = Identity(
            inputs=corpus.identity.inputs,
            tokenizer=self._tokenizer,
            options=self._options.deciding(),
        )
        return None if wanted.differences(corpus.identity) else corpus

    def _encode_missing(
        self,
        encoder: SessionEncoder,
        factory: EncoderFactory,
        parts: PartFolder,
        earlier: EarlierCorpus,
    ) -> int:
        """Encode the files that no store holds, and return the number of their bytes."""
        options, sources = self._options, self._manifest.sources
        missing = [
            source
            for source, key in zip(sources, map(source_key, sources), strict=True)
            if key not in parts and key not in earlier
        ]
        num_bytes = sum(source.num_bytes for source in missing)
        if len(missing) < len(sources):
            self._report(
                f"{len(sources) - len(missing):,} of {len(sources):,} files are encoded already; "
                f"{len(missing):,} are left"
            )
        if not missing:
            return 0
        progress = Progress(len(missing), num_bytes, is_shown=options.show_progress)
        num_retries = 0
        with (
            closing(progress),
            opened_engine(
                options.engine,
                num_proc=options.num_proc,
                num_bytes=num_bytes,
                address=options.address,
                report=self._report,
            ) as engine,
        ):
            for part in encode_parts(
                missing, encoder, factory, options.encoding(), parts.folder, engine
            ):
                parts.add(part.name)
                num_retries += part.num_retries
                progress.advance(part.num_bytes, part.num_files)
        if num_retries:
            self._report(f"{num_retries:,} transfers broke and were tried again")
        return num_bytes

    def _finish(self, merge: Merge) -> tuple[PreparedCorpus, Ledger]:
        options = self._options
        splits, ledger, num_windows = merge.finish(), merge.ledger, merge.num_windows
        if options.drop_near_duplicates:
            splits, ledger = drop_near_duplicates(
                self._partial, splits, ledger, max_shard_bytes=options.max_shard_bytes
            )
            num_windows = count_windows(self._partial)
        num_sessions = {split: summary.num_sessions for split, summary in splits.items()}
        if not any(num_sessions.values()):
            raise DataError(_nothing_accepted(ledger))
        check_not_empty(
            num_sessions,
            len(merge.groups),
            group_by=options.group_by,
            test_fraction=options.test_fraction,
            validation_fraction=options.validation_fraction,
        )
        identity = Identity(
            inputs=hash_of_inputs(self._manifest, merge.file_hashes),
            tokenizer=self._tokenizer,
            options=options.deciding(),
        )
        corpus = PreparedCorpus(
            path=self._output,
            fingerprint=identity.fingerprint(),
            identity=identity,
            quick_inputs=self._manifest.quick_hash(),
            splits=splits,
            num_windows=dict(num_windows),
            num_listed=ledger.num_listed,
            num_accepted=ledger.num_accepted,
            num_rejected=ledger.num_rejected,
            counts=dict(ledger.counts),
            num_rejected_events=ledger.num_rejected_events,
            ledger_sha256=sha256_of(ledger.path),
            stamps_sha256=sha256_of(self._partial / STAMPS_FILE),
        )
        write_corpus(corpus, self._partial)
        put_in_place(self._partial, self._output)
        return corpus, ledger


def _digest_of(key: list[Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def _partial_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.partial")


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
