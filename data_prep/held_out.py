"""Raw files -> a small corpus of their validation split, for training that streams the rest.

An evaluation sees the same windows each time, so its sessions are tokenised once, not streamed:
files are looked through in an order that a key draws, until so many sessions are found.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from filelock import FileLock

from data_prep.corpus import (
    WINDOW_IDS,
    Identity,
    PreparedCorpus,
    is_corpus,
    open_corpus,
    write_corpus,
)
from data_prep.encoding import (
    EncodingOptions,
    SessionEncoder,
    encode_placed,
    load_tokenizer,
    place_session,
    recogniser_hash,
    tokenizer_code_hash,
    tokenizer_hashes,
)
from data_prep.errors import DataError
from data_prep.files import put_in_place, sha256_of
from data_prep.ledger import FileOutcome, Ledger, SessionOutcome
from data_prep.manifest import LEDGER_FILE, Manifest, Source, list_sources
from data_prep.prepare import PrepareOptions, default_cache_dir
from data_prep.raw_sessions import CACHE_BYTES, CACHE_SESSIONS, RawSplit
from data_prep.remote import is_remote
from data_prep.sessions import sessions_of
from data_prep.shards import SPLITS, SessionRow, SplitTable
from data_prep.split_writer import write_split
from data_prep.windows import permutation

__all__ = ["MAX_HELD_OUT", "StreamedCorpus", "open_streamed"]

MAX_HELD_OUT: Final = 256
"""Validation sessions that are looked for, each one window of every evaluation."""

_ORDER_KEY: Final = (0x68656C64, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedCorpus:
    """What training streams from, and what it is evaluated on."""

    train: RawSplit
    held_out: PreparedCorpus
    """Its train and test splits are empty."""


def open_streamed(
    data_dir: Path | str,
    options: PrepareOptions,
    *,
    cache_dir: Path | None = None,
    cache_sessions: int = CACHE_SESSIONS,
    cache_bytes: int = CACHE_BYTES,
    max_held_out: int = MAX_HELD_OUT,
    report: Callable[[str], None] = print,
) -> StreamedCorpus:
    """List raw files for streaming, and tokenise validation sessions once, into the cache.

    Args:
        data_dir: A folder, one file, or an address.
        options: As for `prepare`.
        cache_dir: Where the validation sessions are kept.
        cache_sessions: See `RawSplit`.
        cache_bytes: See `RawSplit`.
        max_held_out: So many validation sessions at most.
        report: Takes each message for the user.

    Raises:
        DataError: There is nothing, or no session falls into the validation split.
    """
    if not is_remote(data_dir) and is_corpus(Path(data_dir)):
        raise DataError(f"{data_dir} is a prepared corpus, which needs no streaming; leave it out")
    manifest = list_sources([data_dir])
    factory = partial(load_tokenizer, options.tokenizer_name_or_path, options.recogniser)
    tokenizer = tokenizer_hashes(factory()) | {"code": tokenizer_code_hash()}
    identity = Identity(
        inputs=manifest.quick_hash(),
        tokenizer=tokenizer | recogniser_hash(options.recogniser),
        options=options.deciding() | {"streamed, sessions held out": max_held_out},
    )
    folder = (cache_dir or default_cache_dir()) / "held_out" / identity.fingerprint()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not is_corpus(folder):
            report(f"looking for {max_held_out} validation sessions once, into {folder}")
            _hold_out(manifest, folder, options, factory(), identity, max_held_out)
    held_out = open_corpus(folder)
    table = SplitTable.open(folder, "validation")
    train = RawSplit(
        sources=manifest.sources,
        encoding=options.encoding(),
        factory=factory,
        excluded=frozenset(table.sha256(session) for session in range(len(table))),
        cache_sessions=cache_sessions,
        cache_bytes=cache_bytes,
    )
    return StreamedCorpus(train=train, held_out=held_out)


def _hold_out(
    manifest: Manifest,
    folder: Path,
    options: PrepareOptions,
    encoder: SessionEncoder,
    identity: Identity,
    max_sessions: int,
) -> None:
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir()
    rows: list[SessionRow] = []
    outcomes: list[FileOutcome] = []
    for number in permutation(len(manifest.sources), _ORDER_KEY):
        source = manifest.sources[number]
        found, outcome = _look(source, options.encoding(), encoder, max_sessions - len(rows))
        rows += found
        outcomes.append(outcome)
        if len(rows) == max_sessions:
            break
    if not rows:
        raise DataError(
            f"none of {len(outcomes):,} files has a session of the validation split. Remedies: "
            "give more recordings, or raise --validation_fraction "
            f"(now {options.validation_fraction:g})"
        )
    ledger = _ledger_of(partial_folder / LEDGER_FILE, outcomes)
    held: dict[str, Sequence[SessionRow]] = {"validation": rows}
    splits = {split: write_split(partial_folder, split, held.get(split, ())) for split in SPLITS}
    corpus = PreparedCorpus(
        path=folder,
        fingerprint=identity.fingerprint(),
        identity=identity,
        quick_inputs=manifest.quick_hash(),
        splits=splits,
        num_windows={
            split: sum(-(-len(row.ids) // WINDOW_IDS) for row in held.get(split, ()))
            for split in SPLITS
        },
        num_listed=ledger.num_listed,
        num_accepted=ledger.num_accepted,
        num_rejected=ledger.num_rejected,
        counts=dict(ledger.counts),
        num_rejected_events=ledger.num_rejected_events,
        ledger_sha256=sha256_of(ledger.path),
    )
    write_corpus(corpus, partial_folder)
    put_in_place(partial_folder, folder)


def _look(
    source: Source, encoding: EncodingOptions, encoder: SessionEncoder, max_sessions: int
) -> tuple[list[SessionRow], FileOutcome]:
    """Return the validation sessions of a file, and what became of the file."""
    rows: list[SessionRow] = []
    outcomes: list[SessionOutcome] = []
    reasons: list[str] = []
    for session in sessions_of(source, encoding.limits, reader=encoding.reader):
        placed = place_session(session, source, encoding)
        if isinstance(placed, str):
            reasons.append(placed)
            continue
        if placed.split != "validation":
            reasons.append("of another split")
            continue
        encoded = encode_placed(placed, encoder)
        if isinstance(encoded, str):
            reasons.append(encoded)
        elif len(rows) < max_sessions:
            rows.append(encoded[0])
            outcomes.append(encoded[1])
        else:
            reasons.append("not needed")
            break
    outcome = FileOutcome(
        file=source.relative,
        num_bytes=source.num_bytes,
        sha256="",
        sessions=tuple(outcomes),
        reasons=tuple(reasons),
    )
    return rows, outcome


def _ledger_of(path: Path, outcomes: Sequence[FileOutcome]) -> Ledger:
    ledger = Ledger(path=path, num_listed=len(outcomes))
    for outcome in outcomes:
        ledger.record(outcome)
    ledger.close()
    return ledger
