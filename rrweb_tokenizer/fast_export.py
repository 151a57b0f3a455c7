"""The tokenizer as one `tokenizer.json`, so that `AutoTokenizer` loads it without our code.

Ids 0 to 519 are structural tokens, found in strings as added tokens; the SentencePiece pieces
follow as a BPE vocabulary with merges in the order of their scores. The ids of a string are those
of `RRWebTokenizer`, which a test shows, and so is the string of ids; only of bytes that are no
UTF-8 it may write more of them as U+FFFD.
"""

from __future__ import annotations

import re
from typing import Final

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from tokenizers.models import BPE

from rrweb_tokenizer.rendering import GLUE, PIECE_END
from rrweb_tokenizer.structural_vocab import (
    CLS_ID,
    MASK_ID,
    SEP_ID,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    TEXT_ID_OFFSET,
    UNK_ID,
)
from rrweb_tokenizer.text_model import TextModel

__all__ = ["build_fast_tokenizer"]

_SPACE_MARK: Final = "\u2581"
_NUM_SPECIAL: Final = MASK_ID + 1
_STRUCTURAL_NAMES: Final = "|".join(re.escape(token[1:-1]) for token in STRUCTURAL_TOKENS)


def build_fast_tokenizer(text_model: TextModel) -> Tokenizer:
    """The `tokenizers.Tokenizer` with the vocabulary and the ids of `RRWebTokenizer`."""
    vocab = STRUCTURAL_IDS | {
        piece: TEXT_ID_OFFSET + number for number, piece in enumerate(text_model.pieces)
    }
    tokenizer = Tokenizer(
        BPE(
            vocab=vocab,
            merges=_merges(text_model.scores()),
            unk_token=STRUCTURAL_TOKENS[UNK_ID],
            fuse_unk=True,
            byte_fallback=True,
            # A part that is a piece is that piece, which its merges would give too; but for bytes
            # between marks there are no merges.
            ignore_merges=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(_SPACE_MARK, "_"),
            # \A and \z: ^ and $ would match at every line break.
            normalizers.Replace(Regex(r"\A +| +\z"), ""),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=_SPACE_MARK, prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(f"{_SPACE_MARK}?{GLUE}|{PIECE_END}"), "removed"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            # Spaces before and after structural tokens, while those are still single tokens.
            decoders.Replace(Regex(rf"\A\[(?=(?:{_STRUCTURAL_NAMES})\]\z)"), " ["),
            decoders.Replace(Regex(rf"\A \[(?:{_STRUCTURAL_NAMES})\K\]\z"), "] "),
            decoders.Replace(_SPACE_MARK, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Replace(Regex(" {2,}"), " "),
            decoders.Replace(Regex(r"\A +| +\z"), ""),
        ]
    )
    added = [AddedToken(token, normalized=False) for token in STRUCTURAL_TOKENS]
    tokenizer.add_special_tokens(added[:_NUM_SPECIAL])
    tokenizer.add_tokens(added[_NUM_SPECIAL:])
    cls, sep = STRUCTURAL_TOKENS[CLS_ID], STRUCTURAL_TOKENS[SEP_ID]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, CLS_ID), (sep, SEP_ID)],
    )
    return tokenizer


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """All ways to join two pieces into a third, best joined piece first.

    Pieces of one score do not occur; among the ways to one piece the order of the original
    conversion is kept: by the numbers of the two parts.
    """
    numbers = {piece: number for number, piece in enumerate(scores)}
    merges: list[tuple[float, int, int, str, str]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in numbers and right in numbers:
                merges.append((-score, len(left), len(right), left, right))
    merges.sort(key=lambda merge: merge[:3])
    return [(left, right) for *_, left, right in merges]
