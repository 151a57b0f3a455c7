"""Recordings -> a corpus folder, once: read, encode, split, write, and account for every file.

Files are encoded into sealed parts beside the output first (module `parts`), in any order; then the
parts are put together in the order of the manifest (module `merging`), beside the output again, and
renamed when complete. So the output is whole or not there, what an interrupted run has encoded is
not encoded again, nor is what an earlier corpus in the output holds (module `earlier`). The bytes
follow from the inputs, the tokenizer and the options alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from data_prep.cache import default_cache_dir
from data_prep.corpus import PreparedCorpus, is_corpus, open_corpus
from data_prep.encoding import (
    EncoderFactory,
    SessionEncoder,
    load_tokenizer,
    recogniser_hash,
    tokenizer_code_hash,
    tokenizer_hashes,
)
from data_prep.engine import check_engine
from data_prep.errors import DataError
from data_prep.files import finish_replacing
from data_prep.manifest import LEDGER_FILE, Manifest, list_sources, skipped_text
from data_prep.names import safe_name
from data_prep.output_lock import OTHER_CACHE, check_writable, lock_of_output
from data_prep.preparation import Preparation, digest_of, partial_of
from data_prep.prepare_options import PrepareOptions
from data_prep.readers import reader_of
from data_prep.remote import is_remote, shown
from data_prep.remote_copies import held_copy, open_if_corpus
from data_prep.remote_corpus import corpus_if_any
from data_prep.reuse import newest_corpus, reusable_corpus
from data_prep.shares import Share

__all__ = [
    "LEDGER_FILE",
    "PrepareOptions",
    "PreparedCorpus",
    "default_cache_dir",
    "find_prepared",
    "open_or_prepare",
    "prepare",
    "prepare_share",
]


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
    settled = _settle(inputs, output, options, encoder_factory, report, work_name)
    # Several processes may want the same corpus at once: one prepares it, the others open it.
    with settled.lock:
        existing = settled.existing()
        if existing is not None:
            shutil.rmtree(settled.parts_dir, ignore_errors=True)
            report(f"{existing.path} already holds these recordings; it is used as it is")
            return existing
        settled.note_skipped()
        return settled.job.run(settled.encoder, settled.factory, earlier or settled.output)


def prepare_share(
    inputs: Sequence[Path | str],
    output: Path,
    options: PrepareOptions,
    share: Share,
    *,
    encoder_factory: EncoderFactory | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Encode a share of the recordings, beside the output; `prepare` puts all shares together.

    Jobs with different shares may run at once, on any machines that share the output's folder.

    Args:
        inputs: See `prepare`; the same for all shares.
        output: See `prepare`.
        options: See `PrepareOptions`.
        share: Which of the files.
        encoder_factory: As in `prepare`.
        report: Takes each message for the user.

    Raises:
        DataError: Nothing to prepare, an output that is something else, or this share is being
            encoded by another job.
    """
    settled = _settle(inputs, output, options, encoder_factory, report, None)
    lock = settled.job.lock_of(share)
    with ExitStack() as held:
        with settled.lock:  # shortly: nothing is being put together now
            if settled.existing() is not None:
                report(f"{settled.output} already holds these recordings; nothing is left to do")
                return
            try:
                held.enter_context(lock.acquire(blocking=False))
            except Timeout:
                raise DataError(f"share {share} of {output} is at work in another job") from None
        settled.note_skipped()
        settled.job.run_share(share, settled.encoder, settled.factory, settled.output)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """What is known before any recording is read."""

    manifest: Manifest
    output: Path
    options: PrepareOptions
    factory: EncoderFactory
    encoder: SessionEncoder
    tokenizer: dict[str, str]
    report: Callable[[str], None]
    lock: FileLock
    parts_dir: Path
    job: Preparation

    def existing(self) -> PreparedCorpus | None:
        """Return the corpus that is there already, if it is the one asked for."""
        finish_replacing(partial_of(self.output), self.output, is_complete=is_corpus)
        return reusable_corpus(self.output, self.manifest, self.tokenizer, self.options)

    def note_skipped(self) -> None:
        """Say what of the inputs is not looked at."""
        if self.manifest.skipped:
            self.report(f"not looked at: {skipped_text(self.manifest.skipped)}")


def _settle(
    inputs: Sequence[Path | str],
    output: Path,
    options: PrepareOptions,
    encoder_factory: EncoderFactory | None,
    report: Callable[[str], None],
    work_name: str | None,
) -> _Settled:
    output = output.absolute()
    check_engine(options.engine)
    if options.reader is not None:
        reader_of(options.reader)  # a wrong name is an error before any work
    manifest = list_sources(inputs, exclude=[output, partial_of(output)])
    check_writable(output)  # before the seconds that a tokenizer takes
    factory = encoder_factory or partial(
        load_tokenizer, options.tokenizer_name_or_path, options.recogniser
    )
    encoder = factory()
    tokenizer = tokenizer_hashes(encoder) | {"code": tokenizer_code_hash()}
    tokenizer |= recogniser_hash(options.recogniser)
    work_name = work_name or output.name
    parts_dir = output.with_name(f".{work_name}.parts")
    return _Settled(
        manifest=manifest,
        output=output,
        options=options,
        factory=factory,
        encoder=encoder,
        tokenizer=tokenizer,
        report=report,
        lock=lock_of_output(output, work_name),
        parts_dir=parts_dir,
        job=Preparation(manifest, output, options, tokenizer, report, parts_dir),
    )


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
        data_dir: A prepared corpus, or recordings: a folder, one file, or an address. A corpus at
            an address is copied into the cache once.
        cache_dir: Where prepared corpora are kept; `default_cache_dir()` where not given.
        options: See `PrepareOptions`; without effect on a prepared corpus.
        encoder_factory: As in `prepare`.
        report: Takes each message for the user.
    """
    data_dir = data_dir if is_remote(data_dir) else Path(data_dir)
    if corpus := open_if_corpus(data_dir, cache_dir or default_cache_dir(), report=report):
        return corpus
    output, stem = _cache_place(data_dir, cache_dir, options)
    check_writable(output, remedy=OTHER_CACHE)
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
    if isinstance(data_dir, str) and (there := corpus_if_any(data_dir)):
        held = held_copy(data_dir, there, cache_dir or default_cache_dir())
        if held is None:
            raise DataError(
                f"{shown(data_dir)} is a prepared corpus, of which there is no copy in the cache "
                "yet; the run itself will make one"
            )
        return held
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
    stem = f"{safe_name(place.name)}-{digest_of(key)}"
    corpora = (cache_dir or default_cache_dir()) / "corpora"
    return corpora / f"{stem}-{manifest.quick_hash()[:8]}", stem
