import pickle
from itertools import groupby
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer import text_model as text_model_module
from rrweb_tokenizer.normalize import normalize_text
from rrweb_tokenizer.redact import MAX_TEXT_CHARS, ValueClass
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS, TEXT_ID_OFFSET
from rrweb_tokenizer.text_model import TextModel, TextModelError

VALUE_CLASS_IDS = {STRUCTURAL_IDS[f"[{member}]"] for member in ValueClass}
SP_UNKNOWN_ID = TEXT_ID_OFFSET
BUILDING_BLOCKS = [*STRUCTURAL_TOKENS, "jane@example.com", "4111 1111 1111 1111", " ", "x"]
ANY_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=80),
    st.lists(st.sampled_from(BUILDING_BLOCKS), max_size=6).map("".join),
)


@pytest.fixture(scope="module")
def text_model(small_model_proto):
    return TextModel(small_model_proto)


def test_personal_data_becomes_the_ids_of_value_classes(text_model):
    ids, is_cut = text_model.encode("Mail jane@example.com now", 50)
    email = STRUCTURAL_IDS["[V_EMAIL]"]
    assert not is_cut
    assert ids.count(email) == 1
    place = ids.index(email)
    assert text_model.decode_plain(ids[:place]) == "Mail"
    assert text_model.decode_plain(ids[place + 1 :]) == "now"


@pytest.mark.parametrize("token", STRUCTURAL_TOKENS)
def test_a_structural_name_in_page_text_gives_ids_of_text_only(text_model, token):
    for text in (token, f"a {token}b", token * 3, f"[{token}]", token[1:-1]):
        ids, _ = text_model.encode(text, 200)
        assert min(ids) > SP_UNKNOWN_ID, text


@given(text=ANY_TEXT)
def test_any_text_gives_pieces_and_value_classes_only(text_model, text):
    ids, is_cut = text_model.encode(text, 1000)
    assert not is_cut
    num_ids = TEXT_ID_OFFSET + text_model.num_pieces
    assert all(SP_UNKNOWN_ID < i < num_ids or i in VALUE_CLASS_IDS for i in ids)
    assert all(SP_UNKNOWN_ID < i < num_ids for i in text_model.encode_plain(text))


@given(text=ANY_TEXT, max_pieces=st.integers(0, 12))
def test_a_cut_text_is_the_start_of_the_whole(text_model, text, max_pieces):
    whole, _ = text_model.encode(text, 1000)
    ids, is_cut = text_model.encode(text, max_pieces)
    assert len(ids) <= max_pieces
    assert ids == whole[: len(ids)]
    assert is_cut == (len(whole) > max_pieces)


@given(text=ANY_TEXT, max_pieces=st.integers(0, 12))
def test_the_string_of_a_cut_text_has_its_ids(text_model, text, max_pieces):
    ids, _ = text_model.encode(text, max_pieces)
    for is_text, run in groupby(ids, lambda token_id: token_id >= TEXT_ID_OFFSET):
        part = list(run)
        assert not is_text or text_model.encode_plain(text_model.decode_plain(part)) == part


def test_a_text_is_not_cut_within_a_character(text_model):
    for max_pieces in range(4):
        assert text_model.encode("\u9fa5 x", max_pieces) == ([], True)


@given(text=ANY_TEXT)
def test_the_memo_changes_nothing(text_model, small_model_proto, text):
    forgetful = TextModel(small_model_proto, memo_bytes=0)
    for _ in range(2):
        assert text_model.encode(text, 24) == forgetful.encode(text, 24)


def test_an_answer_can_be_changed_without_changing_the_next(text_model):
    first, _ = text_model.encode("to be changed", 24)
    expected = list(first)
    first.clear()
    second, _ = text_model.encode("to be changed", 24)
    assert second == expected
    second.clear()
    assert text_model.encode("to be changed", 24)[0] == expected


@given(text=ANY_TEXT)
def test_a_text_has_ids_when_something_is_left_of_it_once_normalised(text_model, text):
    assert bool(text_model.encode(text, 24)[0]) == bool(normalize_text(text))


def test_plain_text_in_bits_has_the_ids_of_the_whole(text_model, made_up_texts, monkeypatch):
    text = " ".join(made_up_texts[:200])
    whole = text_model.encode_plain(text)
    monkeypatch.setattr(text_model_module, "_BIT_CHARS", 37)
    assert text_model.encode_plain(text) == whole


def test_plain_text_comes_back(text_model):
    for text in ("Größe 購入する", "👩\u200d👧 x", "\ufb01 \u2460 \uff21", "a\nb"):
        assert text_model.decode_plain(text_model.encode_plain(text)) == text
    assert "\u2581" not in text_model.decode_plain(text_model.encode_plain("a\u2581b"))


def test_a_text_beyond_the_limit_counts_as_cut(text_model):
    assert text_model.encode("a " * MAX_TEXT_CHARS, 10**6)[1]
    assert not text_model.encode("a " + " " * MAX_TEXT_CHARS, 10**6)[1]


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "x" * 1_000_000, "漢" * 1_000_000, "1" * 1_000_000]
)
def test_of_a_million_characters_the_model_gets_what_24_pieces_can_need(
    text_model, text, monkeypatch
):
    """SentencePiece's time grows faster than the text."""
    stock, given = text_model._processor, []
    processor = SimpleNamespace(
        encode=lambda bit: given.append(bit) or stock.encode(bit), decode=stock.decode
    )
    monkeypatch.setattr(text_model, "_processor", processor)
    assert text_model.encode(text, 24)[1]
    assert sum(map(len, given)) < 20_000


def test_a_pickled_model_gives_the_same_ids(text_model):
    copy = pickle.loads(pickle.dumps(text_model))  # noqa: S301 - made here
    assert copy.sha256 == text_model.sha256
    assert copy.encode("Añadir 漢", 24) == text_model.encode("Añadir 漢", 24)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 100])
def test_a_damaged_model_is_refused_by_name(tmp_path, content):
    path = tmp_path / "text_bpe.model"
    path.write_bytes(content)
    with pytest.raises(TextModelError, match=r"text_bpe\.model"):
        TextModel.from_file(path)


def test_a_missing_model_is_refused_by_name(tmp_path):
    with pytest.raises(TextModelError, match=r"missing\.model"):
        TextModel.from_file(tmp_path / "missing.model")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"byte_fallback": False}, "falls back to bytes"),
        ({"bos_id": 1}, "no control pieces"),
        ({"normalization_rule_name": "nmt_nfkc"}, "normalises nothing"),
        ({"user_defined_symbols": ["[MASK]"]}, "structural token"),
    ],
)
def test_a_model_of_another_kind_is_refused_with_the_reason(made_up_texts, option, message):
    import io

    import sentencepiece

    model = io.BytesIO()
    options = {
        "normalization_rule_name": "identity",
        "byte_fallback": True,
        "bos_id": -1,
        "eos_id": -1,
        "vocab_size": 500,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(made_up_texts[:500]),
        model_writer=model,
        model_type="bpe",
        minloglevel=2,
        **(options | option),
    )
    with pytest.raises(TextModelError, match=message):
        TextModel(model.getvalue())
