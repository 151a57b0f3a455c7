"""`python -m rrweb_bert evaluate MODEL DATA`: figures of a model on held-out sessions."""

from __future__ import annotations

import argparse
import json
import platform
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
import transformers

from data_prep.encoding import tokenizer_hashes
from data_prep.errors import DataError
from data_prep.files import write_text_atomically
from data_prep.prepare import PreparedCorpus, PrepareOptions, open_or_prepare
from data_prep.shards import SPLITS, SplitTable
from rrweb_tokenizer import RRWebTokenizer

from ..collator import EVALUATION_MASK_SEED
from ..modeling_rrweb_bert import RRWebBertForMaskedLM
from ..options import UsageError
from ..run_record import RunRecord
from .figures import MODEL, figures_of
from .intervals import NUM_RESAMPLES
from .ngrams import NGramCounts, count_ngrams
from .page import evaluation_page
from .predictors import ModelPredictor
from .report import summary
from .running import baselines_of, sum_split

__all__ = ["JSON_FILE", "PAGE_FILE", "add_arguments", "run"]

JSON_FILE: Final = "evaluation.json"
PAGE_FILE: Final = "evaluation.html"

_SPLITS_OF: Final[dict[str, tuple[str, ...]]] = {
    **{split: (split,) for split in SPLITS},
    "both": ("validation", "test"),
    "all": SPLITS,
}
_MAX_WINDOW: Final = 2048
_DTYPES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.description = (
        "Measure how well a model fills in masked ids of held-out sessions: loss, perplexity, "
        "accuracy and how often it is grammatical, by kind of token, with 95% intervals, beside "
        f"baselines that count and copy. Writes {JSON_FILE} and {PAGE_FILE}."
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder or hub name of a trained model")
    add("data", metavar="DATA", help="a prepared corpus, or recordings (prepared into the cache)")
    add("--split", choices=tuple(_SPLITS_OF), default="both", help="both: validation and test")
    add("--output", type=Path, default=Path("evaluation"), help="folder for the two files")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    add("--precision", choices=("auto", "fp16", "bf16", "fp32"), default="auto",
        help="auto is fp16 with CUDA, as in training, else fp32")  # fmt: skip
    add("--batch_size", type=int, default=8, help="windows at once; no figure depends on it")
    add("--num_windows", type=int, default=3195,
        help="windows of each split at most, one a session")  # fmt: skip
    add("--window_tokens", type=int, help=f"ids a window; as the model has, {_MAX_WINDOW} at most")
    add("--mlm_probability", type=float, default=0.15, help="share of ids to be predicted")
    add("--cluster", choices=("auto", "session", "group"), default="auto",
        help="what intervals draw anew; auto: groups from 20 on, else sessions")  # fmt: skip
    add("--baseline_ids", type=int, default=20_000_000,
        help="ids of the train split that the baselines count at most")  # fmt: skip
    add("--cache_dir", type=Path, help="folder for prepared corpora")
    add("--group_by", default="auto", help="of recordings: what a split must not share")
    add("--test_fraction", type=float, default=0.05, help="of recordings: as in training")
    add("--validation_fraction", type=float, default=0.1, help="of recordings: as in training")
    add("--num_proc", type=int, help="of recordings: processes that prepare them")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, write both files and print the summary.

    Raises:
        UsageError: model and data do not fit together, or there is no such device.
        DataError: there is nothing to evaluate on.
    """
    _check(arguments)
    began = time.monotonic()
    device = _device(arguments.device)
    precision = _precision(arguments.precision, device)
    model = _load_model(arguments.model)
    tokenizer = _load_tokenizer(arguments.model, model)
    corpus = _open_corpus(arguments, tokenizer)
    window_tokens = arguments.window_tokens or min(
        _MAX_WINDOW, model.config.max_position_embeddings
    )
    if window_tokens > model.config.max_position_embeddings:
        raise UsageError(
            f"{arguments.model} has {model.config.max_position_embeddings} positions, fewer than "
            f"--window_tokens {window_tokens}"
        )
    tables = _tables(corpus, _SPLITS_OF[arguments.split])
    counts = _counts(corpus, tokenizer.vocab_size, arguments.baseline_ids)
    baselines = baselines_of(counts)
    predictor = ModelPredictor(
        model.to(device).eval(),
        device=device,
        autocast=partial(_autocast, device, precision),
        name=MODEL,
    )
    splits = {}
    for split, table in tables.items():
        sums = sum_split(
            table,
            tokenizer,
            predictor,
            baselines,
            window_tokens=window_tokens,
            batch_size=arguments.batch_size,
            num_windows=arguments.num_windows,
            mlm_probability=arguments.mlm_probability,
            show_progress=True,
        )
        splits[split] = figures_of(sums, cluster=arguments.cluster)
    result = {
        "format": 1,
        "model": {
            "name": arguments.model,
            "num_parameters": model.num_parameters(),
            "trained_on_this_corpus": _was_trained_on(arguments.model, corpus),
        },
        "data": {
            "path": str(arguments.data),
            "fingerprint": corpus.fingerprint,
            "grouped_by": str(corpus.identity.options.get("group_by", "")),
        },
        "settings": {
            "window_tokens": window_tokens,
            "mlm_probability": arguments.mlm_probability,
            "mask_seed": EVALUATION_MASK_SEED,
            "num_resamples": NUM_RESAMPLES,
            "device": _device_name(device),
            "precision": precision,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "baselines": {"num_sessions": counts.num_sessions, "num_ids": counts.num_ids},
        "seconds": round(time.monotonic() - began, 1),
        "splits": splits,
    }
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    write_text_atomically(output / JSON_FILE, json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_text_atomically(output / PAGE_FILE, evaluation_page(result))
    print(summary(result))
    print(f"written: {output / JSON_FILE}, {output / PAGE_FILE}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for name in ("batch_size", "num_windows", "baseline_ids"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} must be at least 1")
    if arguments.window_tokens is not None and arguments.window_tokens < 8:
        raise UsageError("--window_tokens must be at least 8 ids")
    if not 0 < arguments.mlm_probability <= 1:
        raise UsageError("--mlm_probability must be above 0 and at most 1")


def _device(name: str) -> torch.device:
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name} is none: auto, cpu, cuda or cuda:NUMBER") from error
    if device.type == "cuda" and (not has_cuda or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(f"--device {name}: no such CUDA GPU is visible here")
    return device


def _precision(name: str, device: torch.device) -> str:
    if name == "auto":
        return "fp16" if device.type == "cuda" else "fp32"
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 needs a CUDA GPU; take fp32 or bf16")
    return name


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=_DTYPES[precision])


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"


def _load_model(name: str) -> RRWebBertForMaskedLM:
    try:
        model: RRWebBertForMaskedLM = RRWebBertForMaskedLM.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} is no model that can be loaded: {error}") from error
    return model


def _load_tokenizer(name: str, model: RRWebBertForMaskedLM) -> RRWebTokenizer:
    """The tokenizer beside the model."""
    try:
        tokenizer: RRWebTokenizer = RRWebTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} holds no tokenizer of this package: {error}") from error
    if tokenizer.vocab_size != model.config.vocab_size:
        raise UsageError(
            f"{name}: the model has {model.config.vocab_size:,} ids, the tokenizer beside it "
            f"{tokenizer.vocab_size:,}"
        )
    return tokenizer


def _open_corpus(arguments: argparse.Namespace, tokenizer: RRWebTokenizer) -> PreparedCorpus:
    try:
        options = PrepareOptions(
            group_by=arguments.group_by,
            test_fraction=arguments.test_fraction,
            validation_fraction=arguments.validation_fraction,
            num_proc=arguments.num_proc,
            tokenizer_name_or_path=arguments.model,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    corpus = open_or_prepare(arguments.data, cache_dir=arguments.cache_dir, options=options)
    prepared_with = {
        k: v for k, v in corpus.identity.tokenizer.items() if k.endswith((".json", ".model"))
    }
    if prepared_with != tokenizer_hashes(tokenizer):
        raise UsageError(
            f"{corpus.path} was prepared with another tokenizer than that of {arguments.model}. "
            "Prepare the recordings again with --tokenizer, or give the recordings themselves"
        )
    return corpus


def _tables(corpus: PreparedCorpus, splits: tuple[str, ...]) -> dict[str, SplitTable]:
    """The splits that hold sessions; says which do not."""
    tables = {}
    for split in splits:
        table = SplitTable.open(corpus.path, split)
        if len(table):
            tables[split] = table
        else:
            print(f"note: {corpus.path} holds no session in {split}, which is left out")
    if not tables:
        raise DataError(
            f"{corpus.path} holds no session in {' or '.join(splits)}; prepare it from more "
            "recordings, or name another --split"
        )
    return tables


def _counts(corpus: PreparedCorpus, vocab_size: int, max_ids: int) -> NGramCounts:
    table = SplitTable.open(corpus.path, "train")
    if not len(table):
        raise DataError(f"{corpus.path} holds no session in train, which the baselines count")
    return count_ngrams(table, vocab_size, max_ids=max_ids)


def _was_trained_on(name: str, corpus: PreparedCorpus) -> bool | None:
    """Whether the run beside the model was on this corpus; None where nothing tells."""
    record = RunRecord.load(Path(name))
    if record is None or "corpus" not in record.identity:
        return None
    return bool(record.identity["corpus"] == corpus.fingerprint)
