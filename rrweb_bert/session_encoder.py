"""Sessions -> vectors by a trained model, however long they are.

    from rrweb_bert import SessionEncoder

    encoder = SessionEncoder.from_pretrained()             # or a folder, or a name on the Hub
    vectors = encoder.encode(["a.json", "b.json.zst"])     # (2, hidden) float32
    windows = encoder.encode_windows("a.json")             # one vector a window, with its times

A session is cut into windows that open with keyframes, as in training; windows of many sessions are
encoded together, those of like length in a batch; their means are weighted by their numbers of
positions. Letters in shapes: w windows, H hidden size, L layers, P kinds of positions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from data_prep.corpus import open_corpus
from data_prep.encoding import tokenizer_hashes
from data_prep.errors import DataError
from data_prep.shards import SplitTable
from rrweb_tokenizer import RRWebTokenizer

from .early_checks import DEFAULT_MODEL
from .encoder_inputs import (
    SessionError,
    SessionInput,
    SkippedSession,
    encoded_session,
    listed,
    name_of,
)
from .encoder_loading import Precision, find_device, find_precision, load_model, load_tokenizer
from .modeling_rrweb_bert import RRWebBertForMaskedLM
from .window_passes import BATCHES_AT_ONCE, NUM_SPECIAL, WindowPasses
from .window_pooling import POOLINGS, POSITIONS, Window, cut_session
from .window_vectors import WindowSums, WindowVectors

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_WINDOW_IDS",
    "Precision",
    "SessionEncoder",
    "WindowSums",
    "WindowVectors",
]

DEFAULT_WINDOW_IDS: Final = 510
"""Probes, retrieval and surprise were judged with windows of this length (docs/probes.md); a
session of many is the mean of them. With 2,046 ids attention alone takes as long as all else."""

OnError = Literal["raise", "skip"]


class SessionEncoder:
    """Encodes sessions with a model that `train_mlm.py` made.

    Args:
        model: the weights; it is put into evaluation mode.
        tokenizer: the one that it was trained with.
        device: where to compute.
        precision: "fp32", "fp16" or "bf16"; the last two by autocast.
        window_ids: the most ids of a window, without [CLS] and [SEP]; None for
            `DEFAULT_WINDOW_IDS`, or the model's most where that is less.
        stride: the fewest ids that neighbouring windows share.
        layers: which hidden states to average: 0 are the embeddings, -1 is the last layer.

    Attributes:
        skipped: the sessions that the last call left out.
        layer_sets: the hidden states that are averaged, once for each L of `WindowSums`; more than
            one is for comparing them, `encode` then takes the mean.

    Raises:
        ValueError: model, tokenizer and options do not fit one another; says how.
    """

    def __init__(
        self,
        model: RRWebBertForMaskedLM,
        tokenizer: RRWebTokenizer,
        *,
        device: torch.device,
        precision: Literal["fp32", "fp16", "bf16"] = "fp32",
        window_ids: int | None = None,
        stride: int = 0,
        layers: Sequence[int] = (-1,),
    ) -> None:
        config = model.config
        if config.vocab_size != tokenizer.vocab_size:
            raise ValueError(
                f"the model has {config.vocab_size:,} ids, the tokenizer {tokenizer.vocab_size:,}:"
                " take the tokenizer that the model was trained with"
            )
        most = min(config.max_position_embeddings, tokenizer.model_max_length) - NUM_SPECIAL
        window_ids = min(DEFAULT_WINDOW_IDS, most) if window_ids is None else window_ids
        if not 1 <= window_ids <= most:
            raise ValueError(f"windows of {window_ids} ids: this model takes 1 to {most}")
        if not 0 <= stride < window_ids:
            raise ValueError(f"a stride of {stride} is not in 0 <= stride < {window_ids}")
        num_states = config.num_hidden_layers + 1
        if not layers or not all(-num_states <= layer < num_states for layer in layers):
            raise ValueError(
                f"layers {list(layers)}: this model has {num_states} hidden states, 0 (the "
                f"embeddings) to {num_states - 1}"
            )
        self.model = model.to(device).eval()
        self.tokenizer = tokenizer
        self.device = device
        self.precision = precision
        self.window_ids = window_ids
        self.stride = stride
        self.layers = tuple(layer % num_states for layer in layers)
        self.layer_sets: tuple[tuple[int, ...], ...] = (self.layers,)
        self.skipped: tuple[SkippedSession, ...] = ()

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path | None = None,
        device: str | torch.device = "auto",
        *,
        precision: Precision = "auto",
        tokenizer: RRWebTokenizer | None = None,
        window_ids: int | None = None,
        stride: int = 0,
        layers: Sequence[int] = (-1,),
    ) -> SessionEncoder:
        """An encoder with the weights of a folder or a name on the Hub.

        Args:
            name_or_path: what `train_mlm.py` wrote; None for the model that comes with the package.
            device: "auto" for the first CUDA GPU where there is one, else the CPU.
            precision: "auto" is fp16 on CUDA GPUs and fp32 elsewhere.
            tokenizer: None for the one saved with the model, or the package's own where the folder
                holds none.
            window_ids: see the class, as `stride` and `layers`.
            stride: see there.
            layers: see there.

        Raises:
            ValueError: there is no such model, or it does not fit; says what to do.
        """
        path = DEFAULT_MODEL if name_or_path is None else name_or_path
        if name_or_path is None and not (DEFAULT_MODEL / "config.json").is_file():
            raise ValueError(
                f"{DEFAULT_MODEL}: the package's own model is not there; give the folder of a "
                "model that train_mlm.py wrote"
            )
        found = find_device(device)
        return cls(
            load_model(path),
            load_tokenizer(path) if tokenizer is None else tokenizer,
            device=found,
            precision=find_precision(precision, found),
            window_ids=window_ids,
            stride=stride,
            layers=layers,
        )

    def cut_like(self, *, window_ids: int, stride: int, layers: Sequence[int]) -> SessionEncoder:
        """One with the same weights, whose vectors compare with those made with these options.

        Raises:
            ValueError: the model does not fit them.
        """
        return SessionEncoder(
            self.model,
            self.tokenizer,
            device=self.device,
            precision=self.precision,
            window_ids=window_ids,
            stride=stride,
            layers=layers,
        )

    @property
    def hidden_size(self) -> int:
        """H, the length of a vector of one kind of positions."""
        return int(self.model.config.hidden_size)

    @property
    def passes(self) -> WindowPasses:
        """What runs the model on windows, as this encoder is set."""
        return WindowPasses(
            model=self.model,
            device=self.device,
            precision=self.precision,
            window_ids=self.window_ids,
            layer_sets=self.layer_sets,
        )

    def encode(
        self,
        sessions: SessionInput | Sequence[SessionInput],
        pooling: str = "mean",
        *,
        batch_size: int = 16,
        show_progress: bool = False,
        on_error: OnError = "raise",
    ) -> npt.NDArray[np.float32]:
        """One vector a session, (n, H) float32; n is 1 where one session is given.

        Args:
            sessions: a path, bytes, a list of events, an `EncodedSession`, a row of a prepared
                corpus, or a list of such. A file may have any form that `data_prep` reads.
            pooling: "mean" over all positions; "interactions" over those of what the visitor did
                (a session without any falls back to all); "mean+interactions": both, one behind
                the other, (n, 2 H); "kinds": the means over moves, touches, focus, clicks, scrolls,
                inputs and mutations, (n, 7 H), zeros for a kind that does not occur;
                "kinds+keyframes": that and the mean over keyframes, (n, 8 H).
            batch_size: windows at once.
            show_progress: draw a bar on standard error.
            on_error: "skip" gives a session that cannot be encoded a row of NaN, lists it in
                `skipped` and warns; "raise" stops at the first one.

        Raises:
            SessionError: a session cannot be encoded; names it.
            ValueError: an option is none that there is.
        """
        given, _ = listed(sessions)
        found = self.window_sums(
            given,
            pooling=pooling,
            batch_size=batch_size,
            show_progress=show_progress,
            on_error=on_error,
        )
        vectors = found.of_sessions(len(given), pooling)
        vectors[[skipped.index for skipped in self.skipped]] = np.nan
        return vectors

    def encode_windows(
        self,
        sessions: SessionInput | Sequence[SessionInput],
        pooling: str = "mean",
        *,
        batch_size: int = 16,
        show_progress: bool = False,
        on_error: OnError = "raise",
    ) -> WindowVectors:
        """One vector a window; see `encode` for the arguments. Sessions skipped have no windows."""
        found = self.window_sums(
            sessions,
            pooling=pooling,
            batch_size=batch_size,
            show_progress=show_progress,
            on_error=on_error,
        )
        return WindowVectors(
            vectors=found.of_windows(pooling),
            session_index=found.session_index,
            starts=found.starts,
            stops=found.stops,
            start_ms=found.start_ms,
            end_ms=found.end_ms,
            num_pooled=_num_pooled(found.counts, pooling),
        )

    def encode_corpus(
        self,
        corpus_dir: Path | str,
        split: str,
        pooling: str = "mean",
        *,
        batch_size: int = 16,
        show_progress: bool = False,
    ) -> npt.NDArray[np.float32]:
        """One vector a session of a prepared corpus's split, in its order (`SplitTable`).

        Raises:
            DataError: there is no such corpus, or it was prepared with another tokenizer.
        """
        rows = self.corpus_rows(corpus_dir, split)
        return self.encode(rows, pooling, batch_size=batch_size, show_progress=show_progress)

    def corpus_rows(self, corpus_dir: Path | str, split: str) -> list[Any]:
        """The rows of a corpus's split, after a check that it was made with this tokenizer.

        Raises:
            DataError: as `encode_corpus`.
        """
        corpus = open_corpus(Path(corpus_dir))
        made_with = {k: v for k, v in corpus.identity.tokenizer.items() if k != "code"}
        own = tokenizer_hashes(self.tokenizer)
        if {name: made_with.get(name) for name in own} != own:
            raise DataError(
                f"{corpus_dir} was prepared with another tokenizer than the model's; prepare it "
                "again with that one (--tokenizer_name_or_path)"
            )
        table = SplitTable.open(corpus.path, split)
        return [table.row(number) for number in range(len(table))]

    def window_sums(
        self,
        sessions: SessionInput | Sequence[SessionInput],
        *,
        pooling: str | None = None,
        batch_size: int = 16,
        show_progress: bool = False,
        on_error: OnError = "raise",
    ) -> WindowSums:
        """What every pooling is made of, by window and layer; see `encode` for the arguments.

        Args:
            sessions: see `encode`, as the others.
            pooling: only the sums that this one reads are wanted, which may take less time; the
                others are then of some positions alone. None for all of them.
            batch_size: windows at once, at most.
            show_progress: see there.
            on_error: see there.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: there is at least one window at once")
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error={on_error!r} is neither 'raise' nor 'skip'")
        given, _ = listed(sessions)
        traces: list[tuple[int, int, int, float, float]] = []
        counts: list[npt.NDArray[np.int64]] = []
        sums: list[npt.NDArray[np.float32]] = []
        passes = self.passes
        found = self._windows(given, show_progress=show_progress, on_error=on_error)
        while windows := list(islice(found, batch_size * BATCHES_AT_ONCE)):
            sums.append(passes.sums(windows, batch_size, pooling))
            counts += [window.counted.sum(axis=1) for window in windows]
            traces += [(w.session, w.start, w.stop, w.start_ms, w.end_ms) for w in windows]
        columns = list(zip(*traces, strict=True)) or [()] * 5
        shape = (0, len(self.layer_sets), len(POSITIONS), self.hidden_size)
        return WindowSums(
            sums=np.concatenate([np.zeros(shape, dtype=np.float32), *sums]),
            counts=np.array(counts, dtype=np.int64).reshape(-1, len(POSITIONS)),
            session_index=np.array(columns[0], dtype=np.int64),
            starts=np.array(columns[1], dtype=np.int64),
            stops=np.array(columns[2], dtype=np.int64),
            start_ms=np.array(columns[3], dtype=np.float64),
            end_ms=np.array(columns[4], dtype=np.float64),
        )

    def _windows(
        self, sessions: list[SessionInput], *, show_progress: bool, on_error: OnError
    ) -> Iterator[Window]:
        skipped: list[SkippedSession] = []
        self.skipped = ()
        bar = tqdm(sessions, unit="session", disable=not show_progress)
        for index, session in enumerate(bar):
            name = name_of(session, index, len(sessions))
            try:
                encoded = encoded_session(session, self.tokenizer, name)
            except SessionError as error:
                if on_error == "raise":
                    raise
                skipped.append(SkippedSession(index=index, name=name, reason=str(error)))
                continue
            yield from cut_session(encoded, index, window_ids=self.window_ids, stride=self.stride)
        self.skipped = tuple(skipped)
        if skipped:
            warnings.warn(
                f"{len(skipped)} of {len(sessions)} sessions were skipped, the first: "
                f"{skipped[0].reason}",
                stacklevel=4,
            )


def _num_pooled(counts: npt.NDArray[np.int64], pooling: str) -> npt.NDArray[np.int64]:
    kinds = POOLINGS[pooling]
    return counts[:, list(kinds)].sum(axis=1) if len(kinds) > 2 else counts[:, kinds[-1]]
