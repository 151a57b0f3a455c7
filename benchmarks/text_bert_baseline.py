"""A BERT on the raw JSON text of recordings, trained as ours is, and what both are asked alike.

    python benchmarks/text_bert_corpus.py RECORDINGS CORPUS text.tar.xz
    python benchmarks/text_bert_baseline.py train text.tar.xz OUTPUT --model_size mini --max_steps N
    python benchmarks/text_bert_baseline.py ask text.tar.xz --text_model OUTPUT --models MODEL...

`train` takes every flag of `train_mlm.py`: the same model shape, window length, number of windows
a step, schedule, masks and training loop, with text ids in place of ours. With the flags of a model
of ours, text BERT and model see equally many ids in equally many steps.

A loss a masked id says nothing across two tokenisations: an id of JSON stands for 3.2 bytes of
whatever was recorded, and one of ours for a thing that happened. What can be compared is a question
that both can be asked: of which of 31 kinds is this event (`[MI_Click]`, `[IS_Scroll]`, ...)?
`ask` does so twice for events of held-out sites. "Next": the window ends with a mask where the kind
would stand, after as much as fits. "Between": half a window before the event, half a window after
it, nothing of the event itself. Neither is what a masked-language model is trained for (it sees an
event's own fields), but it is the same for both. In JSON the kind is `data.source`, and `data.type`
where that leaves it open: two masks, one at a time, whose probabilities are multiplied. In ours it
is the head, and between events its time is a mask, too. Ids that are no kinds are not counted.
Reported: accuracy, its mean over the kinds with at least ten questions, and the loss in bits, with
95% intervals from a bootstrap over sessions, beside predictions from counts of kinds in train.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import tarfile
import tempfile
from pathlib import Path

import torch
from text_bert_asking import ask_models, load_tokenizer

from rrweb_bert import assembly
from rrweb_bert.arguments import parse_arguments
from rrweb_bert.example_predictions import ExamplePredictions
from rrweb_bert.trainer_assembly import build_trainer


def main() -> None:
    """Runs one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train; every flag of train_mlm.py may follow")
    train.add_argument("archive", type=Path)
    train.add_argument("output", type=Path)
    ask = commands.add_parser("ask", help="ask models which kind of event comes next")
    ask.add_argument("archive", type=Path)
    ask.add_argument("--text_model", type=Path)
    ask.add_argument("--models", nargs="*", default=[], help="folders of models of ours")
    ask.add_argument("--batch_size", type=int, default=32)
    ask.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ask.add_argument("--max_questions", type=int, help="only so many of each split")
    ask.add_argument("--json", type=Path, help="write the figures to this file")
    arguments, others = parser.parse_known_args()
    folder = unpacked(arguments.archive)
    if arguments.command == "train":
        train_text_bert(folder, arguments.output, others)
    elif others:
        parser.error(f"unknown arguments {' '.join(others)}")
    else:
        ask_models(folder, arguments)


def unpacked(archive: Path) -> Path:
    """The folder of the archive's content, beside it; its name has the archive's hash."""
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = archive.with_name(f"{archive.name.removesuffix('.tar.xz')}-{digest[:8]}.unpacked")
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=archive.parent) as partial_folder:
            with tarfile.open(archive, "r:xz") as content:
                content.extractall(partial_folder, filter="data")
            if not folder.is_dir():  # another process may have been faster
                shutil.move(partial_folder, folder)
                Path(partial_folder).mkdir()
    return folder


def train_text_bert(folder: Path, output: Path, flags: list[str]) -> None:
    """Train exactly as `train_mlm.py` does, but for corpus and tokenizer."""
    arguments = parse_arguments(["--data_dir", str(folder), "--output_dir", str(output), *flags])
    tokenizer = load_tokenizer(folder)
    plan = assembly.settle_steps(arguments)
    model = assembly.build_model(arguments, len(tokenizer))
    trainer = build_trainer(
        arguments, plan, corpus_dir=folder, tokenizer=tokenizer, model=model, start=None
    )
    # Example predictions are told as events, which text ids are not.
    trainer.remove_callback(ExamplePredictions)
    trainer.train()
    trainer.save_model()
    tokenizer.save_pretrained(output)
    loss = trainer.evaluate()["eval_loss"]
    bytes_per_id = json.loads((folder / "about.json").read_text())["bytes_per_id"]
    bits = loss / math.log(2) / bytes_per_id["validation"]
    print(f"validation: {loss:.4f} nats a masked id, {bits:.3f} bits a masked byte")


if __name__ == "__main__":
    main()
