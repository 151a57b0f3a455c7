"""An index of sessions, and what is found in it.

::

    from rrweb_bert import SessionEncoder, SessionIndex

    index = SessionIndex.build("embeddings.parquet", "INDEX")      # or SessionIndex.open("INDEX")
    encoder = SessionEncoder.from_pretrained()
    for hit in index.like("a.json", encoder=encoder, where=["goal=search"]):
        print(hit.session_id, hit.similarity, hit.why.summary)

Letters in shapes: N items, H length of a vector, q vectors of a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data_prep.errors import DataError
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.text_model import TextModel

from .build import build_index, check_tokenizer
from .layout import ITEM, WINDOW, IndexHeader, array_of, open_header
from .near_names import no_such_session
from .neighbours import Neighbours, Tuned
from .queries import Query, check_encoder, query_of_file, query_of_text
from .where import mask_of
from .why import Moments, Why, why_alike, why_words
from .words import WordIndex, words_of

if TYPE_CHECKING:
    from ..session_encoder import SessionEncoder

__all__ = ["Hit", "SessionIndex"]

# More are looked at than are asked for: windows of one session, and the query itself, fall out.
_SPARE: Final = 4
_MOST_WORDS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A session that was found.

    Attributes:
        session_id: its name.
        item: its number in the index.
        similarity: cosine of the centred vectors, -1 to 1; None where words were looked for.
        start: when it began; None where its clock says no date.
        duration: seconds.
        why: what it has in common with the query.
        fields: all other fields and labels.
    """

    session_id: str
    item: int
    similarity: float | None
    start: datetime | None
    duration: float
    why: Why
    fields: dict[str, Any]


class SessionIndex:
    """A folder that `python -m rrweb_bert index` made.

    Attributes:
        header: what it says of itself.
        fields: an Arrow table, a row an item: all columns of the embeddings but the vectors.
    """

    def __init__(self, folder: Path, header: IndexHeader, text_model: TextModel) -> None:
        """Map the files; see `open`."""
        self.folder, self.header = folder, header
        num, size, num_windows = header.num_items, header.vector_size, header.num_windows
        self._text_model = text_model
        self._items = array_of(folder, "items", ITEM, (num + 1,))
        self._windows = array_of(folder, "windows", WINDOW, (num_windows,))
        num_ids = int(self._items["first_id"][-1])
        self._ids = array_of(folder, "ids", np.uint16, (num_ids,))
        self._vectors = array_of(folder, "vectors", np.float32, (num, size))
        self._near = array_of(folder, "window_vectors", np.float16, (num_windows, size))
        self._mean = array_of(folder, "mean", np.float32, (size,))
        try:
            mapped = pa.memory_map(str(folder / "fields.arrow"))
            self.fields = pa.ipc.open_file(mapped).read_all()
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{folder / 'fields.arrow'} is damaged ({error})") from None
        self._words = WordIndex(folder / "words.sqlite")
        self._neighbours = Neighbours(self._vectors)
        if header.num_lists:
            tuned = Tuned(header.num_lists, header.num_probes, header.recall_at_10)
            path = folder / "neighbours.faiss"
            self._neighbours = Neighbours.load(self._vectors, path, tuned)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        tokenizer: RRWebTokenizer | None = None,
        is_thorough: bool = False,
    ) -> SessionIndex:
        """Open an index, after a check of its hashes.

        Args:
            folder: the index.
            tokenizer: the model's; None for the package's own.
            is_thorough: hash all files, also arrays of more than 256 MB.

        Raises:
            DataError: it is none, of another version or tokenizer, or damaged.
        """
        header = open_header(Path(folder), is_thorough=is_thorough)
        tokenizer = tokenizer or RRWebTokenizer()
        check_tokenizer(tokenizer, header.tokenizer, Path(folder), header.model_name)
        return cls(Path(folder), header, tokenizer.text_model)

    @classmethod
    def build(
        cls,
        embeddings: Path | str,
        folder: Path | str,
        *,
        tokenizer: RRWebTokenizer | None = None,
        overwrite: bool = False,
        report: Callable[[str], None] = print,
    ) -> SessionIndex:
        """Build an index of a file of embeddings, and open it; see `build_index`."""
        tokenizer = tokenizer or RRWebTokenizer()
        header = build_index(
            Path(embeddings), Path(folder), tokenizer, overwrite=overwrite, report=report
        )
        return cls(Path(folder), header, tokenizer.text_model)

    def __len__(self) -> int:
        """N, the number of items."""
        return self.header.num_items

    def like(
        self,
        recording: Path | str,
        *,
        encoder: SessionEncoder,
        k: int = 10,
        where: Sequence[str] = (),
        reader: str | None = None,
    ) -> list[Hit]:
        """The sessions most like a recording, which is not found itself.

        Args:
            recording: a file of one session, of any form that `data_prep` reads.
            encoder: with the model that the index was made with.
            k: how many.
            where: conditions, as "goal=search" or "duration>=60".
            reader: name of the reader of the file; told by content where not given.

        Raises:
            DataError: it cannot be read, another model made the index, or a condition is wrong.
        """
        check_encoder(self.header, encoder)
        query = query_of_file(recording, self.header, self._mean, encoder, reader)
        return self._nearest(query, k, where)

    def like_session(self, session_id: str, *, k: int = 10, where: Sequence[str] = ()) -> list[Hit]:
        """The sessions most like one of the index; no model is needed.

        Raises:
            DataError: there is no such session, or a condition is wrong.
        """
        items = np.flatnonzero(
            np.asarray(self.fields.column("session_id").to_numpy()) == session_id
        )
        if not len(items):
            names = list(dict.fromkeys(self.fields.column("session_id").to_pylist()))
            raise DataError(f"{self.folder} holds {no_such_session(session_id, names)}")
        sha256 = str(self.fields.column("sha256")[int(items[0])].as_py())
        parts = [self._moments(int(item)) for item in items]
        moments = parts[0]
        if len(parts) > 1:  # of an index of windows
            moments = _joined(parts)
        query = Query(vectors=np.array(self._vectors[items]), moments=moments, sha256=sha256)
        return self._nearest(query, k, where)

    def like_text(
        self, text: str, *, encoder: SessionEncoder, k: int = 10, where: Sequence[str] = ()
    ) -> list[Hit]:
        """The sessions whose vectors are most like that of a rendered text.

        How well that works is told in docs/search.md; free words are better looked for by `words`.

        Raises:
            DataError: the text is empty, or as `like`.
        """
        check_encoder(self.header, encoder)
        return self._nearest(query_of_text(text, self.header, self._mean, encoder), k, where)

    def words(
        self, text: str, *, k: int = 10, where: Sequence[str] = (), need_all: bool = True
    ) -> list[Hit]:
        """The sessions with a window whose texts hold all the words, best first (BM25).

        Words are told apart as SQLite does, without case and accents; a language written without
        spaces is found by whole runs of letters only.

        Args:
            text: the words.
            k: how many.
            where: as in `like`.
            need_all: False for windows that hold any of them.

        Raises:
            DataError: there are no words, or a condition is wrong.
        """
        words = words_of(text)[:_MOST_WORDS]
        if not words:
            raise DataError(f"the text {text!r} holds no word to look for")
        mask = mask_of(self.fields, where)
        hits: list[Hit] = []
        seen: set[str] = set()
        for window in self._words.find(words, need_all=need_all):
            item = int(np.searchsorted(self._items["first_window"], window, side="right")) - 1
            session = self._session_of(item)
            if session in seen or (mask is not None and not mask[item]):
                continue
            seen.add(session)
            place = window - int(self._items["first_window"][item])
            why = why_words(self._moments(item), place, words, self._text_model)
            hits.append(self._hit(item, None, why))
            if len(hits) == k:
                break
        return hits

    def close(self) -> None:
        """Let go of the files."""
        self._words.close()

    def _nearest(self, query: Query, k: int, where: Sequence[str]) -> list[Hit]:
        if k < 1:
            raise DataError(f"k={k}: at least one hit can be asked for")
        mask = mask_of(self.fields, where)
        hits: list[Hit] = []
        for item, similarity in self._ranked(query, k, mask):
            why = why_alike(query.moments, self._moments(item), self._text_model)
            hits.append(self._hit(item, similarity, why))
        return hits

    def _ranked(
        self, query: Query, k: int, mask: npt.NDArray[np.bool_] | None
    ) -> Iterator[tuple[int, float]]:
        """The k best items, one a session, without the query itself."""
        wide = min(len(self), (k + 1) * (_SPARE if self.header.level == "window" else 1) + 8)
        numbers, scores = self._neighbours.find(query.vectors, wide, mask)
        order = np.argsort(-scores, axis=None, kind="stable")
        seen: set[str] = set()
        for number, score in zip(numbers.flat[order], scores.flat[order], strict=True):
            if number < 0 or len(seen) == k:
                return
            item = int(number)
            session = self._session_of(item)
            is_query = query.sha256 and self.fields.column("sha256")[item].as_py() == query.sha256
            if is_query or session in seen:
                continue
            seen.add(session)
            yield item, float(score)

    def _session_of(self, item: int) -> str:
        return str(self.fields.column("session_id")[item].as_py())

    def _moments(self, item: int) -> Moments:
        first, after = self._items[item], self._items[item + 1]
        windows = slice(int(first["first_window"]), int(after["first_window"]))
        start = self.fields.column("start")[item]
        bounds = self._windows[windows]
        start_ms = float(bounds["start_ms"].min()) if len(bounds) else 0.0
        if self.header.level == "session" and start.is_valid:
            start_ms = float(start.value)
        return Moments(
            ids=self._ids[int(first["first_id"]) : int(after["first_id"])],
            windows=bounds,
            vectors=self._near[windows].astype(np.float32),
            start_ms=start_ms,
        )

    def _hit(self, item: int, similarity: float | None, why: Why) -> Hit:
        row = self.fields.slice(item, 1).to_pylist()[0]
        return Hit(
            session_id=row.pop("session_id"),
            item=item,
            similarity=similarity,
            start=row.pop("start"),
            duration=row.pop("duration"),
            why=why,
            fields=row,
        )


def _joined(parts: Sequence[Moments]) -> Moments:
    """The windows of several items as one."""
    offsets = np.cumsum([0, *(len(part.ids) for part in parts[:-1])])
    windows = []
    for part, offset in zip(parts, offsets, strict=True):
        moved = part.windows.copy()
        for bound in ("start", "stop"):
            moved[bound] += np.uint32(offset)
        windows.append(moved)
    return Moments(
        ids=np.concatenate([part.ids for part in parts]),
        windows=np.concatenate(windows),
        vectors=np.concatenate([part.vectors for part in parts]),
        start_ms=min(part.start_ms for part in parts),
    )
