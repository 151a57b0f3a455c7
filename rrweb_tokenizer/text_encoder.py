"""What the serializer needs of text: a string -> ids."""

from __future__ import annotations

from typing import Protocol

__all__ = ["TextEncoder"]


class TextEncoder(Protocol):
    """Turns text into ids; `text_model.TextModel` is the one that trains and tokenises use."""

    def encode(self, text: str, max_pieces: int) -> tuple[list[int], bool]:
        """The ids of a text, personal data as value classes, and whether it was cut.

        There is at least one id unless nothing is left of the text once it is normalised.

        Args:
            text: raw text from a page.
            max_pieces: at most so many ids come back.
        """
