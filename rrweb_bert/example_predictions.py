"""What the model predicts, for people: a few masked ids of validation windows, at each evaluation.

The windows and the masked ids are the same at every evaluation of a run, some of each kind of
token. Each row tells the event that the id stands in, the id itself, and the model's five likeliest
ids with their probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import TrainerCallback, TrainerState

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import MAX_VOCAB_SIZE, PAD_ID
from rrweb_tokenizer.telling.reader import printable
from rrweb_tokenizer.transcript import entries, render_ids, text_lines

from .durable import write_atomically
from .evaluation import KINDS, kind_table
from .modeling_rrweb_bert import IGNORE_INDEX, RRWebBertForMaskedLM

__all__ = [
    "EXAMPLES_FILE",
    "NUM_WINDOWS",
    "Example",
    "ExamplePredictions",
    "MaskedPositions",
    "choose_positions",
    "examples_of",
    "predict",
]

EXAMPLES_FILE: Final = "examples.jsonl"
NUM_WINDOWS: Final = 8
"""Validation windows that the examples are chosen from."""

_A_KIND: Final = 2
_NUM_TOP: Final = 5
_CONTEXT: Final = 16  # ids shown on either side of the masked one, within its event
_ASKED: Final = "[MASK?]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A masked id and what the model makes of it; all texts are printable.

    Attributes:
        kind: of the true token, one of `KINDS`.
        event: what happened, told as in a transcript.
        tokens: the model's input around the id, which stands as [MASK?].
        truth: the token that was masked.
        truth_probability: that the model gives it, 0 to 1.
        top: the likeliest tokens and their probabilities, likeliest first.
    """

    kind: str
    event: str
    tokens: str
    truth: str
    truth_probability: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedPositions:
    """A masked batch and the positions in it that are shown.

    Attributes:
        batch: `input_ids`, `labels` and perhaps `attention_mask`, (B, T), as the collator makes it.
        positions: row and column of each, in reading order.
    """

    batch: dict[str, Tensor]
    positions: tuple[tuple[int, int], ...]


def choose_positions(batch: dict[str, Tensor], *, a_kind: int = _A_KIND) -> MaskedPositions:
    """Choose masked positions, up to `a_kind` of each kind of token, the same ones every time."""
    labels = batch["labels"].numpy()
    kinds = kind_table(vocab_size=MAX_VOCAB_SIZE).numpy()
    rows, columns = np.nonzero(labels != IGNORE_INDEX)
    order = np.random.default_rng(0).permutation(len(rows))
    left = dict.fromkeys(range(len(KINDS)), a_kind)
    chosen: list[tuple[int, int]] = []
    for index in order.tolist():
        place = int(rows[index]), int(columns[index])
        kind = int(kinds[labels[place]])
        if left[kind]:
            left[kind] -= 1
            chosen.append(place)
    return MaskedPositions(batch=batch, positions=tuple(sorted(chosen)))


@torch.no_grad()
def predict(model: RRWebBertForMaskedLM, masked: MaskedPositions) -> Tensor:
    """The probabilities (K, V) of all ids at each position, on the CPU."""
    device = next(model.parameters()).device
    batch = {name: value.to(device) for name, value in masked.batch.items()}
    asked = torch.full_like(batch["labels"], IGNORE_INDEX)
    for row, column in masked.positions:
        asked[row, column] = batch["labels"][row, column]
    logits, _ = model.masked_logits(batch["input_ids"], asked, batch.get("attention_mask"))
    return logits.softmax(-1).cpu()


def examples_of(
    masked: MaskedPositions, probabilities: Tensor, tokenizer: RRWebTokenizer
) -> list[Example]:
    """The rows that a person reads, in the order of the positions."""
    inputs, labels = masked.batch["input_ids"].numpy(), masked.batch["labels"].numpy()
    kinds = kind_table(vocab_size=MAX_VOCAB_SIZE)
    told: dict[int, list[tuple[int, int, str]]] = {}
    examples = []
    for (row, column), each in zip(masked.positions, probabilities, strict=True):
        if row not in told:
            truth = np.where(labels[row] == IGNORE_INDEX, inputs[row], labels[row])
            told[row] = _told(truth[truth != PAD_ID].tolist(), tokenizer)
        start, stop, event = _event_around(column, told[row])
        true_id = int(labels[row, column])
        top = each.topk(min(_NUM_TOP, len(each)))
        examples.append(
            Example(
                kind=KINDS[int(kinds[true_id])],
                event=event,
                tokens=_tokens(inputs[row], column, start, stop, tokenizer),
                truth=_token(true_id, tokenizer),
                truth_probability=round(float(each[true_id]), 6),
                top=tuple(
                    (_token(int(i), tokenizer), round(float(p), 6))
                    for p, i in zip(top.values, top.indices, strict=True)
                ),
            )
        )
    return examples


def _told(ids: list[int], tokenizer: RRWebTokenizer) -> list[tuple[int, int, str]]:
    """Start, stop and line of each record of a window."""
    told = entries(ids, tokenizer.text_model.decode_plain)
    lines = (next(text_lines([entry], ids_of=lambda span: "")) for entry in told)
    return [
        (entry.record.start, entry.record.stop, " ".join(line.split()))
        for entry, line in zip(told, lines, strict=True)
    ]


def _event_around(column: int, told: Iterable[tuple[int, int, str]]) -> tuple[int, int, str]:
    """The innermost record that a position stands in."""
    around = [(start, stop, line) for start, stop, line in told if start <= column < stop]
    return min(around, key=lambda record: record[1] - record[0], default=(column, column + 1, ""))


def _tokens(
    ids: NDArray[np.int64], column: int, start: int, stop: int, tokenizer: RRWebTokenizer
) -> str:
    start, stop = max(start, column - _CONTEXT), min(stop, column + 1 + _CONTEXT)
    decode = tokenizer.text_model.decode_plain
    before, after = ids[start:column].tolist(), ids[column + 1 : stop].tolist()
    return " ".join(
        part for part in (render_ids(before, decode), _ASKED, render_ids(after, decode)) if part
    )


def _token(token_id: int, tokenizer: RRWebTokenizer) -> str:
    return printable(str(tokenizer.convert_ids_to_tokens(token_id)))


class ExamplePredictions(TrainerCallback):  # type: ignore[misc]
    """Writes `examples.jsonl` at each evaluation, and hands the examples on.

    Args:
        masked: what is predicted.
        tokenizer: gives tokens and texts.
        output_dir: where the file stands; rows of steps after `until_step` are removed from it.
        until_step: where the run goes on, 0 for a new one.
        autocast: makes the context in which the model runs.
        sinks: called with the step and the examples, one for each tracker.
    """

    def __init__(
        self,
        masked: MaskedPositions,
        tokenizer: RRWebTokenizer,
        *,
        output_dir: Path,
        until_step: int,
        autocast: Callable[[], AbstractContextManager[Any]],
        sinks: Sequence[Callable[[int, list[Example]], None]],
    ) -> None:
        self._masked, self._tokenizer, self._autocast = masked, tokenizer, autocast
        self._path, self._until_step, self._sinks = output_dir / EXAMPLES_FILE, until_step, sinks

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Remove what a resumed run will write again."""
        if state.is_world_process_zero and self._path.is_file():
            lines = self._path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _step_of(line) <= self._until_step]
            write_atomically(self._path, "".join(f"{line}\n" for line in kept))

    def on_evaluate(
        self,
        args: Any,
        state: TrainerState,
        control: Any,
        model: RRWebBertForMaskedLM | None = None,
        **kwargs: Any,
    ) -> None:
        """Predict, write and hand on."""
        if not state.is_world_process_zero or model is None or not self._masked.positions:
            return
        model.eval()
        with self._autocast():
            probabilities = predict(model, self._masked)
        examples = examples_of(self._masked, probabilities, self._tokenizer)
        with self._path.open("a", encoding="utf-8") as file:
            for example in examples:
                row = {"step": state.global_step, **asdict(example)}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        for sink in self._sinks:
            sink(state.global_step, examples)


def _step_of(line: str) -> float:
    """The step of a row; infinite for a line that a crash cut short."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
