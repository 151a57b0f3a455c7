"""Which ids training sees: sample j is a pure function of (plan, table, j), without any state.

A window of T ids is cut like this; chapters are what the tokenizer writes between two keyframes::

    session   | chapter 0 | chapter 1 | chapter 2 | ... | chapter 8 |
    window          [CLS]  chapter 1 ....................... [SEP]          the session goes on
    window                        [CLS]  chapter 8 [SEP] another session, from a keyframe  [SEP]

Sessions are dealt out epoch by epoch. With N sessions and n = `samples_per_epoch` draws, an epoch
is floor(n / N) passes over all sessions, each pass in a permutation of its own, and then the
n mod N draws left over. Those come from one more permutation that consecutive epochs share, each
taking the next n mod N of it: with n < N no session returns before nearly all had their turn.

Letters in shapes: T ids of a window, N sessions of a split.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.shards import SplitTable
from rrweb_tokenizer.structural_vocab import CLS_ID, SEP_ID

__all__ = [
    "FILE",
    "PLACE",
    "START",
    "Draw",
    "WindowPlan",
    "dealt_session",
    "draw",
    "evaluation_plan",
    "evaluation_window",
    "packed",
    "permutation",
    "piece_sessions",
    "random_below",
    "window",
    "window_sessions",
]

# First word of every key: draws for different purposes share no random numbers.
_PASS: Final = 1
_LEFT_OVER: Final = 2
START: Final = 3
_SESSION: Final = 4
# Of raw files, see module `raw_windows`: which file, which of its sessions.
FILE: Final = 5
PLACE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """All that decides which windows a table yields.

    Raises:
        ValueError: A field is out of its range.
    """

    seed: int
    """Key of every draw, 0 <= seed < 2**64."""

    window_tokens: int = 2048
    """T, ids of a window, [CLS] and [SEP] included."""

    sampling: Literal["session", "length"] = "session"
    """"session": every session equally often; "length": in proportion to its number of ids."""

    samples_per_epoch: int = 90_000
    """n, draws in which every session comes floor(n / N) or ceil(n / N) times."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64:
            raise ValueError(f"seed must be in [0, 2**64), got {self.seed}")
        if self.window_tokens < 3:
            raise ValueError(f"window_tokens must be at least 3, got {self.window_tokens}")
        if self.sampling not in ("session", "length"):
            raise ValueError(f'sampling must be "session" or "length", got {self.sampling!r}')
        if self.samples_per_epoch < 1:
            raise ValueError(f"samples_per_epoch must be positive, got {self.samples_per_epoch}")


class Draw(NamedTuple):
    """Where a window starts."""

    session: int
    """Number of the session in its table."""

    start: int
    """Offset of the first id, one of the session's keyframes."""


def draw(plan: WindowPlan, table: SplitTable, sample_index: int) -> Draw:
    """Return where sample `sample_index` starts.

    The start is uniform over all keyframes of the session, the last one included. Cost: O(1), once
    the pass's permutation is there (8 bytes a session, made when a pass is first touched).

    Args:
        plan: Seed, sampling and length of an epoch.
        table: The sessions; must not be empty.
        sample_index: j >= 0; epoch e draws j in [e n, (e + 1) n).
    """
    return _draw(plan, table, sample_index, 0)


def window(plan: WindowPlan, table: SplitTable, sample_index: int) -> npt.NDArray[np.uint16]:
    """Return (T,) uint16: [CLS], ids from the drawn keyframe on, [SEP]; always full.

    A session that ends sooner is followed, after its [SEP], by a further draw, keyed on
    (seed, sample_index, 1, 2, ...) and by itself, until the window is full.
    """
    return packed(plan.window_tokens, _pieces(plan, table, sample_index, []))


def window_sessions(plan: WindowPlan, table: SplitTable, sample_index: int) -> tuple[int, ...]:
    """Return the numbers of the sessions that stand in a sample's window, each once, in order."""
    drawn: list[int] = []
    packed(plan.window_tokens, _pieces(plan, table, sample_index, drawn))
    return tuple(dict.fromkeys(drawn))


def piece_sessions(
    plan: WindowPlan, table: SplitTable, sample_index: int, num_pieces: int
) -> list[int]:
    """Return the sessions that the first pieces of a sample's window come from, in order.

    A window of n [SEP]s has n pieces; the last of them may be empty.
    """
    return [_draw(plan, table, sample_index, part).session for part in range(num_pieces)]


def packed(window_tokens: int, pieces: Iterable[npt.NDArray[np.uint16]]) -> npt.NDArray[np.uint16]:
    """Return (T,) uint16: [CLS], then pieces with a [SEP] after each, as many as fill it.

    Args:
        window_tokens: T.
        pieces: The ids of sessions from their drawn keyframes on; as many as are asked for.
    """
    ids = np.empty(window_tokens, np.uint16)
    ids[0] = CLS_ID
    filled = 1
    for piece in pieces:
        # The last place belongs to [SEP]; a single place left over holds nothing but it.
        piece = piece[: window_tokens - 1 - filled]
        ids[filled : filled + len(piece)] = piece
        filled += len(piece) + 1
        ids[filled - 1] = SEP_ID
        if filled == window_tokens:
            break
    return ids


def _pieces(
    plan: WindowPlan, table: SplitTable, sample_index: int, drawn: list[int]
) -> Iterator[npt.NDArray[np.uint16]]:
    """Yield what a window is filled with; the sessions drawn are appended to `drawn`."""
    for part in count():
        session, start = _draw(plan, table, sample_index, part)
        drawn.append(session)
        yield table.ids(session)[start:]


def evaluation_plan(
    table: SplitTable, seed: int, *, window_tokens: int = 2048, max_windows: int = 3195
) -> WindowPlan:
    """Return the fixed plan of an evaluation: one window a session, at most `max_windows`.

    The plan's `samples_per_epoch` is the number of windows; they are its first epoch, so each comes
    from another session.
    """
    if max_windows < 1:
        raise ValueError(f"max_windows must be positive, got {max_windows}")
    num_windows = max(1, min(len(table), max_windows))
    return WindowPlan(seed=seed, window_tokens=window_tokens, samples_per_epoch=num_windows)


def evaluation_window(
    plan: WindowPlan, table: SplitTable, window_index: int
) -> npt.NDArray[np.uint16]:
    """Return (T,) uint16: window `window_index` of an evaluation plan."""
    if not 0 <= window_index < plan.samples_per_epoch:
        raise IndexError(f"window {window_index} of {plan.samples_per_epoch}")
    return window(plan, table, window_index)


def _draw(plan: WindowPlan, table: SplitTable, sample_index: int, part: int) -> Draw:
    if sample_index < 0:
        raise IndexError(f"sample_index must not be negative, got {sample_index}")
    if plan.sampling == "length":
        place = random_below(table.num_ids, _SESSION, plan.seed, sample_index, part)
        session = int(np.searchsorted(table.id_stops, place, side="right"))
    elif part == 0:
        session = dealt_session(plan, len(table), sample_index)
    else:
        session = random_below(len(table), _SESSION, plan.seed, sample_index, part)
    keyframes = table.keyframes(session)
    chosen = random_below(len(keyframes), START, plan.seed, sample_index, part)
    return Draw(session, int(keyframes[chosen]))


def dealt_session(plan: WindowPlan, num_sessions: int, sample_index: int) -> int:
    """Return the session of a sample: each epoch draws all equally often, give or take one.

    Args:
        plan: Seed and length of an epoch.
        num_sessions: N, from which one is dealt.
        sample_index: As in `draw`.
    """
    epoch, position = divmod(sample_index, plan.samples_per_epoch)
    num_passes, num_left_over = divmod(plan.samples_per_epoch, num_sessions)
    number, rank = divmod(position, num_sessions)
    if number < num_passes:
        key = (_PASS, plan.seed, epoch, number)
    else:
        deal, turn = divmod(epoch, num_sessions // num_left_over)
        rank += turn * num_left_over
        key = (_LEFT_OVER, plan.seed, deal, 0)
    return int(permutation(num_sessions, key)[rank])


@lru_cache(maxsize=4)
def permutation(num_sessions: int, key: tuple[int, int, int, int]) -> npt.NDArray[np.int64]:
    """Return (N,) int64: a permutation that follows from its key alone.

    Sorting the raw words of a counter-based generator uses only what numpy promises to keep from
    release to release, which it does not for `Generator.permutation`.
    """
    philox = np.random.Philox(key=int.from_bytes(_digest(key, 16), "little"))
    return np.argsort(philox.random_raw(num_sessions), kind="stable")


def random_below(stop: int, *key: int) -> int:
    """Return an int in [0, stop), uniform but for a bias below stop / 2**64."""
    return int.from_bytes(_digest(key, 8), "little") * stop >> 64


def _digest(key: tuple[int, ...], num_bytes: int) -> bytes:
    return blake2b(struct.pack("<4Q", *key), digest_size=num_bytes).digest()
