"""Weights of others: safetensors only, and a configuration in which every key is known.

A model folder may come from anywhere. Nothing in it is unpickled or run: other formats of weights
are not read, and a configuration that names code (`auto_map`), or has keys that a BERT does not
have, is refused by name instead of being passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import BertConfig
from transformers.utils import logging

from data_prep.hub_reach import local_files_only
from data_prep.plain_text import in_one_line

from .early_checks import why_no_model
from .modeling_rrweb_bert import RRWebBertForMaskedLM

__all__ = ["load_config", "load_model", "unknown_keys"]

# Keys that configurations of BERTs have had and that change nothing here.
_EARLIER_KEYS: Final = frozenset(
    {"gradient_checkpointing", "position_embedding_type", "torch_dtype", "transformers.js_config"}
)


def load_config(name: str | Path) -> BertConfig:
    """The configuration of the model in a folder, or of a name on the hub.

    Raises:
        ValueError: it is no BERT, has unknown keys, cannot be read, or cannot be fetched from here.
        OSError: it is not there.
    """
    # Of a folder without the file transformers makes a stock BERT.
    is_folder = os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises for overlong names
    if is_folder and not (Path(name) / "config.json").is_file():
        raise FileNotFoundError(why_no_model(Path(name)))
    is_cached = local_files_only(name, "config.json")
    try:
        content, _ = BertConfig.get_config_dict(name, local_files_only=is_cached)
        _check_keys(content)
        config: BertConfig = BertConfig.from_dict(content)
    except (AttributeError, TypeError, StrictDataclassError) as error:
        raise ValueError(f"its config.json is none of a BERT: {in_one_line(str(error))}") from error
    return config


def _check_keys(content: dict[str, Any]) -> None:
    if content.get("model_type", "bert") != "bert":
        raise ValueError(f"config.json says that it is a {in_one_line(str(content['model_type']))}")
    unknown = unknown_keys(content)
    if unknown:
        named = ", ".join(in_one_line(key) for key in unknown)
        raise ValueError(
            f"config.json has keys that no BERT has: {named}. A model that brings code of its own "
            "is not loaded; remove them if they mean nothing"
        )


def load_model(name: str | Path, **kwargs: Any) -> RRWebBertForMaskedLM:
    """The model in a folder, or of a name on the hub.

    Args:
        name: folder or hub name.
        **kwargs: what `from_pretrained` takes.

    Raises:
        ValueError: `load_config` raises it, or weights are no numbers.
        OSError: it is not there, or has no safetensors weights.
    """
    load_config(name)
    with _without_bar():
        model: RRWebBertForMaskedLM = RRWebBertForMaskedLM.from_pretrained(
            name,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=local_files_only(name, "config.json"),
            **kwargs,
        )
    bad = [
        key for key, value in model.state_dict().items() if not bool(torch.isfinite(value).all())
    ]
    if bad:
        raise ValueError(f"its weights are no numbers, {bad[0]} for one")
    return model


@contextmanager
def _without_bar() -> Iterator[None]:
    """Loading takes a blink; a bar of it is noise in what a command prints."""
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


def unknown_keys(content: dict[str, Any]) -> list[str]:
    """The keys of a `config.json` that a `BertConfig` does not have, sorted.

    Keys that begin with an underscore are transformers' own notes, such as `_commit_hash`, which
    some releases put in while they read the file.
    """
    known = BertConfig().to_dict().keys() | _EARLIER_KEYS
    return sorted(key for key in content.keys() - known if not key.startswith("_"))
