"""Recordings -> a corpus at an address: prepared in the cache, then copied there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data_prep.cache import default_cache_dir
from data_prep.corpus import PreparedCorpus
from data_prep.encoding import EncoderFactory
from data_prep.output_lock import OTHER_CACHE, check_writable
from data_prep.prepare import prepare, prepare_share
from data_prep.prepare_options import PrepareOptions
from data_prep.remote import shown
from data_prep.remote_copies import cached_copy, fetch_into, renew_copy
from data_prep.remote_corpus import check_place, corpus_at, is_published, publish_corpus
from data_prep.shares import Share

__all__ = ["prepare_at", "prepare_share_at"]


def prepare_at(
    inputs: Sequence[Path | str],
    url: str,
    options: PrepareOptions,
    *,
    cache_dir: Path | None = None,
    encoder_factory: EncoderFactory | None = None,
    report: Callable[[str], None] = print,
) -> PreparedCorpus:
    """Prepare recordings into a corpus at an address; see `prepare`.

    Args:
        inputs: See `prepare`.
        url: Where the corpus is to be, "s3://bucket/corpus".
        options: See `PrepareOptions`.
        cache_dir: Where the corpus is made; what then reads the address here takes its files.
            `default_cache_dir()` where not given.
        encoder_factory: As in `prepare`.
        report: Takes each message for the user.

    Returns:
        The corpus in the cache, in a folder that the next call replaces when the corpus grows.

    Raises:
        DataError: As `prepare`, and where the address cannot be written to.
    """
    folder = _place(url, options, cache_dir, report)
    corpus = prepare(inputs, folder, options, encoder_factory=encoder_factory, report=report)
    # To overwrite may mean that its files are damaged.
    if options.overwrite:
        renew_copy(url, corpus, cache_dir or default_cache_dir())
    if not options.overwrite and is_published(corpus, url):
        report(f"{shown(url)} already holds this corpus")
    else:
        publish_corpus(corpus, url)
        report(f"copied to {shown(url)}; {folder} is its copy in the cache, and may be removed")
    return corpus


def prepare_share_at(
    inputs: Sequence[Path | str],
    url: str,
    options: PrepareOptions,
    share: Share,
    *,
    cache_dir: Path | None = None,
    encoder_factory: EncoderFactory | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Encode a share of the recordings for a corpus at an address; see `prepare_share`.

    All jobs have to see the same cache.
    """
    folder = _place(url, options, cache_dir, report)
    prepare_share(inputs, folder, options, share, encoder_factory=encoder_factory, report=report)


def _place(
    url: str, options: PrepareOptions, cache_dir: Path | None, report: Callable[[str], None]
) -> Path:
    """Return the folder in which to prepare; what the address holds is there, and can be grown."""
    check_place(url)  # before hours of work
    folder = cached_copy(url, cache_dir or default_cache_dir())
    check_writable(folder, remedy=OTHER_CACHE)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not options.overwrite and corpus_at(url) is not None:
        fetch_into(url, folder, report=report)
    return folder
