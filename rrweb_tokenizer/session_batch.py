"""Sessions in the tokenizer's usual call: which input is a session, and the encoding it becomes.

Letters in shapes: w rows (windows) of the encoding, T ids of a row, e events of a row.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from transformers import BatchEncoding, PreTrainedTokenizerBase

from rrweb_tokenizer.chapters import EncodedSession
from rrweb_tokenizer.session_windows import SessionWindow, cut_windows

__all__ = ["SessionOptions", "encode_sessions", "is_session", "sessions_of"]

_SESSION_TYPES: Final = (os.PathLike, bytes, bytearray, memoryview, EncodedSession)
_NO_TRUNCATION: Final = "do_not_truncate"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How sessions become an encoding: the arguments of a tokenizer's call, as far as they apply.

    The strategies and `max_length` are what transformers makes of `padding`, `truncation` and
    `max_length`: with truncation, `max_length` is the model's where it was not given.

    Raises:
        ValueError: They contradict each other, or ask for what sessions do not have.
    """

    padding_strategy: str = "do_not_pad"
    truncation_strategy: str = _NO_TRUNCATION
    max_length: int | None = None
    """Most ids of a row, [CLS] and [SEP] included; without truncation, what is padded to."""

    stride: int = 0
    """Fewest ids that neighbouring windows share."""

    add_special_tokens: bool = True
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    return_tensors: Any = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_special_tokens_mask: bool = False
    return_length: bool = False
    """Adds `length`: ids of each row before padding."""

    return_overflowing_tokens: bool = False
    """All windows instead of the first alone; adds `overflow_to_sample_mapping`."""

    return_event_spans: bool | None = None
    """Adds `window_starts`, `event_spans` and `event_times_ms`; None: as overflowing tokens."""

    return_offsets_mapping: bool = False
    is_split_into_words: bool = False
    split_special_tokens: bool = False
    verbose: bool = True

    def __post_init__(self) -> None:
        if self.return_offsets_mapping:
            raise ValueError(
                "sessions have no characters for return_offsets_mapping to point at: "
                "return_event_spans=True says which ids are which event"
            )
        if self.is_split_into_words:
            raise ValueError("is_split_into_words=True is for lists of words, not for sessions")
        if self.truncation_strategy == "only_second":
            raise ValueError("truncation='only_second' is for pairs; sessions have no second part")
        if self.stride < 0:
            raise ValueError(f"stride={self.stride}: windows cannot share fewer than no ids")

    @property
    def is_truncated(self) -> bool:
        """Whether `max_length` limits the rows."""
        return self.truncation_strategy != _NO_TRUNCATION and self.max_length is not None

    @property
    def has_event_spans(self) -> bool:
        """Whether the encoding says where its events stand."""
        if self.return_event_spans is None:
            return self.return_overflowing_tokens
        return self.return_event_spans

    def max_ids(self, num_special: int) -> int | None:
        """The most ids of a window before special tokens are added; None for no limit."""
        if not self.is_truncated or self.max_length is None:
            return None
        max_ids = self.max_length - num_special
        if max_ids < 1:
            raise ValueError(
                f"max_length={self.max_length} leaves no room for a session's ids beside "
                f"{num_special} special ones"
            )
        if self.stride >= max_ids:
            raise ValueError(
                f"stride={self.stride} is the overlap of neighbouring windows and must be less "
                f"than the {max_ids} ids that max_length={self.max_length} leaves for a session"
            )
        return max_ids


def is_session(candidate: Any) -> bool:
    """Whether an input is one recording: a path, its bytes, its events, or it is encoded already.

    A `str` never is one: it is text.
    """
    if isinstance(candidate, list | tuple):
        return bool(candidate) and _is_event(candidate[0])
    return isinstance(candidate, _SESSION_TYPES) or _is_wrapper(candidate)


def sessions_of(inputs: Any) -> tuple[list[Any], bool] | None:
    """The sessions that a tokenizer was given, and whether as a batch; None where it is text.

    Raises:
        ValueError: A list holds sessions and something else.
    """
    if is_session(inputs):
        return [inputs], False
    if not isinstance(inputs, list | tuple) or not any(map(is_session, inputs)):
        return None
    for number, candidate in enumerate(inputs):
        # An empty list is a session without events, which encoding it will refuse.
        if not is_session(candidate) and candidate != []:
            raise ValueError(
                f"a list of sessions holds a {type(candidate).__name__} at place {number}: "
                "encode texts and sessions in calls of their own (a str is always text; "
                "give recordings as pathlib.Path, bytes or lists of events)"
            )
    return list(inputs), True


def encode_sessions(
    tokenizer: PreTrainedTokenizerBase,
    sessions: Sequence[EncodedSession],
    options: SessionOptions,
    *,
    is_batched: bool,
) -> BatchEncoding:
    """The encoding of sessions, as transformers gives it for texts.

    Without truncation a session is one row of all its ids; with it, its first window, or with
    `return_overflowing_tokens` all its windows, session by session (see `session_windows`). Beside
    `input_ids` and the masks, what `options` ask for:

    `overflow_to_sample_mapping`: list of w ints, the number of the session a row is from.
    `window_starts`: list of w ints, the offset of a row's first id in its session.
    `event_spans`: w arrays (e, 3) int64: an event's number in its session, and where it starts and
    stops in the row's `input_ids`, half open; special tokens and padding are counted.
    `event_times_ms`: w arrays (e,) float64: epoch ms of these events.

    These four stay lists, whatever `return_tensors` is; the model takes the rest.
    """
    num_special = tokenizer.num_special_tokens_to_add() if options.add_special_tokens else 0
    max_ids = options.max_ids(num_special)
    if options.is_truncated and tokenizer.truncation_side != "right":
        raise ValueError(
            "windows of sessions start at the front, but truncation_side is "
            f"{tokenizer.truncation_side!r}: use return_overflowing_tokens=True and take the last"
        )
    rows: list[tuple[int, SessionWindow]] = []
    for number, session in enumerate(sessions):
        windows = cut_windows(session, max_ids, options.stride)
        kept = windows if options.return_overflowing_tokens else windows[:1]
        rows += [(number, window) for window in kept]
    ids = [sessions[number].ids[window.start : window.stop].tolist() for number, window in rows]
    encoding = _model_inputs(tokenizer, ids, options)
    traces: dict[str, list[Any]] = {}
    if options.return_overflowing_tokens:
        traces["overflow_to_sample_mapping"] = [number for number, _ in rows]
    if options.has_event_spans:
        prefixes = _prefix_lengths(tokenizer, ids, encoding, options)
        traces |= _event_traces([window for _, window in rows], prefixes)
    is_one_row = not is_batched and not options.return_overflowing_tokens
    if is_one_row and options.return_tensors is None:
        encoding = BatchEncoding({name: row[0] for name, row in encoding.items()})
        traces = {name: row[0] for name, row in traces.items()}
    encoding.update(traces)
    return encoding


def _model_inputs(
    tokenizer: PreTrainedTokenizerBase, ids: list[list[int]], options: SessionOptions
) -> BatchEncoding:
    """(w, T) `input_ids` and what else the model and its collators take, padded, as tensors."""
    with_special = tokenizer.build_inputs_with_special_tokens
    inputs = [with_special(row) if options.add_special_tokens else row for row in ids]
    columns: dict[str, list[Any]] = {"input_ids": inputs}
    if options.return_token_type_ids:
        columns["token_type_ids"] = [[0] * len(row) for row in inputs]
    if options.return_special_tokens_mask:
        is_special = tokenizer.get_special_tokens_mask
        columns["special_tokens_mask"] = [
            is_special(row) if options.add_special_tokens else [0] * len(row) for row in ids
        ]
    if options.return_length:
        columns["length"] = [len(row) for row in inputs]
    for row in inputs:
        # transformers says this once a tokenizer, for texts too.
        tokenizer._eventual_warn_about_too_long_sequence(row, options.max_length, options.verbose)
    return tokenizer.pad(
        columns,
        padding=options.padding_strategy,
        max_length=options.max_length,
        pad_to_multiple_of=options.pad_to_multiple_of,
        padding_side=options.padding_side,
        return_attention_mask=options.return_attention_mask,
        return_tensors=options.return_tensors,
    )


def _prefix_lengths(
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    encoding: BatchEncoding,
    options: SessionOptions,
) -> list[int]:
    """How many ids stand before a row's own: padding on the left, and [CLS]."""
    num_cls = 1 if options.add_special_tokens else 0
    if (options.padding_side or tokenizer.padding_side) != "left":
        return [num_cls] * len(ids)
    num_special = tokenizer.num_special_tokens_to_add() if options.add_special_tokens else 0
    padded = map(len, encoding["input_ids"])
    return [
        length - len(row) - num_special + num_cls for length, row in zip(padded, ids, strict=True)
    ]


def _event_traces(windows: list[SessionWindow], prefixes: list[int]) -> dict[str, list[Any]]:
    moved = [np.array([0, prefix, prefix]) for prefix in prefixes]
    return {
        "window_starts": [window.start for window in windows],
        "event_spans": [w.event_spans + by for w, by in zip(windows, moved, strict=True)],
        "event_times_ms": [window.event_times_ms for window in windows],
    }


def _is_event(candidate: Any) -> bool:
    if isinstance(candidate, msgspec.Struct):
        return True
    return isinstance(candidate, Mapping) and "events" not in candidate


def _is_wrapper(candidate: Any) -> bool:
    """Whether it is an object with an `events` list, as some recorders write."""
    return isinstance(candidate, Mapping) and "events" in candidate
