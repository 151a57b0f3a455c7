"""Fine-tune a pre-trained model to classify recordings, and see how well it does on other groups.

    python classify_sessions.py --labels labels.jsonl --model_name_or_path MODEL --output_dir out

`labels.jsonl` holds a JSON object a line: `path` of a recording (relative to the file's folder, or
to --recordings_dir), `label`, and, if there is one, `group`: what the split must keep together,
such as the site or the visitor. Every flag of transformers' TrainingArguments works beside ours.

A session longer than a window is seen in several windows that open with keyframes: training draws
some of them, evaluation takes the mean of their logits.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)

from rrweb_bert.encoder_inputs import SessionError, encoded_session
from rrweb_bert.labelled_windows import DrawnWindows, EvenWindows, Windows, mean_by_session
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.session_windows import cut_windows


class UsageError(ValueError):
    """The command cannot run as given; the message says what to change."""


@dataclass
class ClassifyArguments:
    """What is classified, and how much of each session is seen."""

    labels: str = field(metadata={"help": "JSONL file: path, label and perhaps group a line."})
    model_name_or_path: str = field(metadata={"help": "A pre-trained model: folder or Hub name."})
    recordings_dir: str | None = field(
        default=None, metadata={"help": "What paths are relative to. None: the labels' folder."}
    )
    path_field: str = field(default="path", metadata={"help": "Name of the path in a line."})
    label_field: str = field(default="label", metadata={"help": "Name of the label in a line."})
    group_field: str = field(
        default="group", metadata={"help": "Name of what the split keeps together."}
    )
    test_fraction: float = field(
        default=0.25, metadata={"help": "Share (0 to 1) of the sessions to test on, whole groups."}
    )
    window_tokens: int | None = field(
        default=None, metadata={"help": "Most ids of a window. None: as many as the model takes."}
    )
    train_windows: int = field(
        default=2, metadata={"help": "Most windows of a session that an epoch trains on."}
    )
    test_windows: int = field(
        default=8, metadata={"help": "Most windows of a session that a prediction is made of."}
    )
    balanced: bool = field(
        default=True, metadata={"help": "Weigh rare labels up, so that all count equally."}
    )
    skip_unreadable: bool = field(
        default=False, metadata={"help": "Leave out recordings that cannot be read."}
    )

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if not 0 < self.test_fraction < 1:
            raise UsageError(f"--test_fraction must be between 0 and 1, not {self.test_fraction}")
        if min(self.train_windows, self.test_windows) < 1:
            raise UsageError("--train_windows and --test_windows must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSession:
    """A line of the labels."""

    path: Path
    label: str
    group: str


def main(argv: Sequence[str] | None = None) -> int:
    """Train and evaluate, and return the exit status: 0 done, 2 it cannot run as asked."""
    parser = HfArgumentParser((ClassifyArguments, TrainingArguments), description=__doc__)
    parser.set_defaults(report_to="none", per_device_eval_batch_size=16, learning_rate=1e-4)
    try:
        options, training = parser.parse_args_into_dataclasses(
            None if argv is None else list(argv), look_for_args_file=False
        )
        classify(options, training)
    except (UsageError, SessionError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def classify(options: ClassifyArguments, training: TrainingArguments) -> dict[str, float]:
    """Labels -> windows -> Trainer -> metrics, a picture and a model in the output folder."""
    set_seed(training.seed)
    sessions = read_labels(options)
    tokenizer = loaded(RRWebTokenizer.from_pretrained, options.model_name_or_path)
    window_tokens = min(options.window_tokens or tokenizer.model_max_length, 1 << 16)
    sessions, windows = encode(sessions, tokenizer, window_tokens, options.skip_unreadable)
    train_rows, test_rows = split_by_group(sessions, options.test_fraction, training.seed)
    names = sorted({session.label for session in sessions})
    check_split(sessions, train_rows, test_rows)
    labels = [names.index(session.label) for session in sessions]

    def part(rows: list[int]) -> Windows:
        return Windows(windows=[windows[r] for r in rows], labels=[labels[r] for r in rows])

    train, test = part(train_rows), part(test_rows)
    test_set = EvenWindows(test, options.test_windows)
    model = loaded(
        AutoModelForSequenceClassification.from_pretrained,
        options.model_name_or_path,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={label: number for number, label in enumerate(names)},
    )
    trainer = Trainer(
        model=model,
        args=training,
        train_dataset=DrawnWindows(train, options.train_windows),
        eval_dataset=test_set,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_loss_func=weighted_loss(train.labels, len(names)) if options.balanced else None,
    )
    trainer.train()
    trainer.save_model()
    logits = mean_by_session(trainer.predict(test_set).predictions, test_set.session_of_row)
    results = report(
        np.array(test.labels), logits.argmax(1), names=names, train_labels=train.labels
    )
    write_results(Path(training.output_dir), results, [sessions[r] for r in test_rows], names)
    return results.metrics


# --- labels and recordings


def read_labels(options: ClassifyArguments) -> list[LabelledSession]:
    """The labelled sessions; a line without a group is a group of its own.

    Raises:
        UsageError: the file is missing, a line is no such object, or a recording is missing.
    """
    path = Path(options.labels)
    if not path.is_file():
        raise UsageError(f"--labels {path}: there is no such file")
    folder = path.parent if options.recordings_dir is None else Path(options.recordings_dir)
    sessions: list[LabelledSession] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            recording = folder / row[options.path_field]
            label = row[options.label_field]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}, line {number}: wanted is a JSON object with {options.path_field!r} and "
                f"{options.label_field!r} ({type(error).__name__}: {error})"
            ) from None
        if label is None:
            continue
        if not recording.is_file():
            raise UsageError(f"{path}, line {number}: there is no recording {recording}")
        group = str(row.get(options.group_field, recording))
        sessions.append(LabelledSession(path=recording, label=str(label), group=group))
    if not sessions:
        raise UsageError(f"{path} holds no labelled session")
    return sessions


def encode(
    sessions: list[LabelledSession],
    tokenizer: RRWebTokenizer,
    window_tokens: int,
    skip_unreadable: bool,
) -> tuple[list[LabelledSession], list[list[list[int]]]]:
    """The sessions that can be read, and the windows of each.

    Raises:
        SessionError: a recording cannot be read and is not to be skipped; names the file.
    """
    kept: list[LabelledSession] = []
    windows: list[list[list[int]]] = []
    skipped: list[str] = []
    for session in sessions:
        try:
            encoded = encoded_session(session.path, tokenizer, str(session.path))
        except SessionError as error:
            if not skip_unreadable:
                raise SessionError(
                    f"{error}. --skip_unreadable true leaves such files out"
                ) from error
            skipped.append(str(error))
            continue
        kept.append(session)
        windows.append(
            [
                tokenizer.build_inputs_with_special_tokens(encoded.ids[w.start : w.stop].tolist())
                for w in cut_windows(encoded, window_tokens - tokenizer.num_special_tokens_to_add())
            ]
        )
    if skipped:
        print(f"{len(skipped)} of {len(sessions)} recordings are left out; first: {skipped[0]}")
    if not kept:
        raise UsageError("none of the recordings can be read")
    return kept, windows


def split_by_group(
    sessions: Sequence[LabelledSession], test_fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Numbers of the sessions to train and to test on: whole groups, drawn by the seed."""
    groups = sorted({session.group for session in sessions})
    random.Random(seed).shuffle(groups)  # noqa: S311 - no secret
    sizes = Counter(session.group for session in sessions)
    test_groups: set[str] = set()
    num_test = 0
    for group in groups:
        if num_test + sizes[group] / 2 < test_fraction * len(sessions):
            test_groups.add(group)
            num_test += sizes[group]
    if not test_groups and len(groups) > 1:  # each is large: the first one drawn
        test_groups = {groups[0]}
    rows = range(len(sessions))
    return (
        [row for row in rows if sessions[row].group not in test_groups],
        [row for row in rows if sessions[row].group in test_groups],
    )


def check_split(
    sessions: Sequence[LabelledSession], train_rows: list[int], test_rows: list[int]
) -> None:
    """Refuse a split that nothing can be learnt from or tested on; name what it lacks.

    Raises:
        UsageError: says which labels are where.
    """
    train = Counter(sessions[row].label for row in train_rows)
    test = Counter(sessions[row].label for row in test_rows)
    if len(train | test) < 2:
        raise UsageError(
            f"all sessions have the label {next(iter(train | test))!r}: two are needed"
        )
    if not train or not test:
        raise UsageError(
            "all sessions are of one group, which is not split; name another --group_field, or "
            "another --test_fraction"
        )
    if len(train) < 2:
        raise UsageError(
            f"all sessions to train on have the label {next(iter(train))!r}: the groups of the "
            "others are tested on. Give another --seed or --test_fraction"
        )
    if unseen := test.keys() - train.keys():
        print(f"note: {', '.join(sorted(unseen))} occurs in no group that is trained on")
    num_groups = [len({sessions[row].group for row in rows}) for rows in (train_rows, test_rows)]
    print(f"train: {train.total()} sessions of {num_groups[0]} groups, {dict(train)}")
    print(f"test: {test.total()} sessions of {num_groups[1]} groups, {dict(test)}")


# --- model


def loaded(load: Callable[..., Any], name: str, **options: Any) -> Any:
    """What a `from_pretrained` makes of a model's folder or name; UsageError where it cannot."""
    try:
        return load(name, **options)
    except (OSError, ValueError) as error:
        raise UsageError(f"--model_name_or_path {name} cannot be loaded: {error}") from error


def weighted_loss(labels: list[int], num_labels: int) -> Callable[..., torch.Tensor]:
    """Cross entropy in which each label that is trained on weighs the same in all."""
    counts = np.bincount(labels, minlength=num_labels)
    weights = np.divide(
        len(labels), counts * (counts > 0).sum(), where=counts > 0, out=0.0 * counts
    )
    weight = torch.tensor(weights, dtype=torch.float32)

    def loss(outputs: Any, labels: torch.Tensor, **_: Any) -> torch.Tensor:
        logits = outputs["logits"].float()
        return torch.nn.functional.cross_entropy(logits, labels, weight=weight.to(logits.device))

    return loss


# --- results


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came out.

    Attributes:
        metrics: `accuracy`, `macro_f1`, the same of always saying the most frequent label of the
            training sessions (`majority_...`), and `num_sessions`.
        confusion: (labels, labels) int64, rows are true labels, columns predicted ones.
        predicted: (sessions,) int64.
    """

    metrics: dict[str, float]
    confusion: np.ndarray
    predicted: np.ndarray


def report(
    true: np.ndarray, predicted: np.ndarray, *, names: list[str], train_labels: list[int]
) -> Results:
    """Compare predictions with the truth and with the most frequent label, and print it."""
    majority = np.full_like(true, Counter(train_labels).most_common(1)[0][0])
    confusion = confusion_matrix(true, predicted, len(names))
    metrics = {
        "accuracy": float((true == predicted).mean()),
        "macro_f1": macro_f1(confusion),
        "majority_accuracy": float((true == majority).mean()),
        "majority_macro_f1": macro_f1(confusion_matrix(true, majority, len(names))),
        "num_sessions": len(true),
    }
    print(f"{'':<16}{'accuracy':>10}{'macro-F1':>10}")
    for name, prefix in (("this model", ""), ("most frequent", "majority_")):
        figures = [metrics[f"{prefix}{metric}"] for metric in ("accuracy", "macro_f1")]
        print(f"{name:<16}{figures[0]:>10.3f}{figures[1]:>10.3f}")
    return Results(metrics=metrics, confusion=confusion, predicted=predicted)


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, num_labels: int) -> np.ndarray:
    """How many sessions of each true label (row) got each label (column)."""
    counts = np.bincount(true * num_labels + predicted, minlength=num_labels**2)
    return counts.reshape(num_labels, num_labels)


def macro_f1(confusion: np.ndarray) -> float:
    """Mean F1 of the labels that occur in the truth."""
    hits = np.diag(confusion)
    true, predicted = confusion.sum(1), confusion.sum(0)
    occurs = true > 0
    return float((2 * hits[occurs] / (true[occurs] + predicted[occurs])).mean())


def write_results(
    folder: Path, results: Results, sessions: list[LabelledSession], names: list[str]
) -> None:
    """Write `metrics.json`, `predictions.jsonl` and `confusion_matrix.png`, and say where."""
    (folder / "metrics.json").write_text(json.dumps(results.metrics, indent=2) + "\n")
    rows = (
        {"path": str(session.path), "label": session.label, "predicted": names[number]}
        for session, number in zip(sessions, results.predicted, strict=True)
    )
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    draw_confusion(results.confusion, names, folder / "confusion_matrix.png")
    print(f"model, metrics.json, predictions.jsonl and confusion_matrix.png are in {folder}")


def draw_confusion(confusion: np.ndarray, names: list[str], path: Path) -> None:
    """Draw counts, coloured by their share of the true label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # without pyplot: no global state
    from matplotlib.figure import Figure

    size = max(4.0, 1.0 + 0.8 * len(names))
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=30, ha="right")
    axes.set_yticks(ticks, names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(image, label="share of the true label")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
