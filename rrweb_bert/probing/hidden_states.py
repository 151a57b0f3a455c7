"""Windows -> what probes are made of: pooled sums, spreads, and the states of single events.

Letters in shapes: w windows, B those of a batch, e events, t times, L layers (`LAYER_SETS`),
P kinds of positions, H hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from rrweb_tokenizer import RRWebTokenizer

from ..modeling_rrweb_bert import RRWebBertForMaskedLM
from ..session_encoder import Precision, SessionEncoder
from ..session_ids import event_starts_of, time_mask
from ..window_pooling import POSITIONS, Window

__all__ = ["LAYER_SETS", "HiddenStates", "comparing_encoder", "hidden_states", "untrained_encoder"]

LAYER_SETS: Final = ("embeddings", "last layer", "mean of layers", "first layer")
"""What the L of the sums are."""

_LAST: Final = LAYER_SETS.index("last layer")
_INTERACTIONS: Final = POSITIONS.index("interactions")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenStates:
    """What an encoder made of all windows.

    Attributes:
        sums: (w, L, P, H) float32.
        counts: (w, P) int64, how many positions are in each sum.
        squares: (w, H) float32, sums of squares over interactions, last layer.
        events: (e, H) float16, the last layer at the head of each event.
        event_windows: (e,) int64, ascending.
        times: (t, H) float16, the last layer at the times of interactions.
        time_windows: (t,) int64, ascending.
    """

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    squares: npt.NDArray[np.float32]
    events: npt.NDArray[np.float16]
    event_windows: npt.NDArray[np.int64]
    times: npt.NDArray[np.float16]
    time_windows: npt.NDArray[np.int64]


def comparing_encoder(
    name_or_path: str, *, window_ids: int, device: str, precision: Precision
) -> SessionEncoder:
    """The encoder of a model that gives the states named in `LAYER_SETS`.

    Raises:
        ValueError: as `SessionEncoder.from_pretrained`.
    """
    plain = SessionEncoder.from_pretrained(
        name_or_path, device, precision=precision, window_ids=window_ids
    )
    return _comparing(plain.model, plain)


def untrained_encoder(like: SessionEncoder, seed: int) -> SessionEncoder:
    """An encoder of the same shape with the weights that training from `seed` starts from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RRWebBertForMaskedLM(like.model.config)
    return _comparing(model, like)


def _comparing(model: RRWebBertForMaskedLM, like: SessionEncoder) -> SessionEncoder:
    tokenizer: RRWebTokenizer = like.tokenizer
    encoder = SessionEncoder(
        model,
        tokenizer,
        device=like.device,
        precision=like.precision,
        window_ids=like.window_ids,
    )
    last = model.config.num_hidden_layers
    encoder.layer_sets = ((0,), (last,), tuple(range(1, last + 1)), (1,))
    return encoder


def hidden_states(
    encoder: SessionEncoder, windows: list[Window], *, batch_size: int
) -> HiddenStates:
    """The states of all windows, with progress.

    Args:
        encoder: from `comparing_encoder` or `untrained_encoder`.
        windows: cut to its length.
        batch_size: windows at once.

    Raises:
        ValueError: the states are no finite numbers.
    """
    passes, hidden_size = encoder.passes, encoder.hidden_size
    sums = np.zeros((len(windows), len(LAYER_SETS), len(POSITIONS), hidden_size), np.float32)
    squares = np.zeros((len(windows), hidden_size), np.float32)
    heads = [event_starts_of(window.ids) for window in windows]
    intervals = [np.flatnonzero(time_mask(w.ids) & w.counted[_INTERACTIONS]) for w in windows]
    events, event_windows, event_stops = _room(heads, hidden_size)
    times, time_windows, time_stops = _room(intervals, hidden_size)
    with tqdm(total=len(windows), unit="window") as bar:
        for places in passes.batches(windows, batch_size):
            hidden, counted = passes.hidden([windows[place] for place in places])
            weights = torch.from_numpy(counted).to(encoder.device).float()
            pooled = [torch.bmm(weights, layer.float()) for layer in hidden]
            sums[places] = torch.stack(pooled, dim=1).cpu().numpy()
            last = hidden[_LAST].float()
            of_interactions = weights[:, [_INTERACTIONS]]
            squares[places] = torch.bmm(of_interactions, last.square())[:, 0].cpu().numpy()
            for row, place in enumerate(places):
                for into, stops, offsets in (
                    (events, event_stops, heads[place]),
                    (times, time_stops, intervals[place]),
                ):
                    # Position 0 is [CLS].
                    chosen = last[row, torch.from_numpy(offsets + 1).to(last.device)]
                    stop = stops[place]
                    into[stop - len(offsets) : stop] = chosen.half().cpu().numpy()
            bar.update(len(places))
    passes.check_finite(sums)
    return HiddenStates(
        sums=sums,
        counts=np.array([window.counted.sum(axis=1) for window in windows], dtype=np.int64),
        squares=squares,
        events=events,
        event_windows=event_windows,
        times=times,
        time_windows=time_windows,
    )


def _room(
    offsets: list[npt.NDArray[np.int64]], hidden_size: int
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Room for a state an offset, the window of each, and where each window's end."""
    lengths = np.array([len(each) for each in offsets], dtype=np.int64)
    states = np.zeros((int(lengths.sum()), hidden_size), np.float16)
    return states, np.repeat(np.arange(len(offsets)), lengths), np.cumsum(lengths)
