"""The words of windows, and which windows hold those of a query: SQLite's full-text index.

It stores positions of words, not the texts; these are read from the ids when a hit is shown.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from data_prep.errors import DataError

__all__ = ["WORD", "WordIndex", "plain", "words_of", "write_words"]

WORD: Final = re.compile(r"\w+", re.UNICODE)


def words_of(text: str) -> list[str]:
    """The words of a query, as the index parts them."""
    return WORD.findall(text)


def plain(word: str) -> str:
    """A word without case and accents, as the index compares it."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def write_words(path: Path, texts: Iterable[str]) -> None:
    """Index the texts of windows; their numbers are their places.

    Raises:
        DataError: this Python's SQLite lacks FTS5.
    """
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        # Nothing is to be recovered: an index that is not finished is not sealed.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(
            "CREATE VIRTUAL TABLE windows USING fts5(text, content='', "
            "tokenize='unicode61 remove_diacritics 2')"
        )
        connection.executemany("INSERT INTO windows(rowid, text) VALUES (?, ?)", enumerate(texts))
        connection.execute("INSERT INTO windows(windows) VALUES ('optimize')")
        connection.commit()
    except sqlite3.OperationalError as error:
        raise DataError(
            f"{path}: the full-text index cannot be written ({error}); it takes a Python whose "
            "SQLite has FTS5, and space on the disk"
        ) from error
    finally:
        connection.close()


class WordIndex:
    """Opened read-only, and only after its hash was found to be right."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            DataError: SQLite cannot read it.
        """
        self._path = path
        try:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            self._connection.execute("PRAGMA trusted_schema=OFF")
        except sqlite3.Error as error:
            raise DataError(f"{path} cannot be opened ({error})") from error

    def find(self, words: Sequence[str], *, need_all: bool = True) -> Iterator[int]:
        """Windows that hold the words, best first (BM25), as they are asked for.

        Args:
            words: of the query.
            need_all: all of the words, else any.

        Raises:
            DataError: the file is damaged.
        """
        # In quotation marks a word is a word: nothing of the query is syntax.
        terms = [f'"{word}"' for word in words]
        query = (" AND " if need_all else " OR ").join(terms)
        try:
            rows = self._connection.execute(
                "SELECT rowid FROM windows WHERE windows MATCH ? ORDER BY rank, rowid", (query,)
            )
            for row in rows:
                yield int(row[0])
        except sqlite3.Error as error:
            raise DataError(f"{self._path} cannot be searched ({error})") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
