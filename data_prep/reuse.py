"""Whether a corpus that is there already is the one that is asked for, or grows into it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from data_prep.corpus import Identity, PreparedCorpus, inputs_hash, is_corpus, open_corpus
from data_prep.encoding import file_sha256
from data_prep.errors import DataError
from data_prep.manifest import LEDGER_FILE, Manifest
from data_prep.prepare_options import PrepareOptions

__all__ = ["hash_of_inputs", "newest_corpus", "reusable_corpus"]


def reusable_corpus(
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
    wanted = Identity(
        inputs=corpus.identity.inputs, tokenizer=tokenizer, options=options.deciding()
    )
    differences = wanted.differences(corpus.identity)
    if not differences:
        if corpus.quick_inputs == manifest.quick_hash() or _holds_all(corpus, manifest, options):
            return corpus
        if _is_grown(corpus, manifest):
            return None
        differences = ["inputs"]
    raise DataError(
        f"{output} holds another corpus (different: {', '.join(differences)}); "
        "choose another --output, or replace it with --overwrite"
    )


def _holds_all(corpus: PreparedCorpus, manifest: Manifest, options: PrepareOptions) -> bool:
    """Tell whether the files are those of the corpus by their contents, whatever their times."""
    names = [(source.relative, source.num_bytes) for source in manifest.sources]
    if names != [(row["file"], row["num_bytes"]) for row in _ledger_rows(corpus)]:
        return False  # told without reading any
    hashes = [file_sha256(source, options.limits) for source in manifest.sources]
    return hash_of_inputs(manifest, hashes) == corpus.identity.inputs


def _is_grown(corpus: PreparedCorpus, manifest: Manifest) -> bool:
    """Tell whether the files are those of the corpus, by name and size, and further ones."""
    listed = {(source.relative, source.num_bytes) for source in manifest.sources}
    is_held = all((row["file"], row["num_bytes"]) in listed for row in _ledger_rows(corpus))
    return is_held and len(manifest.sources) > corpus.num_listed


def _ledger_rows(corpus: PreparedCorpus) -> Iterator[dict[str, Any]]:
    try:
        with (corpus.path / LEDGER_FILE).open("rb") as lines:
            yield from map(json.loads, lines)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{corpus.path / LEDGER_FILE} is missing or damaged ({type(error).__name__}); prepare "
            "the corpus again with --overwrite"
        ) from None


def newest_corpus(folder: Path, stem: str) -> Path | None:
    """Return the corpus that was made last of those whose names begin with a stem."""
    found = [path for path in folder.glob(f"{stem}-*") if is_corpus(path)]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def hash_of_inputs(manifest: Manifest, file_hashes: Sequence[str]) -> str:
    """Return the hash of all inputs, over names, sizes and contents."""
    return inputs_hash(
        (source.relative, source.num_bytes, sha256)
        for source, sha256 in zip(manifest.sources, file_hashes, strict=True)
    )
