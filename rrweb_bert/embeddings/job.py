"""`embed`: recordings or a corpus, piece by piece, into sealed parts and then one file.

Killed at any moment, the same call goes on with what is missing, and the file has the same bytes as
from a run that nobody disturbed, on the same kind of device.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from data_prep.cache import default_cache_dir
from data_prep.corpus import PreparedCorpus
from data_prep.encoding import tokenizer_code_hash, tokenizer_hashes
from data_prep.errors import DataError
from data_prep.manifest import skipped_text
from data_prep.output_lock import lock_of_output
from data_prep.remote import shown
from data_prep.remote_copies import holds_corpus, open_if_corpus
from rrweb_tokenizer.telling.wording import counted

from ..command_progress import Progress
from ..early_checks import listed_inputs
from ..window_pooling import POOLINGS
from .hashes import model_hash, tokenizer_hash
from .labels import Labels, read_labels
from .layout import Header, read_header
from .merging import Counts, merge, rejected_file
from .options import EmbedOptions
from .parts import EmbeddedFile, EmbeddedParts
from .pieces import CorpusPieces, Piece, PieceFile, Pieces, RecordingPieces
from .vectors import batch_of_sessions

if TYPE_CHECKING:
    from ..session_encoder import SessionEncoder

__all__ = ["embed"]

_GPU_BATCH, _CPU_BATCH = 64, 16
# What a kill may cost: some ten seconds of two cores, less than one of a GPU.
_GPU_PIECE, _CPU_PIECE = 128, 8


def embed(
    data: Path | str | Sequence[Path | str],
    output: Path,
    encoder: SessionEncoder,
    options: EmbedOptions | None = None,
    *,
    model_name: str = "",
    tokenizer_path: str | None = None,
    report: Callable[[str], None] = print,
) -> Header:
    """Embed all sessions into a Parquet file, and return what it says of itself.

    Args:
        data: a prepared corpus, or recordings: folders, files, addresses.
        output: the Parquet file; the folders above it are made.
        encoder: the model.
        options: see `EmbedOptions`.
        model_name: how the model is called in messages and in the file.
        tokenizer_path: folder of the encoder's tokenizer, for the processes that tokenise; None for
            the package's own.
        report: takes each message for the user.

    Raises:
        DataError: there is nothing to embed, or the file is there and holds something else.
    """
    options = options or EmbedOptions()
    output = output.absolute()
    if output.is_dir():
        raise DataError(f"{output} is a folder; --output is the file to write")
    with lock_of_output(output):
        places = [data] if isinstance(data, str | Path) else list(data)
        return _Job(places, output, encoder, options, model_name, tokenizer_path, report).run()


class _Job:
    def __init__(
        self,
        places: Sequence[Path | str],
        output: Path,
        encoder: SessionEncoder,
        options: EmbedOptions,
        model_name: str,
        tokenizer_path: str | None,
        report: Callable[[str], None],
    ) -> None:
        self._output, self._encoder, self._options = output, encoder, options
        self._tokenizer_path, self._report = tokenizer_path, report
        self._work = output.with_name(f".{output.name}.parts")
        is_cuda = encoder.device.type == "cuda"
        self._batch_size = options.batch_size or (_GPU_BATCH if is_cuda else _CPU_BATCH)
        self._sessions_a_piece = _GPU_PIECE if is_cuda else _CPU_PIECE
        self._labels = read_labels(options.labels)
        self._tokenizer = tokenizer_hash(encoder.tokenizer)
        self._pieces = self._open(places)
        self._header = Header(
            level=options.level,
            pooling=options.pooling,
            model=model_hash(encoder),
            tokenizer=self._tokenizer,
            tokenizer_code=tokenizer_code_hash(),
            window_ids=encoder.window_ids,
            stride=encoder.stride,
            layers=encoder.layers,
            vector_size=encoder.hidden_size * len(POOLINGS[options.pooling]),
            inputs=self._pieces.inputs,
            labels=self._labels.sha256,
            model_name=model_name,
        )

    def run(self) -> Header:
        """Do what is missing, write the file, and say what became of everything."""
        if (existing := self._existing()) is not None:
            self._report(f"{self._output} already holds these sessions; nothing to do")
            return existing
        parts = EmbeddedParts(self._work / "embedded", self._key())
        if parts.num_damaged:
            self._report(
                f"{parts.num_damaged} parts of an interrupted run are damaged and are made again"
            )
        progress = self._embed_missing(parts)
        keys = [wanted.key for wanted in self._pieces.wanted()]
        counts = merge(self._output, self._header, keys, parts, self._labels)
        if not counts.num_sessions:
            self._output.unlink()
            shutil.rmtree(self._work, ignore_errors=True)
            raise DataError(_nothing_embedded(counts))
        shutil.rmtree(self._work, ignore_errors=True)
        self._say(counts, progress)
        return read_header(self._output)

    def _open(self, places: Sequence[Path | str]) -> Pieces:
        if len(places) > 1 and (found := next(filter(holds_corpus, places), None)) is not None:
            raise DataError(f"{shown(str(found))} is a prepared corpus; embed it by itself")
        if len(places) == 1 and (
            corpus := open_if_corpus(places[0], default_cache_dir(), report=self._report)
        ):
            self._check_tokenizer(corpus)
            return CorpusPieces(corpus, sessions_a_piece=self._sessions_a_piece)
        manifest = listed_inputs(places)
        if manifest.skipped:
            self._report(f"not looked at: {skipped_text(manifest.skipped)}")
        return RecordingPieces(
            manifest,
            self._work / "tokenised",
            tokenizer_path=self._tokenizer_path,
            tokenizer=self._tokenizer,
            recogniser=self._options.recogniser,
            reader=self._options.reader,
            num_proc=self._options.num_proc,
            has_gpu=self._encoder.device.type == "cuda",
            sessions_a_piece=self._sessions_a_piece,
            report=self._report,
        )

    def _check_tokenizer(self, corpus: PreparedCorpus) -> None:
        own = tokenizer_hashes(self._encoder.tokenizer)
        if {name: corpus.identity.tokenizer.get(name) for name in own} != own:
            raise DataError(
                f"{corpus.path} was prepared with another tokenizer than the model's; embed the "
                "recordings, or prepare them again with --tokenizer_name_or_path MODEL"
            )

    def _existing(self) -> Header | None:
        """What the file holds, where that is what is asked for."""
        if not self._output.exists() or self._options.overwrite:
            return None
        header = read_header(self._output)
        if differences := self._header.differences(header):
            raise DataError(
                f"{self._output} holds other embeddings ({'; '.join(differences)}); choose another "
                "--output, or replace it with --overwrite"
            )
        return header

    def _key(self) -> str:
        """Changes with all that decides a part's bytes; labels and further files do not."""
        header = replace(self._header, inputs="", labels="", model_name="")
        if isinstance(self._pieces, CorpusPieces):
            header = replace(header, inputs=self._pieces.inputs)
        device = self._encoder.device.type, self._encoder.precision
        row = [str(header), device, self._batch_size, self._options.reader]
        return hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16]

    def _embed_missing(self, parts: EmbeddedParts) -> Progress:
        weights = list(self._pieces.wanted())
        missing = sum(w.weight for w in weights if not parts.holds(w.key))
        num_held = sum(parts.holds(w.key) for w in weights)
        if num_held:
            self._report(f"{num_held:,} of {len(weights):,} are embedded already; going on")
        wanted: set[str] = set()

        def is_done(name: str) -> bool:
            wanted.add(name)
            return name in parts

        progress = Progress(
            missing, self._pieces.unit, verb="embedded", is_shown=self._options.show_progress
        )
        try:
            for piece in self._pieces.pieces(is_done):
                # Of a part that lost a file, the other files are embedded again.
                progress.extend(sum(f.weight for f in piece.files if parts.holds(f.key)))
                batch, files = self._rows_of(piece)
                parts.write(piece.name, batch, files)
                progress.advance(
                    sum(file.weight for file in piece.files),
                    num_sessions=sum(file.num_sessions for file in files),
                    num_windows=sum(file.num_windows for file in files),
                )
        finally:
            progress.close()
        parts.keep(wanted)
        return progress

    def _rows_of(self, piece: Piece) -> tuple[Any, list[EmbeddedFile]]:
        """The rows of a piece, None where it has none, and how many are of which file."""
        sessions = [session for file in piece.files for session in file.sessions]
        if not sessions:
            return None, [_embedded(file, []) for file in piece.files]
        batch = batch_of_sessions(
            self._encoder,
            sessions,
            pooling=self._options.pooling,
            level=self._options.level,
            batch_size=self._batch_size,
        )
        windows = iter(_windows_by_session(batch))
        return batch, [_embedded(f, list(islice(windows, len(f.sessions)))) for f in piece.files]

    def _say(self, counts: Counts, progress: Progress) -> None:
        report, labels = self._report, self._labels
        if isinstance(self._pieces, RecordingPieces):
            num_embedded = counts.num_files - counts.num_empty_files
            report(
                f"{counted(counts.num_files, 'file')} listed = {num_embedded:,} embedded + "
                f"{counts.num_empty_files:,} rejected"
            )
        for reason, number in counts.reasons.most_common(5):
            report(f"  rejected {number:,} x {reason} (first: {counts.examples[reason]})")
        if counts.num_rejected:
            report(f"  all {counts.num_rejected:,} of them: {rejected_file(self._output)}")
        if self._options.labels is not None:
            _say_labels(report, labels, counts)
        rate = progress.num_sessions / max(progress.seconds, 1e-9)
        report(
            f"{counted(counts.num_sessions, 'session')}, {counted(counts.num_windows, 'window')}, "
            f"{counted(counts.num_rows, 'vector')} of {self._header.vector_size} in {self._output} "
            f"({self._output.stat().st_size / 1e6:.1f} MB)"
        )
        report(
            f"{counted(progress.num_sessions, 'session')} in {progress.seconds:.1f} s, "
            f"{rate:.1f} a second"
        )


class _Rows(NamedTuple):
    """What a batch has of a session."""

    num_rows: int
    num_windows: int


def _windows_by_session(batch: Any) -> Iterator[_Rows]:
    """At level "window" a session opens with its window 0, else it is one row."""
    numbers, windows = batch.column("window").to_pylist(), batch.column("num_windows").to_pylist()
    starts = [row for row, number in enumerate(numbers) if not number] + [len(numbers)]
    for start, stop in pairwise(starts):
        yield _Rows(stop - start, sum(windows[start:stop]))


def _embedded(file: PieceFile, sessions: list[_Rows]) -> EmbeddedFile:
    return EmbeddedFile(
        key=file.key,
        file=file.file,
        num_rows=sum(rows.num_rows for rows in sessions),
        num_sessions=len(sessions),
        num_windows=sum(rows.num_windows for rows in sessions),
        reasons=file.reasons,
    )


def _say_labels(report: Callable[[str], None], labels: Labels, counts: Counts) -> None:
    report(
        f"labels: {counts.num_labelled:,} of {counts.num_rows:,} rows have some; "
        f"{labels.num_lines - len(labels.used):,} of {labels.num_lines:,} lines are of no session"
    )
    if labels.left_out:
        report(f"  no columns, for they hold objects: {', '.join(labels.left_out)}")


def _nothing_embedded(counts: Counts) -> str:
    reasons = "; ".join(
        f"{number} x {reason} (first: {counts.examples[reason]})"
        for reason, number in counts.reasons.most_common(5)
    )
    return f"none of {counts.num_files} files holds a session that can be used: {reasons}"
