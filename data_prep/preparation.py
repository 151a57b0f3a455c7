"""One run over the files: encode what is missing, put it together, give it its place.

Jobs may encode shares of the files beforehand (module `shares`), each under a lock of its own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

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
from data_prep.encoding import EncoderFactory, SessionEncoder
from data_prep.engine import opened_engine
from data_prep.errors import DataError
from data_prep.files import put_in_place, sha256_of
from data_prep.ledger import Ledger
from data_prep.manifest import STAMPS_FILE, Manifest, Source
from data_prep.merging import Merge
from data_prep.part_encoding import encode_parts
from data_prep.parts import PartFolder, source_key
from data_prep.prepare_options import PrepareOptions
from data_prep.progress import Progress
from data_prep.reuse import hash_of_inputs
from data_prep.shares import Share
from data_prep.splits import check_not_empty
from data_prep.summary import nothing_accepted, summary_of
from rrweb_tokenizer.telling.wording import counted

__all__ = ["Preparation", "digest_of", "partial_of"]


class Preparation:
    """One run over all files."""

    def __init__(
        self,
        manifest: Manifest,
        output: Path,
        options: PrepareOptions,
        tokenizer: dict[str, str],
        report: Callable[[str], None],
        parts_dir: Path,
    ) -> None:
        self._manifest, self._output, self._options = manifest, output, options
        self._tokenizer, self._report = tokenizer, report
        self._partial = partial_of(output)
        self._parts_dir = parts_dir
        self._key = digest_of([FORMAT_VERSION, tokenizer, options.deciding()])

    def lock_of(self, share: Share) -> FileLock:
        """Return the lock that is held while a share is encoded."""
        folder = self._parts_dir / self._key
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f".{share.folder_name}.lock")

    def run_share(
        self, share: Share, encoder: SessionEncoder, factory: EncoderFactory, earlier_dir: Path
    ) -> None:
        """Encode what no store holds of a share of the files, and leave it for `run`."""
        began = time.monotonic()
        sources = share.of(self._manifest.sources)
        parts = PartFolder(self._parts_dir, self._key, self._report, share=share.folder_name)
        earlier = EarlierCorpus(self._earlier(earlier_dir), self._report, is_checked=False)
        num_bytes = self._encode_missing(sources, encoder, factory, parts, earlier)
        megabytes, seconds = num_bytes / 1e6, time.monotonic() - began
        self._report(
            f"share {share}: {len(sources):,} of {counted(len(self._manifest.sources), 'file')}, "
            f"{megabytes:,.1f} MB in {seconds:,.1f} s ({megabytes / max(seconds, 1e-9):,.1f} "
            "MB/s). The same command without --shard puts all shares together"
        )

    def run(
        self, encoder: SessionEncoder, factory: EncoderFactory, earlier_dir: Path
    ) -> PreparedCorpus:
        """Encode what no store holds, write the corpus beside its place, and put it there."""
        began = time.monotonic()
        self._check_shares()
        shutil.rmtree(self._partial, ignore_errors=True)
        parts = PartFolder(self._parts_dir, self._key, self._report)
        num_found = len(parts)
        earlier = EarlierCorpus(self._earlier(earlier_dir), self._report)
        sources = self._manifest.sources
        num_bytes = self._encode_missing(sources, encoder, factory, parts, earlier)
        self._partial.mkdir()
        options = self._options
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

    def _check_shares(self) -> None:
        """Raise where a share is being encoded: its unfinished parts must stay."""
        for lock_file in sorted(self._parts_dir.glob("*/.share-*.lock")):
            lock = FileLock(lock_file)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                name = lock_file.name.removeprefix(".").removesuffix(".lock")
                raise DataError(
                    f"{name} is still at work on {self._output}; run this when all shares are done"
                ) from None
            lock.release()

    def _encode_missing(
        self,
        sources: Sequence[Source],
        encoder: SessionEncoder,
        factory: EncoderFactory,
        parts: PartFolder,
        earlier: EarlierCorpus,
    ) -> int:
        """Encode the files that no store holds, and return the number of their bytes."""
        options = self._options
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
            self._report(f"tried {counted(num_retries, 'broken transfer')} again")
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
            raise DataError(nothing_accepted(ledger.num_listed, ledger.reasons, ledger.examples))
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


def digest_of(key: list[Any]) -> str:
    """Return a short hash of what makes a difference."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def partial_of(output: Path) -> Path:
    """Return where the corpus of an output is written until it is complete."""
    return output.with_name(f".{output.name}.partial")
