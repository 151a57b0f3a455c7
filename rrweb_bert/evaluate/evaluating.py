"""A model and held-out sessions -> figures in a JSON file and on a page."""

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
from data_prep.hub_reach import local_files_only
from data_prep.prepare import PreparedCorpus, PrepareOptions, open_or_prepare
from data_prep.shards import SplitTable
from rrweb_tokenizer import RRWebTokenizer

from ..collator import EVALUATION_MASK_SEED
from ..encoder_loading import load_model
from ..modeling_rrweb_bert import RRWebBertForMaskedLM
from ..options import UsageError
from ..run_record import RunRecord
from .command import JSON_FILE, MAX_WINDOW, PAGE_FILE, SPLITS_OF
from .figures import MODEL, figures_of
from .intervals import NUM_RESAMPLES
from .ngrams import NGramCounts, count_ngrams
from .page import evaluation_page
from .predictors import ModelPredictor
from .running import baselines_of, sum_split
from .summary import summary

__all__ = ["evaluate"]

_DTYPES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}


def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate, write both files and print the summary; the arguments are checked.

    Raises:
        UsageError: model and data do not fit together, or there is no such device.
        DataError: there is nothing to evaluate on.
    """
    began = time.monotonic()
    device = _device(arguments.device)
    precision = _precision(arguments.precision, device)
    try:
        model = load_model(arguments.model)
    except ValueError as error:
        raise UsageError(str(error)) from error
    tokenizer = _load_tokenizer(arguments.model, model)
    corpus = _open_corpus(arguments, tokenizer)
    window_tokens = _window_tokens(arguments, model.config.max_position_embeddings)
    tables = _tables(corpus, SPLITS_OF[arguments.split])
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
            **_unchosen_settings(device, precision),
        },
        "baselines": {"num_sessions": counts.num_sessions, "num_ids": counts.num_ids},
        "seconds": round(time.monotonic() - began, 1),
        "splits": splits,
    }
    _write(result, arguments.output)


def _window_tokens(arguments: argparse.Namespace, num_positions: int) -> int:
    window_tokens: int = arguments.window_tokens or min(MAX_WINDOW, num_positions)
    if window_tokens > num_positions:
        raise UsageError(
            f"{arguments.model} has {num_positions} positions, fewer than "
            f"--window_tokens {window_tokens}"
        )
    return window_tokens


def _unchosen_settings(device: torch.device, precision: str) -> dict[str, Any]:
    return {
        "mask_seed": EVALUATION_MASK_SEED,
        "num_resamples": NUM_RESAMPLES,
        "device": _device_name(device),
        "precision": precision,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _write(result: dict[str, Any], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    write_text_atomically(output / JSON_FILE, json.dumps(result, indent=1, allow_nan=False) + "\n")
    write_text_atomically(output / PAGE_FILE, evaluation_page(result))
    print(summary(result))
    print(f"written: {output / JSON_FILE}, {output / PAGE_FILE}")


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


def _load_tokenizer(name: str, model: RRWebBertForMaskedLM) -> RRWebTokenizer:
    """The tokenizer beside the model."""
    try:
        is_cached = local_files_only(name, "tokenizer_config.json")
        tokenizer: RRWebTokenizer = RRWebTokenizer.from_pretrained(name, local_files_only=is_cached)
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
            recogniser=arguments.recogniser,
            reader=arguments.reader,
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
            f"Prepare the recordings again with --tokenizer_name_or_path {arguments.model}, or "
            "give the recordings themselves"
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
