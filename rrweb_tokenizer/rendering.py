"""Ids -> a string that stands for exactly these ids, whatever they are.

Most ids read as they are meant: structural tokens in brackets, pieces joined to words,
`[MI_Click] [DT_9] [REF_NEW] [TAG_button] [TXT] Add to cart`. A text that was cut at its cap may end
in pieces which the text model would not choose for the letters that are left ("ca" "r" for "car"),
or within a character; a window may start within a word. There the pieces are parted by two
invisible marks, which page text never holds because `normalize_text` drops them:

    U+200B zero-width space   a piece ends here; `<0xE6>` between two of them is that byte
    U+2060 word joiner        no space stands before the piece that follows

Both forms of the tokenizer read them, see `fast_export`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS, TEXT_ID_OFFSET
from rrweb_tokenizer.text_model import TextModel

__all__ = ["GLUE", "PIECE_END", "drop_marks", "has_marks", "readable", "render"]

PIECE_END: Final = "\u200b"
GLUE: Final = "\u2060"
_SPACE_MARK: Final = "\u2581"


def render(ids: Iterable[int], text_model: TextModel) -> str:
    """The string whose ids, without [CLS] and [SEP] added, are exactly `ids`.

    Args:
        ids: any ids in any order, special ones included.
        text_model: the model of the tokenizer that made them.

    Raises:
        ValueError: An id is outside the vocabulary.
    """
    known = list(ids)
    vocab_size = TEXT_ID_OFFSET + text_model.num_pieces
    odd = next((i for i in known if not 0 <= i < vocab_size), None)
    if odd is not None:
        raise ValueError(f"id {odd} is outside 0..{vocab_size - 1} and has no string")
    parts: list[str] = []
    for is_text, run in groupby(known, _is_text):
        run_ids = list(run)
        if is_text:
            parts.append(_run(run_ids, text_model))
        else:
            parts += [STRUCTURAL_TOKENS[token_id] for token_id in run_ids]
    return " ".join(parts)


def readable(ids: Iterable[int], text_model: TextModel) -> str:
    """The ids as a person reads them, without marks; bytes that are no UTF-8 become U+FFFD.

    Args:
        ids: ids in range.
        text_model: the model of the tokenizer that made them.
    """
    parts: list[str] = []
    for is_text, run in groupby(ids, _is_text):
        if is_text:
            parts.append(text_model.decode_plain(list(run)))
        else:
            parts += [STRUCTURAL_TOKENS[i] for i in run]
    return " ".join(word for part in parts for word in part.split(" ") if word)


def has_marks(text: str) -> bool:
    """Whether a string says where pieces end."""
    return PIECE_END in text or GLUE in text


def drop_marks(text: str) -> str:
    """The string without the marks, as page text is normalised."""
    return text.replace(PIECE_END, "").replace(GLUE, "")


def _is_text(token_id: int) -> bool:
    return token_id >= TEXT_ID_OFFSET


def _run(ids: list[int], text_model: TextModel) -> str:
    """Text between structural tokens; word by word where as a whole it would be read otherwise."""
    text = text_model.decode_plain(ids)
    if _is_read_as(text, ids, text_model):
        return text
    return " ".join(_word(word, text_model) for word in _words(ids, text_model))


def _words(ids: list[int], text_model: TextModel) -> Iterator[list[int]]:
    """The ids word by word; only the first word may lack the mark of a space before it."""
    word: list[int] = []
    for token_id in ids:
        if word and text_model.pieces[token_id - TEXT_ID_OFFSET].startswith(_SPACE_MARK):
            yield word
            word = []
        word.append(token_id)
    yield word


def _word(ids: list[int], text_model: TextModel) -> str:
    text = text_model.decode_plain(ids)
    if _is_read_as(text, ids, text_model):
        return text
    first, *others = (text_model.pieces[token_id - TEXT_ID_OFFSET] for token_id in ids)
    first = first[1:] if first.startswith(_SPACE_MARK) else GLUE + first
    return "".join(piece + PIECE_END for piece in (first, *others))


def _is_read_as(text: str, ids: list[int], text_model: TextModel) -> bool:
    is_structural = "[" in text and any(token in text for token in STRUCTURAL_TOKENS)
    return not (is_structural or has_marks(text)) and text_model.encode_plain(text) == ids
