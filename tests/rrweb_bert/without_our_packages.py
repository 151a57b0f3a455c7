"""What a process that cannot import our packages makes of a model on the Hub or in a folder.

python without_our_packages.py MODEL TEXT > answer.json
"""

import json
import sys

for name in ("rrweb_tokenizer", "rrweb_bert", "data_prep", "train_mlm"):
    sys.modules[name] = None  # type: ignore[assignment]  # importing it fails, installed or not

from transformers import (  # noqa: E402 - after the packages are hidden
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    pipeline,
)

model, text = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model)
inputs = tokenizer(text, return_tensors="pt")
hidden = AutoModel.from_pretrained(model)(**inputs).last_hidden_state
masked = AutoModelForMaskedLM.from_pretrained(model)(**inputs).logits
classifier = AutoModelForSequenceClassification.from_pretrained(model, num_labels=3)
features = pipeline("feature-extraction", model=model, device="cpu")(text)
guesses = pipeline("fill-mask", model=model, device="cpu")(text, top_k=3)
json.dump(
    {
        "input_ids": inputs["input_ids"].tolist()[0],
        "hidden": hidden.tolist()[0],
        "masked_argmax": masked.argmax(-1).tolist()[0],
        "num_logits": classifier(**inputs).logits.shape[1],
        "features": features[0],
        "guesses": [guess["token"] for guess in guesses],
    },
    sys.stdout,
)
