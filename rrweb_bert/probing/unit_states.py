"""Hidden states -> what stands for a session or window: sums, spreads, and a bag of states.

A mean over positions forgets how often something happened. So the states of all events are sorted
into clusters (k-means over the events of seen groups), and a session is also described by how many
of its events fall into each: words of a language that the encoder made, in which a click that
nothing followed is another word than one that opened a page. The same for the times of
interactions, whose states hold pace.

Letters in shapes: w windows, u units, k clusters, L, P and H as in `hidden_states`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.cluster import MiniBatchKMeans

from ..window_pooling import POSITIONS, vectors_of_sums
from .hidden_states import LAYER_SETS, HiddenStates
from .units import Sessions

__all__ = ["NUM_EVENT_CLUSTERS", "UnitStates", "session_states", "window_states"]

NUM_EVENT_CLUSTERS: Final = (64, 256)
_NUM_TIME_CLUSTERS: Final = 32
_MOST_FITTED: Final = 100_000

_INTERACTIONS: Final = POSITIONS.index("interactions")
_KEYFRAMES: Final = POSITIONS.index("keyframes")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitStates:
    """What an encoder made of all units, windows or sessions.

    Attributes:
        sums: (u, L, P, H) float32.
        counts: (u, P) int64, how many positions are in each sum.
        squares: (u, H) float32, sums of squares over interactions, last layer.
        bags: for each of `NUM_EVENT_CLUSTERS` (u, k) float32, events by cluster.
        paces: (u, 32) float32, times of interactions by cluster.
    """

    sums: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    squares: npt.NDArray[np.float32]
    bags: tuple[npt.NDArray[np.float32], ...]
    paces: npt.NDArray[np.float32]

    def pooled(self, layer_set: str, pooling: str) -> npt.NDArray[np.float32]:
        """(u, H) float32, or wider: the vectors of `pooling` of one of `LAYER_SETS`."""
        place = LAYER_SETS.index(layer_set)
        return vectors_of_sums(self.sums[:, place].astype(np.float64), self.counts, pooling)

    def spread(self) -> npt.NDArray[np.float32]:
        """(u, 3 H) float32: mean and deviation of interactions, and the mean of keyframes.

        Of the last layer, but keyframes of the first: what they say themselves (viewport, address).
        """
        mean = self.pooled("last layer", "interactions")
        number = np.maximum(self.counts[:, [_INTERACTIONS]], 1)
        deviation = np.sqrt(np.maximum(self.squares / number - mean**2, 0.0))
        deviation[self.counts[:, _INTERACTIONS] == 0] = 0.0
        of_keyframes = self.sums[:, LAYER_SETS.index("first layer"), _KEYFRAMES]
        keyframes = of_keyframes / np.maximum(self.counts[:, [_KEYFRAMES]], 1)
        return np.concatenate([mean, deviation, keyframes], axis=1).astype(np.float32)

    def bag(self, num_clusters: int) -> npt.NDArray[np.float32]:
        """(u, 2 (k + 32)) float32: events and times by cluster, as numbers and as shares."""
        counts = (self.bags[NUM_EVENT_CLUSTERS.index(num_clusters)], self.paces)
        shares = [each / np.maximum(each.sum(axis=1, keepdims=True), 1.0) for each in counts]
        return np.concatenate([*counts, *shares], axis=1)


def window_states(states: HiddenStates, sessions: Sessions, *, seed: int = 0) -> UnitStates:
    """The units are windows; clusters are fitted to windows of seen groups.

    Args:
        states: of all windows of `sessions`.
        sessions: which of their groups are seen.
        seed: of the clusters.
    """
    is_seen = sessions.is_seen[sessions.window_session]
    num_windows = len(states.counts)

    def bag(of: str, num_clusters: int) -> npt.NDArray[np.float32]:
        each = states.events if of == "events" else states.times
        windows = states.event_windows if of == "events" else states.time_windows
        found = np.zeros((num_windows, num_clusters), dtype=np.float32)
        clusters = _clusters(each, is_seen[windows], num_clusters, seed)
        np.add.at(found, (windows, clusters), 1.0)
        return found

    return UnitStates(
        sums=states.sums,
        counts=states.counts,
        squares=states.squares,
        bags=tuple(bag("events", num_clusters) for num_clusters in NUM_EVENT_CLUSTERS),
        paces=bag("times", _NUM_TIME_CLUSTERS),
    )


def session_states(states: UnitStates, window_session: npt.NDArray[np.int64]) -> UnitStates:
    """The states of whole sessions, from those of their windows.

    Args:
        states: of windows.
        window_session: (w,) the number of each window's session.
    """

    def total(of_windows: npt.NDArray[np.generic], dtype: type) -> npt.NDArray[np.float64]:
        found = np.zeros((int(window_session[-1]) + 1, *of_windows.shape[1:]), dtype=dtype)
        np.add.at(found, window_session, of_windows)
        return found

    return UnitStates(
        sums=total(states.sums, np.float64).astype(np.float32),
        counts=total(states.counts, np.int64).astype(np.int64),
        squares=total(states.squares, np.float64).astype(np.float32),
        bags=tuple(total(bag, np.float32).astype(np.float32) for bag in states.bags),
        paces=total(states.paces, np.float32).astype(np.float32),
    )


def _clusters(
    states: npt.NDArray[np.float16], is_seen: npt.NDArray[np.bool_], num_clusters: int, seed: int
) -> npt.NDArray[np.int64]:
    """(e,) int64: the cluster of each state, with clusters of the seen ones."""
    if not is_seen.any():
        return np.zeros(len(states), dtype=np.int64)
    fitted = np.flatnonzero(is_seen)
    if len(fitted) > _MOST_FITTED:
        fitted = np.random.default_rng(seed).choice(fitted, _MOST_FITTED, replace=False)
    own = states[np.sort(fitted)].astype(np.float32)
    mean, deviation = own.mean(axis=0), own.std(axis=0) + 1e-6
    kmeans = MiniBatchKMeans(
        min(num_clusters, len(fitted)), batch_size=4096, n_init=1, max_iter=20, random_state=seed
    ).fit((own - mean) / deviation)
    chunks = np.array_split(states, max(1, len(states) // 50_000))
    return np.concatenate(
        [kmeans.predict((each.astype(np.float32) - mean) / deviation) for each in chunks]
    ).astype(np.int64)
