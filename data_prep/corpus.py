"""What a prepared corpus says of itself: `corpus.json`, written last, checked when opened."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from data_prep.errors import DataError
from data_prep.files import write_text_atomically
from data_prep.manifest import CORPUS_FILE
from data_prep.shards import SPLITS, is_shard_name, shard_names
from data_prep.split_writer import SplitSummary

__all__ = [
    "FORMAT_VERSION",
    "PREPARE_AGAIN",
    "WINDOW_IDS",
    "Identity",
    "PreparedCorpus",
    "inputs_hash",
    "is_corpus",
    "open_corpus",
    "read_corpus_file",
    "write_corpus",
]

FORMAT_VERSION: Final = 1
"""Rises with each change of what a corpus folder holds."""

WINDOW_IDS: Final = 2046
"""Ids of a window of 2,048, [CLS] and [SEP] apart."""

PREPARE_AGAIN: Final = (
    "prepare it again: python -m data_prep prepare INPUT... --output DIR --overwrite"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """All that decides the bytes of a corpus."""

    inputs: str
    """Hash over the input files: names, sizes and contents (or times, see `prepare`)."""

    tokenizer: dict[str, str]
    """sha256 of each of the tokenizer's files, by name, and of its code."""

    options: dict[str, Any]
    """Grouping, fractions, limits."""

    format_version: int = FORMAT_VERSION

    def fingerprint(self) -> str:
        """Return a hash of it all, 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def differences(self, other: Identity) -> list[str]:
        """Return the names of what differs, options and tokenizer files one by one."""
        mine, others = asdict(self), asdict(other)
        names = []
        for key in mine:
            if isinstance(mine[key], dict):
                both = sorted(mine[key].keys() | others[key].keys())
                names += [f"{key} {k}" for k in both if mine[key].get(k) != others[key].get(k)]
            elif mine[key] != others[key]:
                names.append(key.replace("_", " "))
        return names


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCorpus:
    """A corpus folder and what it holds."""

    path: Path
    fingerprint: str
    """Names the corpus: equal where inputs, tokenizer, options and format are."""

    identity: Identity
    quick_inputs: str
    """Hash over names, sizes and times of the inputs, by which a cache recognises them."""

    splits: dict[str, SplitSummary]
    num_windows: dict[str, int]
    """Windows of 2,048 ids that cover each split without overlap."""

    num_listed: int
    num_accepted: int
    num_rejected: int
    counts: dict[str, int]
    """What was dropped or capped, by kind, in all sessions together."""

    num_rejected_events: int

    ledger_sha256: str = ""
    """Hash of `ledger.jsonl`; empty in corpora of before it was noted."""

    stamps_sha256: str = ""
    """Hash of `stamps.txt`; empty where there is none."""

    @property
    def num_sessions(self) -> dict[str, int]:
        """Number of sessions by split."""
        return {split: summary.num_sessions for split, summary in self.splits.items()}

    @property
    def num_ids(self) -> dict[str, int]:
        """Number of ids by split."""
        return {split: summary.num_ids for split, summary in self.splits.items()}


def inputs_hash(files: Iterable[tuple[str, int, str]]) -> str:
    """Return a hash over the (name, size, sha256) of the files; unlike times, they survive copying.

    It is that of the JSON text of the whole list, which is never held.
    """
    digest = hashlib.sha256(b"[")
    separator = ""
    for row in files:
        digest.update((separator + json.dumps(row)).encode())
        separator = ", "
    digest.update(b"]")
    return digest.hexdigest()


def is_corpus(path: Path) -> bool:
    """Tell whether a folder is a prepared corpus (complete ones only hold the file)."""
    return (path / CORPUS_FILE).is_file()


def write_corpus(corpus: PreparedCorpus, folder: Path) -> None:
    """Write `corpus.json` into a folder whose other files are complete."""
    fields = asdict(corpus)
    del fields["path"]
    write_text_atomically(folder / CORPUS_FILE, json.dumps(fields, indent=2, sort_keys=True) + "\n")


def open_corpus(path: Path) -> PreparedCorpus:
    """Return what a corpus folder holds, after checking that its shards are there in full.

    Raises:
        DataError: No corpus, of another version, or damaged; says where and what to do.
    """
    corpus = read_corpus_file(path)
    for split in SPLITS:
        if split not in corpus.splits or split not in corpus.num_windows:
            raise DataError(
                f"{path / CORPUS_FILE} says nothing of the split {split}; {PREPARE_AGAIN}"
            )
    for split, summary in corpus.splits.items():
        for shard in summary.shards:
            if not is_shard_name(shard.name):
                raise DataError(
                    f"{path / CORPUS_FILE} lists {shard.name!r}, which is no name of a shard; "
                    f"{PREPARE_AGAIN}"
                )
            shard_path = path / split / shard.name
            if not shard_path.is_file() or shard_path.stat().st_size != shard.num_bytes:
                raise DataError(f"{shard_path} is missing or cut short; {PREPARE_AGAIN}")
        if shard_names(path / split) != [shard.name for shard in summary.shards]:
            raise DataError(
                f"{path / split} lists other shards than {CORPUS_FILE}; {PREPARE_AGAIN}"
            )
    return corpus


def read_corpus_file(path: Path) -> PreparedCorpus:
    """Return what a folder's `corpus.json` says, without a look at the shards.

    Raises:
        DataError: No corpus, of another version, or damaged; says where and what to do.
    """
    file = path / CORPUS_FILE
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; name one that prepare wrote")
    if not file.exists():
        raise DataError(
            f"{path} is no prepared corpus, it holds no {CORPUS_FILE}; recordings are prepared "
            "with python -m data_prep prepare INPUT... --output DIR"
        )
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        version = fields["identity"]["format_version"]
        if version != FORMAT_VERSION:
            raise DataError(
                f"{file} has format {version}, this is {FORMAT_VERSION}; {PREPARE_AGAIN}"
            )
        corpus = _corpus_of(path, fields)
    except OSError as error:
        raise DataError(
            f"{path} is no prepared corpus ({error.strerror}); {PREPARE_AGAIN}"
        ) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file} is damaged ({type(error).__name__}); {PREPARE_AGAIN}") from None
    if corpus.identity.fingerprint() != corpus.fingerprint:
        raise DataError(
            f"{file} was changed by hand (its fingerprint does not fit); {PREPARE_AGAIN}"
        )
    return corpus


def _corpus_of(path: Path, fields: dict[str, Any]) -> PreparedCorpus:
    """Return the typed corpus; whatever does not fit the types raises a ValueError or TypeError."""
    known = set(PreparedCorpus.__dataclass_fields__) - {"path"}
    if unknown := fields.keys() - known:
        raise ValueError(f"unknown members {sorted(unknown)}")
    if unknown := fields["splits"].keys() - set(SPLITS):
        raise ValueError(f"unknown splits {sorted(unknown)}")
    return msgspec.convert(
        fields | {"path": str(path)}, PreparedCorpus, dec_hook=lambda kind, value: kind(value)
    )
