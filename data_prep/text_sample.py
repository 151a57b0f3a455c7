"""A bounded sample of distinct texts that depends on the texts alone, not on their order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Final

from rrweb_tokenizer.recognisers import Recogniser
from rrweb_tokenizer.redact import MAX_TEXT_CHARS, ValueClass, redact
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, TEXT_ID_OFFSET

__all__ = ["MAX_SAMPLE_CHARS", "TextCollector", "TextSample"]

MAX_SAMPLE_CHARS: Final = 40_000_000
"""Characters that are kept for training a text model, about 200 MB of memory with what it takes."""

# Pieces have four characters on average; a text's first pieces are collected with some to spare.
_CHARS_PER_PIECE: Final = 6


class TextSample:
    """Keeps the distinct texts with the smallest keyed hashes, up to a number of characters.

    Every distinct text has the same chance, however often and in whatever order texts come.

    Args:
        max_chars: Bound on the characters kept.
        seed: Another seed keeps other texts, where not all fit.
    """

    def __init__(self, *, max_chars: int = MAX_SAMPLE_CHARS, seed: int = 0) -> None:
        self.num_texts_seen = 0
        self.num_chars = 0
        self._max_chars = max_chars
        self._key = seed.to_bytes(16, "little", signed=True)
        self._kept: set[str] = set()
        self._largest_first: list[tuple[int, str]] = []
        # Nothing from this hash on is kept any more; without it the order of texts would count.
        self._hash_stop = 1 << 64

    def add(self, text: str) -> None:
        """Offer a text; longer ones than `MAX_TEXT_CHARS` are cut."""
        self.num_texts_seen += 1
        text = text[:MAX_TEXT_CHARS]
        if not text or text in self._kept:
            return
        digest = blake2b(text.encode(), digest_size=8, key=self._key).digest()
        hashed = int.from_bytes(digest, "little")
        if hashed >= self._hash_stop:
            return
        self._kept.add(text)
        heapq.heappush(self._largest_first, (-hashed, text))
        self.num_chars += len(text)
        while self.num_chars > self._max_chars:
            negative_hash, dropped = heapq.heappop(self._largest_first)
            self._hash_stop = -negative_hash
            self._kept.remove(dropped)
            self.num_chars -= len(dropped)

    def extend(self, texts: Iterable[str]) -> None:
        """Offer many texts."""
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[str]:
        """Yield the texts kept, sorted."""
        return iter(sorted(self._kept))


class TextCollector:
    """Stands in for the text model while there is none: collects what it would have encoded.

    Satisfies `rrweb_tokenizer.text_encoder.TextEncoder`. Its ids are as many as a model's would be,
    about one for four characters, and say nothing else.

    Args:
        sample: Takes the texts.
        recogniser: Hides what patterns cannot find, as in the tokenizer.
    """

    def __init__(self, sample: TextSample, recogniser: Recogniser | None = None) -> None:
        self.sample = sample
        # Recognisers are slow and pages repeat themselves.
        self._redact = lru_cache(maxsize=16_384)(partial(redact, recogniser=recogniser))

    def encode(self, text: str, max_pieces: int) -> tuple[list[int], bool]:
        """Collect the plain segments among the first pieces, and return made-up ids."""
        ids: list[int] = []
        for part in self._redact(text):
            if len(ids) >= max_pieces:
                return ids, True
            if isinstance(part, ValueClass):
                ids.append(STRUCTURAL_IDS[f"[{part}]"])
                continue
            self.sample.add(_first_words(part, _CHARS_PER_PIECE * (max_pieces - len(ids))))
            ids += [TEXT_ID_OFFSET + 1] * (1 + len(part) // 4)
        return ids[:max_pieces], len(ids) > max_pieces


def _first_words(segment: str, max_chars: int) -> str:
    """The start of a segment, cut at the last space before `max_chars` characters."""
    if len(segment) <= max_chars:
        return segment
    return segment[: max_chars + 1].rpartition(" ")[0] or segment[:max_chars]
