"""The small files with which `SentenceTransformer(folder)` loads a model as it is meant to be used.

Mean over the ids of a window, all of the model's positions, texts as `RRWebTokenizer.render` writes
sessions. The layout is the one that every release since 2 reads.

`SessionEncoder` gives other vectors, and the card says so: windows of 510 ids over the whole
session, and pooling over interactions, cannot be said in these files without code of ours. All
positions, not 512, since a text that is cut later is nearer to its session
(`benchmarks/sentence_transformers_agreement.py`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

__all__ = ["write_pooling_files"]

_MODULES: Final = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


def write_pooling_files(folder: Path) -> None:
    """Add them to a folder that holds a model's `config.json`."""
    config = json.loads((folder / "config.json").read_text())
    contents: dict[str, Any] = {
        "modules.json": _MODULES,
        "sentence_bert_config.json": {
            "max_seq_length": config["max_position_embeddings"],
            "do_lower_case": False,
        },
        "1_Pooling/config.json": {
            "word_embedding_dimension": config["hidden_size"],
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    }
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
