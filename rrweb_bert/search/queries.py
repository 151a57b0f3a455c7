"""What is asked for -> a query: a recording, a rendered text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.encoding import encode_source
from data_prep.errors import DataError
from data_prep.manifest import list_sources
from data_prep.prepare_options import PrepareOptions
from data_prep.session_row import SessionRow
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

from ..embeddings.hashes import model_hash, tokenizer_hash
from ..embeddings.vectors import vectors_of_sessions
from .centring import unit_vectors
from .layout import WINDOW, IndexHeader
from .why import Moments

if TYPE_CHECKING:
    from ..session_encoder import SessionEncoder

__all__ = [
    "Query",
    "check_encoder",
    "query_of_file",
    "query_of_text",
    "words_in",
]

_BATCH: Final = 16
_TOKEN: Final = re.compile(r"\[[^\[\]\s]+\]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """What is looked for.

    Attributes:
        vectors: (q, H) of length 1: one, or where the index is of windows, one a window.
        moments: its windows, by which a hit is explained.
        sha256: hash of the recording, which is not found itself; empty where there is none.
    """

    vectors: npt.NDArray[np.float32]
    moments: Moments
    sha256: str = ""


def check_encoder(header: IndexHeader, encoder: SessionEncoder) -> None:
    """Check that an encoder is the one that the index was made with.

    Raises:
        DataError: it is another; says what differs.
    """
    own = {
        "model": model_hash(encoder),
        "tokenizer": tokenizer_hash(encoder.tokenizer),
        "window_ids": encoder.window_ids,
        "stride": encoder.stride,
        "layers": encoder.layers,
    }
    differing = [name for name, value in own.items() if getattr(header, name) != value]
    if differing and not {"model", "tokenizer"} & set(differing):
        wanted = ", ".join(f"{name}={getattr(header, name)}" for name in differing)
        raise DataError(
            f"the index was made with other windows or layers: give the encoder {wanted}"
        )
    if differing:
        raise DataError(
            f"the index was made with another model (different: {', '.join(differing)}); it was "
            f"{header.model_name or 'not named'}: give that one with --model, or embed and index "
            "again"
        )


def words_in(text: str) -> str:
    """A text without the tokens in it."""
    return _TOKEN.sub(lambda found: " " if found[0] in STRUCTURAL_IDS else found[0], text)


def query_of_file(
    path: Path | str,
    header: IndexHeader,
    mean: npt.NDArray[np.float32],
    encoder: SessionEncoder,
    reader: str | None = None,
) -> Query:
    """The query of a recording, read by content where no reader is named.

    Raises:
        DataError: it cannot be read, or holds several sessions.
    """
    sources = list_sources([path]).sources
    rows: list[SessionRow] = []
    reasons: list[str] = []
    for source in sources[:2]:
        options = PrepareOptions(reader=reader).encoding()
        found = encode_source(source, encoder.tokenizer, options, lambda row, _: rows.append(row))
        reasons += found.reasons
    if len(rows) > 1:
        names = ", ".join(row.session_id for row in rows[:3])
        raise DataError(
            f"{path} holds {len(rows)} sessions or more ({names}...); give a file of one, or embed "
            "them and ask for one that is in the index with --session ID"
        )
    if not rows:
        raise DataError(f"{path}: {'; '.join(reasons) or 'no session'}")
    return _query(rows[0], header, mean, encoder, sha256=rows[0].sha256)


def query_of_text(
    text: str, header: IndexHeader, mean: npt.NDArray[np.float32], encoder: SessionEncoder
) -> Query:
    """The query of a rendered text, or of free words as if they were one.

    Raises:
        DataError: it says nothing.
    """
    ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    if not ids:
        raise DataError(f"the text {text!r} says nothing to search for")
    row = SessionRow(
        session_id="text",
        group="",
        split="test",
        ids=np.array(ids, dtype=np.uint16),
        keyframes=np.zeros(1, dtype=np.uint32),
        start_ms=0.0,
        end_ms=0.0,
        num_events=0,
        sha256="",
    )
    return _query(row, header, mean, encoder)


def _query(
    row: SessionRow,
    header: IndexHeader,
    mean: npt.NDArray[np.float32],
    encoder: SessionEncoder,
    *,
    sha256: str = "",
) -> Query:
    session, windows, found = vectors_of_sessions(encoder, [row], header.pooling, _BATCH)
    bounds = np.zeros(len(windows), WINDOW)
    columns: dict[str, Any] = {
        "start": found.starts,
        "stop": found.stops,
        "start_ms": found.start_ms,
        "end_ms": found.end_ms,
    }
    for name, values in columns.items():
        bounds[name] = values
    near = unit_vectors(windows, mean)
    return Query(
        vectors=unit_vectors(session, mean) if header.level == "session" else near,
        moments=Moments(ids=row.ids, windows=bounds, vectors=near, start_ms=row.start_ms),
        sha256=sha256,
    )
