"""What a machine without rrweb_tokenizer makes of a saved model: run in a process of its own.

    python without_the_package.py MODEL_DIR < request.json > answer.json

The request holds `strings`, `ids` to decode and a `masked` string with its `targets`.
"""

import json
import sys

for name in ("rrweb_tokenizer", "rrweb_bert", "data_prep"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it fails, installed or not

from transformers import AutoTokenizer, pipeline  # noqa: E402 - after the package is hidden

request = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
fill = pipeline("fill-mask", model=sys.argv[1], device="cpu")
answer = {
    "class": type(tokenizer).__name__,
    "input_ids": tokenizer(request["strings"])["input_ids"],
    "decoded": [tokenizer.decode(ids) for ids in request["ids"]],
    "special_ids": sorted(tokenizer.all_special_ids),
    "max_length": tokenizer.model_max_length,
    "inputs": tokenizer.model_input_names,
    "filled": fill(request["masked"], top_k=4),
    "targeted": fill(request["masked"], targets=request["targets"]),
}
json.dump(answer, sys.stdout)
