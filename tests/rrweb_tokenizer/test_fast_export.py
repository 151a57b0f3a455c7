import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer.fast_export import build_fast_tokenizer
from rrweb_tokenizer.normalize import normalize_text, replace_unencodable
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS
from rrweb_tokenizer.text_model import TextModel

POOLS = (
    "abcdefghijklmnopqrstuvwxyz    ",
    "ÀÉÎõü߀ñçł",
    "汉字漢字かなカナ한글",
    "😀🎉👩\u200d👧\ufe0f",
    "\t\n\r\u00a0\u200c\u3000\u2028",
    "ﬁ①½ＡＢ",
    "0123456789.,:;!?-_/#&%=+*()[]{}",
    "\u2581\u2581 ",
    "\x00\x07\u0301",
)


def random_text(rng, max_chars=60):
    return "".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(0, max_chars)))


def slow_ids(text_model, text):
    """The ids of a string with structural tokens written out, by the plain rule."""
    ids, rest = [], text
    while rest:
        found = [(rest.find(t), -len(t), t) for t in STRUCTURAL_TOKENS if t in rest]
        place, _, token = min(found, default=(len(rest), 0, ""))
        ids += text_model.encode_plain(rest[:place])
        if token:
            ids.append(STRUCTURAL_IDS[token])
        rest = rest[place + len(token) :]
    return ids


@pytest.fixture(scope="module")
def text_model(small_model_proto):
    return TextModel(small_model_proto)


@pytest.fixture(scope="module")
def fast(text_model):
    return build_fast_tokenizer(text_model)


def test_thousands_of_texts_have_the_same_ids(text_model, fast, made_up_texts):
    rng = random.Random(3)  # noqa: S311 - no secret
    texts = made_up_texts + [random_text(rng) for _ in range(3000)]
    encoded = fast.encode_batch(texts, add_special_tokens=False)
    assert [e.ids for e in encoded] == [text_model.encode_plain(text) for text in texts]


def test_strings_of_structure_and_text_have_the_same_ids(text_model, fast, made_up_texts):
    rng = random.Random(4)  # noqa: S311 - no secret
    texts = [
        "".join(
            rng.choice([structure, rng.choice(made_up_texts), " ", random_text(rng, 9)])
            for structure in rng.choices(STRUCTURAL_TOKENS, k=rng.randint(1, 8))
        )
        for _ in range(500)
    ]
    encoded = fast.encode_batch(texts, add_special_tokens=False)
    assert [e.ids for e in encoded] == [slow_ids(text_model, text) for text in texts]


@given(st.text(max_size=60))
def test_any_normal_text_has_the_same_ids(text_model, fast, text):
    text = normalize_text(replace_unencodable(text))
    assert fast.encode(text, add_special_tokens=False).ids == text_model.encode_plain(text)


def test_every_id_has_the_same_token(text_model, fast):
    tokens = STRUCTURAL_TOKENS + text_model.pieces
    assert [fast.id_to_token(token_id) for token_id in range(len(tokens))] == list(tokens)
    assert fast.get_vocab_size() == len(tokens)


def test_specials_frame_one_text_and_two(fast):
    assert fast.encode("a").tokens[::2] == ["[CLS]", "[SEP]"]
    assert fast.encode("a", "a").ids.count(STRUCTURAL_IDS["[SEP]"]) == 2
