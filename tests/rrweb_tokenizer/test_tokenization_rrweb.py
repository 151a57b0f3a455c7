import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import quote

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rrweb_events import change, click, element, meta, text

from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.redact import ValueClass
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import (
    CLS_ID,
    GROUPS,
    MASK_ID,
    SEP_ID,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    UNK_ID,
    VOCAB_SIZE,
)

VALUE_CLASS_IDS = {STRUCTURAL_IDS[f"[{member}]"] for member in ValueClass}
STRINGS = [
    "[MI_Click][DT_9][REF_3][TAG_button] Add to [MASK] cart",
    "[MASK]",
    "plain words, 12.50 €",
    "",
    "  spaces   and [UP_6+] 漢字 👩\u200d👧 ",
    "[V_EMAIL][TXT]a[TXT] b",
    "ca\u200br\u200b \u2060t\u200b<0xE6>\u200b",
]


@pytest.fixture(scope="module")
def tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def saved(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return folder


ANY_INTEGER = st.one_of(st.integers(-200, VOCAB_SIZE + 200), st.integers(-(2**63), 2**63 - 1))


def events(words="Add to cart"):
    text = {"type": 3, "id": 5, "textContent": words}
    button = {"type": 2, "id": 4, "tagName": "button", "attributes": {}, "childNodes": [text]}
    html = {"type": 2, "id": 3, "tagName": "html", "attributes": {}, "childNodes": [button]}
    document = {"type": 0, "id": 1, "childNodes": [html]}
    offset = {"left": 0, "top": 0}
    click = {"source": 2, "type": 2, "id": 4, "x": 10, "y": 20}
    meta = {"href": "https://a.test/", "width": 800, "height": 600}
    return [
        {"type": 4, "timestamp": 1, "data": meta},
        {"type": 2, "timestamp": 2, "data": {"node": document, "initialOffset": offset}},
        {"type": 3, "timestamp": 900, "data": click},
    ]


def ids_in_new_process(folder, inputs):
    code = (
        "import json, sys; from rrweb_tokenizer import RRWebTokenizer; "
        "tokenizer = RRWebTokenizer.from_pretrained(sys.argv[1]); "
        "print(json.dumps([tokenizer(each)['input_ids'] for each in json.load(sys.stdin)]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def encode_in_worker(pickled):
    tokenizer = pickle.loads(pickled)  # noqa: S301 - made by the test
    return tokenizer(STRINGS)["input_ids"], tokenizer.encode_session(events()).ids.tolist()


def test_there_are_12520_distinct_tokens(tokenizer):
    vocab = tokenizer.get_vocab()
    assert len(tokenizer) == tokenizer.vocab_size == len(vocab) == VOCAB_SIZE == 12_520
    assert sorted(vocab.values()) == list(range(VOCAB_SIZE))
    tokens = tokenizer.convert_ids_to_tokens(list(range(VOCAB_SIZE)))
    assert tokenizer.convert_tokens_to_ids(tokens) == list(range(VOCAB_SIZE))
    assert tuple(tokens[:520]) == STRUCTURAL_TOKENS


def test_specials_are_the_first_five_and_frame_the_text(tokenizer):
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2, 3, 4]
    encoding = tokenizer("words [MASK]", return_special_tokens_mask=True)
    ids = encoding["input_ids"]
    assert (ids[0], ids[-2], ids[-1]) == (CLS_ID, MASK_ID, SEP_ID)
    # As for every tokenizer of this kind: what was added is special, not the [MASK] of the text.
    assert encoding["special_tokens_mask"] == [1] + [0] * (len(ids) - 2) + [1]
    mask = tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
    assert mask == [int(token_id < 5) for token_id in ids]
    pair = tokenizer("a", "b")["input_ids"]
    assert pair[0] == CLS_ID
    assert pair.count(SEP_ID) == 2


def test_structural_tokens_in_a_string_are_themselves(tokenizer):
    for token in STRUCTURAL_TOKENS:
        ids = tokenizer(f"a{token}b", add_special_tokens=False)["input_ids"]
        assert [i for i in ids if i < 520] == [STRUCTURAL_IDS[token]]


def test_split_special_tokens_takes_structural_names_for_text(tokenizer):
    for words in ("[MASK]", "a [V_EMAIL]"):
        encoding = tokenizer(words, add_special_tokens=False, split_special_tokens=True)
        assert min(encoding["input_ids"]) > 520


def test_decode_reads_like_the_string(tokenizer):
    ids = tokenizer("[MI_Click][DT_9] Add to [MASK] cart")["input_ids"]
    assert tokenizer.decode(ids) == "[CLS] [MI_Click] [DT_9] Add to [MASK] cart [SEP]"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "[MI_Click] [DT_9] Add to cart"


@given(ids=st.lists(ANY_INTEGER, max_size=30))
def test_decode_never_fails_and_reads_what_is_no_id_as_unknown(tokenizer, ids):
    known = [i if 0 <= i < VOCAB_SIZE else UNK_ID for i in ids]
    expected = tokenizer.decode(known)
    expected.encode()
    forms = [ids, tuple(ids), np.array(ids, dtype=np.int64), torch.tensor(ids, dtype=torch.int64)]
    assert [tokenizer.decode(form) for form in forms] == [expected] * len(forms)
    assert tokenizer.decode([ids, ids]) == tokenizer.batch_decode([ids, ids]) == [expected] * 2
    without = tokenizer.decode([i for i in known if i > MASK_ID])
    assert tokenizer.decode(ids, skip_special_tokens=True) == without


@given(token_id=ANY_INTEGER)
def test_a_single_id_decodes_like_a_list_of_one(tokenizer, token_id):
    forms = (token_id, np.int64(token_id), torch.tensor(token_id))
    assert {tokenizer.decode(form) for form in forms} == {tokenizer.decode([token_id])}


def test_nothing_decodes_to_nothing(tokenizer):
    for nothing in ([], (), np.array([], dtype=np.uint16), torch.tensor([], dtype=torch.int64)):
        assert tokenizer.decode(nothing) == ""
    assert tokenizer.decode(np.array([5, 600], dtype=np.uint16)) == tokenizer.decode([5, 600])
    assert tokenizer.convert_ids_to_tokens(-100) == "[UNK]"


@given(text=st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_string_encodes(tokenizer, text):
    assert all(i > 4 for i in tokenizer(text, add_special_tokens=False)["input_ids"])


def structural_ids_of_a_page_that_says(tokenizer, words):
    """The structural ids, but for value classes, of a session with the words wherever they can be.

    Texts, title, attributes, class names, URLs, input values, mutations, custom events, console.
    """
    href = f"https://shop.test/{words}/{quote(words)}?{words}={words}&{quote(words)}=1#{words}"
    named = dict.fromkeys(["aria-label", "placeholder", "name", "alt", "title", "id"], words)
    field = element(8, "input", type="text", value=words, **named)
    body = element(
        4,
        "body",
        element(5, "a", text(6, words), href=href, **{"class": f"{words} x{words}"}),
        field,
        element(9, "p", text(10, f"a {words}{words} b")),
        element(11, "svg", element(13, "title", text(14, words))),
    )
    head = element(3, "head", element(12, "title", text(7, words)))
    document = {"type": 0, "id": 1, "childNodes": [element(2, "html", head, body)]}
    added = {"parentId": 4, "nextId": None, "node": element(20, "b", text(21, words))}
    ids = tokenizer.encode_session(
        [
            meta(1, href),
            {"type": 2, "timestamp": 2, "data": {"node": document}},
            click(3, 5),
            change(4, 5, id=8, text=words, isChecked=False),
            change(5, 0, adds=[added], texts=[{"id": 6, "value": words}]),
            change(6, 0, attributes=[{"id": 8, "attributes": named}]),
            {"type": 5, "timestamp": 7, "data": {"tag": "note", "payload": {words: words}}},
            {
                "type": 6,
                "timestamp": 8,
                "data": {"plugin": "rrweb/console@1", "payload": {"level": words}},
            },
            change(9, 16, define={"name": words}),
        ]
    ).ids.tolist()
    # Where a class takes a value's place, [VAL] or [TXT] may go, and a text need not be cut.
    free = VALUE_CLASS_IDS | {STRUCTURAL_IDS[name] for name in ("[VAL]", "[TRUNC]")}
    return [token_id for token_id in ids if token_id < 520 and token_id not in free]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_page_text_never_yields_a_structural_id_but_a_value_class(tokenizer, group):
    for token in group.tokens:
        neutral = f"[{'z' * (len(token) - 2)}]"
        assert structural_ids_of_a_page_that_says(
            tokenizer, token
        ) == structural_ids_of_a_page_that_says(tokenizer, neutral), token


@given(ids=st.lists(st.integers(5, 519), max_size=20))
def test_rendered_structure_comes_back(tokenizer, ids):
    rendered = tokenizer.decode(ids)
    assert tokenizer(rendered, add_special_tokens=False)["input_ids"] == ids


def test_rendered_sessions_are_stable(tokenizer):
    rendered = tokenizer.decode(tokenizer(events("Größe wählen, 12.50 €"))["input_ids"])
    again = tokenizer.decode(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    assert again == rendered


def test_saved_tokenizer_gives_the_same_ids_here_and_in_a_new_process(tokenizer, saved):
    inputs = [STRINGS, events(), [events(), events("[MASK]")]]
    expected = [tokenizer(each)["input_ids"] for each in inputs]
    loaded = RRWebTokenizer.from_pretrained(saved)
    assert [loaded(each)["input_ids"] for each in inputs] == expected
    assert ids_in_new_process(saved, inputs) == expected


def test_saved_configs_ask_for_no_code_of_ours(saved):
    written = json.dumps([json.loads(p.read_text()) for p in saved.glob("*config.json")])
    assert "auto_map" not in written


def test_saved_files_name_no_folder_of_this_machine(saved):
    names = {"structural_vocab.json", "text_bpe.model", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in saved.iterdir()} == names
    assert "/" not in (saved / "tokenizer_config.json").read_text()


def test_a_spawned_worker_gives_the_same_ids(tokenizer, saved):
    tokenizer.encode_session(events())
    tokenizer(STRINGS)  # what is built when it is first needed does not travel
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        result = pool.submit(encode_in_worker, pickle.dumps(tokenizer)).result()
    assert result == encode_in_worker(pickle.dumps(tokenizer))
    assert result[0] == tokenizer(STRINGS)["input_ids"]


def test_all_forms_of_a_session_give_the_same_ids(tokenizer, tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(events()))
    expected = tokenizer.encode_session(events())
    assert isinstance(expected, EncodedSession)
    assert STRUCTURAL_IDS["[MI_Click]"] in expected.ids
    typed = decode_events([path.read_bytes()]).events
    for form in (path, str(path), path.read_bytes(), typed, {"events": events()}):
        assert tokenizer.encode_session(form).ids.tolist() == expected.ids.tolist()


def test_call_frames_a_session_and_truncates_it(tokenizer, tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(events()))
    ids = tokenizer.encode_session(path).ids.tolist()
    whole = [CLS_ID, *ids, SEP_ID]
    assert tokenizer(path)["input_ids"] == tokenizer(events())["input_ids"] == whole
    cut = tokenizer(path, truncation=True, max_length=10)["input_ids"]
    assert cut == [CLS_ID, *ids[:8], SEP_ID]
    batch = tokenizer([path, events("x")], padding=True)
    assert len(batch["input_ids"]) == 2
    assert len(set(map(len, batch["input_ids"]))) == 1


def test_a_string_is_text_even_when_it_names_a_file(tokenizer, tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(events()))
    decoded = tokenizer.decode(tokenizer(str(path))["input_ids"], skip_special_tokens=True)
    assert decoded == str(path)


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b"{}", b'[{"a": 1}]', b"[1, 2]"])
def test_what_is_no_session_is_refused_by_name(tokenizer, tmp_path, content):
    path = tmp_path / "session.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"session\.json"):
        tokenizer.encode_session(path)


def test_files_may_be_named(tokenizer, saved):
    named = RRWebTokenizer(
        structural_vocab_path=saved / "structural_vocab.json",
        bpe_model_path=saved / "text_bpe.model",
    )
    assert named(STRINGS)["input_ids"] == tokenizer(STRINGS)["input_ids"]


@pytest.mark.parametrize(
    "vocabulary",
    [
        "no json",
        "[1]",
        "{}",
        json.dumps(STRUCTURAL_IDS | {"[MASK]": 5}),
        json.dumps(STRUCTURAL_IDS | {"[MORE]": 520}),
        '{"[PAD]": 0, ' + json.dumps(STRUCTURAL_IDS)[1:],
    ],
)
def test_another_structural_vocabulary_is_refused_by_name(tmp_path, vocabulary):
    path = tmp_path / "structural_vocab.json"
    path.write_text(vocabulary)
    with pytest.raises(ValueError, match=r"structural_vocab\.json: "):
        RRWebTokenizer(structural_vocab_path=path)


def test_a_text_model_of_another_size_makes_another_vocabulary(
    tmp_path, small_model_proto, monkeypatch
):
    path = tmp_path / "text_bpe.model"
    path.write_bytes(small_model_proto)
    small = RRWebTokenizer(bpe_model_path=path)
    assert small.vocab_size == len(small) == len(small.get_vocab()) == 1320
    assert small.decode([1319, 1320]).endswith("[UNK]")
    small.save_pretrained(tmp_path / "saved")
    assert RRWebTokenizer.from_pretrained(tmp_path / "saved").get_vocab() == small.get_vocab()
    monkeypatch.setattr("rrweb_tokenizer.tokenization_rrweb.MAX_VOCAB_SIZE", 1319)
    with pytest.raises(ValueError, match=r"text_bpe\.model: 800 pieces"):
        RRWebTokenizer(bpe_model_path=path)


def test_a_text_model_that_changed_after_saving_is_refused(tokenizer):
    with pytest.raises(ValueError, match="sha256"):
        RRWebTokenizer(text_model_sha256="0" * 64)
    assert RRWebTokenizer(text_model_sha256=tokenizer.text_model.sha256).vocab_size == VOCAB_SIZE


def test_the_package_alone_imports_no_torch_no_datasets_no_transformers():
    code = (
        "import sys, rrweb_tokenizer, rrweb_tokenizer.serializer; "
        "sys.exit(bool({'torch', 'datasets', 'transformers'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys; from rrweb_tokenizer import RRWebTokenizer; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
