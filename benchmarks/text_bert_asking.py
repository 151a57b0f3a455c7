"""What models of text and of ours say when both are asked of which kind an event is."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from text_bert_corpus import SPECIALS
from text_bert_events import KINDS, numbers_of_kinds
from text_bert_questions import ID_ROWS, WINDOW_TOKENS
from tokenizers import Tokenizer
from torch.nn.functional import log_softmax
from transformers import PreTrainedTokenizerFast

from data_prep.streaming import evaluation_stream
from rrweb_bert import assembly
from rrweb_bert.collator import EVALUATION_MASK_SEED, RRWebDataCollator
from rrweb_bert.evaluation import sum_losses
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from rrweb_tokenizer.structural_vocab import CLS_ID, MASK_ID, PAD_ID, SEP_ID, STRUCTURAL_IDS

NUM_RESAMPLES = 2_000
MIN_QUESTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What `text_bert_corpus` asks; n questions, K kinds."""

    answers: npt.NDArray[np.int64]
    sessions: npt.NDArray[np.str_]
    splits: npt.NDArray[np.str_]
    previous: npt.NDArray[np.int64]
    ids: dict[str, list[npt.NDArray[np.int64]]]
    """"json before", "json after", "our before", "our after": a row of ids a question."""

    counts: dict[str, npt.NDArray[np.float64]]
    """Name -> (n, K) log probabilities."""

    @classmethod
    def load(cls, path: Path, max_questions: int | None) -> Questions:
        """Read the file, or some questions of each split in it, spread over all."""
        arrays = np.load(path)
        splits = arrays["splits"]
        kept = np.concatenate(
            [_spread(np.flatnonzero(splits == name), max_questions) for name in np.unique(splits)]
        )

        def rows(name: str) -> list[npt.NDArray[np.int64]]:
            split = np.split(arrays[f"ids {name}"].astype(np.int64), arrays[f"stops {name}"][:-1])
            return [split[i] for i in kept]

        return cls(
            answers=arrays["answers"][kept],
            sessions=arrays["sessions"][kept],
            splits=splits[kept],
            previous=arrays["previous"][kept],
            ids={name: rows(name) for name in ID_ROWS},
            counts={
                name.removeprefix("counts "): arrays[name][kept]
                for name in arrays.files
                if name.startswith("counts ")
            },
        )


def _spread(places: npt.NDArray[np.intp], number: int | None) -> npt.NDArray[np.intp]:
    if number is None or number >= len(places):
        return places
    return places[np.linspace(0, len(places) - 1, number).astype(int)]


def ask_models(folder: Path, arguments: argparse.Namespace) -> None:
    """Ask all models all questions, and print a table for each way of asking and split."""
    questions = Questions.load(folder / "questions.npz", arguments.max_questions)
    device = torch.device(arguments.device)
    scores: dict[str, dict[str, npt.NDArray[np.float64]]] = {
        "next": {
            **{
                f"counts, {n}": questions.counts[n] for n in ("frequency", "after one", "after two")
            },
            "the kind before it again": repeated(questions),
        },
        "between": {f"counts, {n}": questions.counts[n] for n in ("after one", "between")},
    }
    losses = {}
    if arguments.text_model is not None:
        model = load_model(arguments.text_model, device)
        score = partial(scores_of, model, device=device, batch_size=arguments.batch_size)
        for way, table in scores.items():
            table[f"text BERT {arguments.text_model.name}"] = text_scores(
                questions, folder, score, way
            )
        losses = text_losses(model, folder, device)
    for name in arguments.models:
        model = load_model(name, device)
        score = partial(scores_of, model, device=device, batch_size=arguments.batch_size)
        for way, table in scores.items():
            table[Path(name).name] = our_scores(questions, score, way)
    result: dict[str, Any] = {"kinds": KINDS, "text_bert": losses, "tables": {}}
    for way, split in product(scores, np.unique(questions.splits)):
        chosen = questions.splits == split
        rows = {
            name: figures(table[chosen], questions.answers[chosen], questions.sessions[chosen])
            for name, table in scores[way].items()
        }
        number = int(chosen.sum())
        result["tables"][f"{way}, {split}"] = {"num_questions": number, "rows": rows}
        print_table(f"{way}, {split}", number, rows)
    for split, row in losses.items():
        print(f"text BERT's own loss, {split}: {row}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def repeated(questions: Questions) -> npt.NDArray[np.float64]:
    """(n, K): certain of the kind before it; NaN where there is none."""
    scores = np.full((len(questions.answers), len(KINDS)), np.nan)
    known = np.flatnonzero(questions.previous >= 0)
    scores[known, questions.previous[known]] = 0.0
    return scores


def framed(
    before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], way: str, num_masks: int = 1
) -> tuple[npt.NDArray[np.int64], int]:
    """A window with a mask for the kind, and where that stands.

    Args:
        before: ids before it.
        after: ids after it; not shown for the "next" event.
        way: "next" or "between".
        num_masks: masks in a row, of which the first is the kind.
    """
    room = WINDOW_TOKENS - 2 - num_masks
    if way == "between":
        after = after[: room // 2]
        before = before[-(room - len(after)) :]
    else:
        after, num_masks = after[:0], 1
        before = before[-(WINDOW_TOKENS - 3) :]
    window = np.concatenate([[CLS_ID], before, [MASK_ID] * num_masks, after, [SEP_ID]])
    return window.astype(np.int64), 1 + len(before)


def load_model(name: str | Path, device: torch.device) -> RRWebBertForMaskedLM:
    """A checkpoint in evaluation mode."""
    model: RRWebBertForMaskedLM = RRWebBertForMaskedLM.from_pretrained(str(name))
    return model.to(device).eval()


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", dtype=torch.float16) if device.type == "cuda" else nullcontext()


@torch.no_grad()
def scores_of(
    model: RRWebBertForMaskedLM,
    windows: list[tuple[npt.NDArray[np.int64], int]],
    choices: list[int],
    *,
    device: torch.device,
    batch_size: int,
) -> npt.NDArray[np.float64]:
    """(n, len(choices)): log probability of each choice at a window's place, among the choices."""
    columns = torch.tensor(choices, device=device)
    scores = np.empty((len(windows), len(choices)))
    # Alike lengths together, so that little is padded.
    order = np.argsort([-len(ids) for ids, _ in windows], kind="stable")
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        lengths = np.array([len(windows[number][0]) for number in numbers])
        places = torch.tensor([windows[number][1] for number in numbers], device=device)
        ids = np.full((len(numbers), int(lengths.max())), PAD_ID)
        for row, number in enumerate(numbers):
            ids[row, : lengths[row]] = windows[number][0]
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        inputs = torch.from_numpy(ids).to(device)
        attention_mask = torch.from_numpy(mask.astype(np.int64)).to(device)
        with _autocast(device):
            is_asked = torch.arange(ids.shape[1], device=device) == places[:, None]
            states = model.masked_states(inputs, is_asked, None if mask.all() else attention_mask)
            logits = model.cls(states)
        scores[numbers] = log_softmax(logits[:, columns].double(), dim=-1).cpu().numpy()
    return scores


def our_scores(
    questions: Questions, score: Callable[..., npt.NDArray[np.float64]], way: str
) -> npt.NDArray[np.float64]:
    """(n, K): of the heads."""
    pairs = zip(questions.ids["our before"], questions.ids["our after"], strict=True)
    windows = [framed(before, after, way, num_masks=2) for before, after in pairs]
    return score(windows, [STRUCTURAL_IDS[token] for token in KINDS])


def text_scores(
    questions: Questions, folder: Path, score: Callable[..., npt.NDArray[np.float64]], way: str
) -> npt.NDArray[np.float64]:
    """(n, K): first `data.source`, then `data.type` given the two sources that have one."""
    tokenizer = load_tokenizer(folder)
    vocab = tokenizer.get_vocab()
    kinds = numbers_of_kinds()
    pairs = list(zip(questions.ids["json before"], questions.ids["json after"], strict=True))
    # A number that has no id of its own cannot be answered with one mask.
    sources = sorted({kind.source for kind in kinds if str(kind.source) in vocab})
    windows = [framed(before, after, way) for before, after in pairs]
    by_source = score(windows, [vocab[str(source)] for source in sources])
    result = np.full((len(questions.answers), len(kinds)), -np.inf)
    for place, kind in enumerate(kinds):
        if kind.inner < 0 and kind.source in sources:
            result[:, place] = by_source[:, sources.index(kind.source)]
    for source in (2, 7):
        places = [
            place
            for place, kind in enumerate(kinds)
            if kind.source == source and kind.inner >= 0 and str(kind.inner) in vocab
        ]
        opening = tokenizer.encode(f'{source},"type":', add_special_tokens=False)
        windows = [framed(np.append(before, opening), after, way) for before, after in pairs]
        inner = score(windows, [vocab[str(kinds[place].inner)] for place in places])
        result[:, places] = by_source[:, [sources.index(source)]] + inner
    return result


def figures(
    scores: npt.NDArray[np.float64],
    answers: npt.NDArray[np.int64],
    sessions: npt.NDArray[np.str_],
) -> dict[str, list[float]]:
    """Accuracy, mean accuracy over kinds, and bits, each as [value, low, high].

    Args:
        scores: (n, K) log probabilities; NaN where a predictor gives none, which has no loss.
        answers: (n,) places in K.
        sessions: (n,) names; resampled whole.
    """
    has_loss = not np.isnan(scores).any()
    chosen = np.where(
        np.isnan(scores).all(axis=1), -1, np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=1)
    )
    is_right = (chosen == answers).astype(np.float64)
    names, session_of = np.unique(sessions, return_inverse=True)
    kinds, kind_of = np.unique(answers, return_inverse=True)
    right = np.zeros((len(names), len(kinds)))
    asked, bits = np.zeros_like(right), np.zeros(len(names))
    np.add.at(right, (session_of, kind_of), is_right)
    np.add.at(asked, (session_of, kind_of), 1.0)
    if has_loss:
        each = -scores[np.arange(len(answers)), answers] / math.log(2)
        np.add.at(bits, session_of, each)
    draws = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=NUM_RESAMPLES
    )
    weights = np.concatenate([np.ones((1, len(names))), draws])
    right_sums, asked_sums = weights @ right, weights @ asked
    # Of kinds that are hardly asked about, draws would now and then hold none.
    places = np.flatnonzero(asked.sum(0) >= MIN_QUESTIONS)
    by_kind = np.zeros((len(weights), len(places)))
    np.divide(
        right_sums[:, places], asked_sums[:, places], out=by_kind, where=asked_sums[:, places] > 0
    )
    measures = {"accuracy": right_sums.sum(1) / asked_sums.sum(1)}
    if len(places):
        measures["mean over kinds"] = by_kind.mean(axis=1)
    if has_loss:
        measures["bits"] = weights @ bits / asked_sums.sum(1)
    return {
        name: [float(values[0]), *np.quantile(values[1:], [0.025, 0.975]).tolist()]
        for name, values in measures.items()
    }


def print_table(split: str, num_questions: int, rows: dict[str, dict[str, list[float]]]) -> None:
    """Print one split's figures as Markdown."""
    print(f"\n{split}, {num_questions:,} questions: of which kind is the event?\n")
    print("| predictor | accuracy | mean over kinds | bits |\n|---|---|---|---|")
    for name, row in rows.items():
        cells = []
        for measure, form in (("accuracy", ".1%"), ("mean over kinds", ".1%"), ("bits", ".2f")):
            if measure in row:
                value, low, high = (format(number, form) for number in row[measure])
                cells.append(f"{value} ({low} to {high})")
            else:
                cells.append("")
        print(f"| {name} | {' | '.join(cells)} |")
    sys.stdout.flush()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The byte-level BPE as a tokenizer of transformers."""
    inner = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
    inner.encode_special_tokens = True
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIALS, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **{f"{role}_token": token for role, token in names.items()}
    )


def text_losses(
    model: RRWebBertForMaskedLM, folder: Path, device: torch.device
) -> dict[str, dict[str, float]]:
    """The text BERT's masked loss on one window a held-out session, in nats an id, bits a byte."""
    tokenizer = load_tokenizer(folder)
    collator = RRWebDataCollator(tokenizer, mask_seed=EVALUATION_MASK_SEED)
    bytes_per_id = json.loads((folder / "about.json").read_text())["bytes_per_id"]
    losses = {}
    for split in ("validation", "test"):
        stream = evaluation_stream(
            folder, split, window_tokens=WINDOW_TOKENS, seed=assembly.EVALUATION_SEED, batch_size=8
        )
        batches = batches_of(stream, collator, 8)
        sums = sum_losses(model, batches, device=device, autocast=partial(_autocast, device))
        loss = sums.metrics()["loss"]
        losses[split] = {
            "nats_per_id": loss,
            "bits_per_byte": loss / math.log(2) / bytes_per_id[split],
        }
    return losses


def batches_of(stream: Any, collator: RRWebDataCollator, size: int) -> Iterator[dict[str, Any]]:
    """Collated batches of a stream."""
    pending: list[Any] = []
    for sample in stream:
        pending.append(sample)
        if len(pending) == size:
            yield collator(pending)
            pending = []
    if pending:
        yield collator(pending)
