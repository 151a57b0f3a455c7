"""tokenizer.json in a process that cannot import our code, and the fill-mask pipeline."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from synthetic import make_events
from transformers import BertConfig, BertForMaskedLM, pipeline

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS, VOCAB_SIZE

MASKED = "[MI_Click] [DT_9] [REF_NEW] [TAG_button] [TXT] Add to [MASK] now"
STRINGS = [
    MASKED,
    "[MASK]",
    "plain words, 12.50 € 漢字 👩\u200d👧",
    "  spaces   and\nlines [UP_6+]\t",
    "⟦MASK⟧ [mask] [ MASK ] [[MASK]]",
    "ca\u200br\u200b \u2060t\u200b<0xE6>\u200b",
    "",
]
TARGETS = ["[MI_Click]", "\u2581cart", "[TAG_button]"]


@pytest.fixture(scope="module")
def tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def model_dir(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=16,
        max_position_embeddings=64,
        type_vocab_size=1,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def windows(tokenizer):
    encoding = tokenizer(
        make_events("wiki", 3), truncation=True, max_length=256, return_overflowing_tokens=True
    )
    return encoding["input_ids"]


@pytest.fixture(scope="module")
def answer(model_dir, tokenizer, windows):
    request = {
        "strings": STRINGS + [tokenizer.decode(ids) for ids in windows],
        "ids": windows,
        "masked": MASKED,
        "targets": TARGETS,
    }
    script = Path(__file__).with_name("without_the_package.py")
    run = subprocess.run(
        [sys.executable, str(script), str(model_dir)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def fill(model_dir, tokenizer):
    model = BertForMaskedLM.from_pretrained(model_dir)
    return pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")


def test_ids_and_strings_are_the_same_without_the_package(answer, tokenizer, windows):
    strings = STRINGS + [tokenizer.decode(ids) for ids in windows]
    assert answer["input_ids"] == tokenizer(strings)["input_ids"]
    assert answer["decoded"] == [tokenizer.decode(ids) for ids in windows]
    assert answer["class"] != "RRWebTokenizer"
    assert answer["special_ids"] == [0, 1, 2, 3, 4]
    assert answer["max_length"] == tokenizer.model_max_length
    assert answer["inputs"] == tokenizer.model_input_names


def test_fill_mask_answers_are_the_same_without_the_package(answer, fill):
    for name, options in (("filled", {"top_k": 4}), ("targeted", {"targets": TARGETS})):
        here = fill(MASKED, **options)
        assert [a.pop("score") for a in answer[name]] == pytest.approx(
            [a.pop("score") for a in here]
        )
        assert answer[name] == here


def test_fill_mask_answers_read_well(fill, tokenizer):
    answers = fill(MASKED, targets=TARGETS)
    assert {answer["token_str"] for answer in answers} == {"[MI_Click]", "cart", "[TAG_button]"}
    assert {answer["sequence"] for answer in answers} == {
        f"[MI_Click] [DT_9] [REF_NEW] [TAG_button] [TXT] Add to {word} now"
        for word in ("[MI_Click]", "cart", "[TAG_button]")
    }
    everything = fill(MASKED, top_k=VOCAB_SIZE)
    assert len(everything) == VOCAB_SIZE
    for answer in everything:
        assert "\u2581" not in answer["token_str"] + answer["sequence"]
        assert answer["token_str"] == answer["token_str"].strip(" ")
    structural = {a["token"]: a["token_str"] for a in everything if a["token"] < 520}
    assert tuple(structural[token_id] for token_id in range(520)) == STRUCTURAL_TOKENS


def test_several_masks_are_filled(fill):
    answers = fill("[MASK] [DT_9] buy [MASK]", top_k=2)
    assert [len(answer) for answer in answers] == [2, 2]
