import gzip
import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import (
    CLS_ID,
    MASK_ID,
    SEP_ID,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
    VOCAB_SIZE,
)

STRINGS = [
    "[MI_Click][DT_9][REF_3][TAG_button] Add to [MASK] cart",
    "[MASK]",
    "plain words, 12.50 €",
    "",
    "  spaces   and [UP_6+] 漢字 👩\u200d👧 ",
    "[V_EMAIL][TXT]a[TXT] b",
]


@pytest.fixture(scope="module")
def tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def saved(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return folder


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


def ids_in_new_process(call, strings):
    code = (
        "import json, sys; from rrweb_tokenizer import RRWebTokenizer; "
        "from transformers import AutoTokenizer; strings = json.loads(sys.argv[1]); "
        f"print(json.dumps({call}(strings)['input_ids']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, json.dumps(strings)],
        stdin=subprocess.DEVNULL,
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
    for text in ("[MASK]", "a [V_EMAIL]"):
        encoding = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        assert min(encoding["input_ids"]) > 520


def test_decode_reads_like_the_string(tokenizer):
    ids = tokenizer("[MI_Click][DT_9] Add to [MASK] cart")["input_ids"]
    assert tokenizer.decode(ids) == "[CLS] [MI_Click] [DT_9] Add to [MASK] cart [SEP]"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "[MI_Click] [DT_9] Add to cart"


@given(ids=st.lists(st.integers(-5, VOCAB_SIZE + 5), max_size=30))
def test_decode_never_fails(tokenizer, ids):
    tokenizer.decode(ids).encode()
    tokenizer.decode(np.array(ids, dtype=np.int64), skip_special_tokens=True)


@given(text=st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_string_encodes(tokenizer, text):
    assert all(i > 4 for i in tokenizer(text, add_special_tokens=False)["input_ids"])


@given(ids=st.lists(st.integers(5, 519), max_size=20))
def test_rendered_structure_comes_back(tokenizer, ids):
    rendered = tokenizer.decode(ids)
    assert tokenizer(rendered, add_special_tokens=False)["input_ids"] == ids


def test_rendered_sessions_are_stable(tokenizer):
    rendered = tokenizer.decode(tokenizer(events("Größe wählen, 12.50 €"))["input_ids"])
    again = tokenizer.decode(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    assert again == rendered


def test_saved_tokenizer_gives_the_same_ids_here_and_in_a_new_process(tokenizer, saved):
    expected = tokenizer(STRINGS)["input_ids"]
    assert RRWebTokenizer.from_pretrained(saved)(STRINGS)["input_ids"] == expected
    call = f"RRWebTokenizer.from_pretrained({str(saved)!r})"
    assert ids_in_new_process(call, STRINGS) == expected


def test_auto_tokenizer_gives_the_same_ids_without_our_class(tokenizer, saved):
    call = f"AutoTokenizer.from_pretrained({str(saved)!r})"
    assert ids_in_new_process(call, STRINGS) == tokenizer(STRINGS)["input_ids"]
    written = json.dumps([json.loads(p.read_text()) for p in saved.glob("*config.json")])
    assert "auto_map" not in written


def test_saved_files_name_no_folder_of_this_machine(saved):
    names = {"structural_vocab.json", "text_bpe.model", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in saved.iterdir()} == names
    assert "/" not in (saved / "tokenizer_config.json").read_text()


def test_a_spawned_worker_gives_the_same_ids(tokenizer, saved):
    tokenizer.encode_session(events())
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


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_is_refused_with_the_remedy(tokenizer, tmp_path, suffix):
    path = tmp_path / f"session.json{suffix}"
    path.write_bytes(gzip.compress(b"[]"))
    with pytest.raises(ValueError, match="data_prep prepare"):
        tokenizer.encode_session(path)


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


def test_a_text_model_of_another_size_is_refused(tmp_path, small_model_proto):
    path = tmp_path / "text_bpe.model"
    path.write_bytes(small_model_proto)
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
