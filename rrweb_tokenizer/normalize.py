"""One normal form for all text, before the text model is trained and before text is encoded."""

from __future__ import annotations

import re
from typing import Final

from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS

__all__ = ["LOOKALIKE_CLOSE", "LOOKALIKE_OPEN", "normalize_text", "replace_unencodable"]

LOOKALIKE_OPEN: Final = "\u27e6"
LOOKALIKE_CLOSE: Final = "\u27e7"

# Invisible characters that carry no meaning of their own: soft hyphen, zero-width space and joiner
# of words, marks of direction, byte order mark, interlinear marks; and what is no text: unpaired
# surrogates, controls that are no white space, code points that are never characters.
_DROPPED: Final = (
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff0-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_DROP: Final = re.compile(_DROPPED)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_JOINERS: Final = re.compile("[\u200c\u200d]+")
# Full-width ASCII is ASCII to a reader; hyphens are one hyphen; U+2581 marks spaces in the text
# model.
_FOLDED: Final[dict[int, int | str]] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    0x2010: "-",
    0x2011: "-",
    0x2581: "_",
}
_STRUCTURAL_NAME: Final = re.compile(
    r"\[("
    + "|".join(sorted((re.escape(t[1:-1]) for t in STRUCTURAL_TOKENS), reverse=True))
    + r")\]"
)
_LOOKALIKE: Final = rf"{LOOKALIKE_OPEN}\1{LOOKALIKE_CLOSE}"


def normalize_text(text: str) -> str:
    """The normal form of a text; the same when applied again.

    Controls, unpaired surrogates and invisible characters go, full-width ASCII becomes ASCII,
    U+2581 becomes an underscore, white space folds to single spaces with none at the ends, and a
    structural name in brackets gets look-alike brackets, U+27E6 and U+27E7, round its name. The
    work grows with the text: 1 million characters take some tens of milliseconds.
    """
    if not (text.isascii() and text.isprintable()):
        text = _DROP.sub("", text)
        if not text.isascii():
            # In this order: what folds to ASCII, spaces too, may stand beside a joiner.
            text = " ".join(text.translate(_FOLDED).split())
            text = _JOINERS.sub(_joiners_between_words, text)
    text = " ".join(text.split())
    return _STRUCTURAL_NAME.sub(_LOOKALIKE, text) if "[" in text else text


def _joiners_between_words(found: re.Match[str]) -> str:
    """Zero-width joiners shape emoji and Indic words; beside ASCII they can only hide something."""
    text, start, stop = found.string, found.start(), found.end()
    neighbours = text[max(start - 1, 0) : start] + text[stop : stop + 1]
    return "" if any(char.isascii() for char in neighbours) else found[0]


def replace_unencodable(text: str) -> str:
    """The text with what a SentencePiece model cannot hold replaced: lone surrogates, U+2581.

    This is all that happens to strings which are no page text, such as rendered token strings.
    """
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text).replace("\u2581", "_")
