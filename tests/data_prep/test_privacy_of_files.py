"""Personal data in recordings: none survives in what preparation and training of texts write."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from canaries import CANARIES, NAMES
from name_recogniser import find_names
from rrweb_events import change, click, element, meta, snapshot, text

from data_prep.__main__ import main
from data_prep.encoding import load_tokenizer
from data_prep.errors import DataError
from data_prep.prepare import PrepareOptions, prepare
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.text_model import TextModel

SECRETS = [canary.secret for canary in CANARIES] + NAMES


def session(canary, number):
    """A canary in text, attribute, address, title, field, mutation and custom event."""
    name = NAMES[number % len(NAMES)]
    link = element(10, "a", text(11, f"Write to {canary.text}"), href=f"/u?q={canary.text}")
    title = element(12, "title", text(13, canary.text))
    field = element(14, "input", value=name, placeholder=canary.text, type="hidden")
    editor = element(15, "div", text(16, name), contenteditable="true", title=canary.text)
    return [
        meta(number * 1000.0, f"http://shop.test/?user={canary.text}#{canary.text}"),
        snapshot(number * 1000.0 + 1, link, title, field, editor),
        click(number * 1000.0 + 2, 10),
        change(number * 1000.0 + 3, 5, id=14, text=canary.text, isChecked=False),
        change(number * 1000.0 + 4, 0, texts=[{"id": 11, "value": canary.text}]),
        change(number * 1000.0 + 5, 0, texts=[{"id": 16, "value": canary.text + name}]),
        {
            "type": 5,
            "timestamp": number * 1000.0 + 6,
            "data": {"tag": canary.text, "payload": {canary.text: name}},
        },
    ]


def broken_files():
    """Files that are rejected, with a canary where a message might quote it."""
    secret = NAMES[0]
    yield json.dumps([{"type": secret, "timestamp": 1}])
    yield json.dumps([{"type": 3, "data": {"source": secret}, "timestamp": secret}])
    node = {"type": 2, "id": secret, "tagName": secret, "attributes": {secret: secret}}
    yield json.dumps([{"type": 2, "data": {"node": node}}])
    yield json.dumps(
        [{"type": 2, "data": {"node": {"type": 0, "id": 1, "childNodes": {secret: 1}}}}]
    )
    yield json.dumps({"userId": secret, "event": secret})
    yield json.dumps({"events": secret})
    yield json.dumps([secret])
    yield f'[{{"type": 4, "data": {{"href": "{secret}", }} {secret}'
    yield secret


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for number, canary in enumerate(CANARIES):
        wrapped = {"userId": canary.text, "id": canary.secret, "events": session(canary, number)}
        (folder / f"{number:03}.json").write_text(json.dumps(wrapped))
    for number, content in enumerate(broken_files()):
        (folder / f"broken{number}.json").write_text(content)
    return folder


def readable(content):
    """Bytes as text, small letters; ids of two bytes each are found in neither."""
    return content.decode("utf-8", errors="replace").casefold()


def found_in(content):
    content = content.casefold()
    return [secret for secret in SECRETS if secret.casefold() in content]


def test_no_canary_stands_in_a_prepared_corpus_or_in_what_was_printed(recordings, tmp_path):
    command = [sys.executable, "-m", "data_prep", "prepare", str(recordings), "--num_proc", "1"]
    fractions = ["--test_fraction", "0", "--validation_fraction", "0"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "corpus"), *fractions],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "corpus").rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"corpus.json", "ledger.jsonl"} < names
    ledger = (tmp_path / "corpus" / "ledger.jsonl").read_text()
    assert ledger.count('"status": "accepted"') == len(CANARIES)
    assert ledger.count('"status": "rejected"') == len(list(broken_files()))
    for content in (done.stdout, done.stderr, *(readable(path.read_bytes()) for path in files)):
        assert not found_in(content)


def test_no_canary_becomes_a_piece_of_a_text_model(recordings, tmp_path, capfd):
    page = [element(9, "p", text(8, line)) for line in _plain_lines()]
    (recordings / "plain.json").write_text(json.dumps([meta(0), snapshot(1, *page)]))
    output = tmp_path / "text.model"
    arguments = [str(recordings), "--output", str(output), "--vocab_size", "420"]
    assert (
        main(["train-text-model", *arguments, "--test_fraction", "0", "--validation_fraction", "0"])
        == 0
    )
    printed = capfd.readouterr()
    pieces = TextModel(output.read_bytes()).pieces
    long_pieces = [piece.strip("\u2581").casefold() for piece in pieces if len(piece) > 5]
    assert len(long_pieces) > 10
    assert not [p for p in long_pieces for secret in SECRETS if p in secret.casefold()]
    for content in (printed.out, printed.err, readable(output.read_bytes())):
        assert not found_in(content)


def test_a_recogniser_is_part_of_a_corpus_and_of_its_identity(recordings, tmp_path):
    options = PrepareOptions(
        test_fraction=0, validation_fraction=0, num_proc=1, show_progress=False
    )
    pages = [element(10, "p", text(11, f"From {name}")) for name in NAMES]
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "a.json").write_text(json.dumps([meta(0), snapshot(1, *pages)]))
    plain = prepare([inputs], tmp_path / "plain", options)
    named = replace(options, recogniser="name_recogniser:find_names")
    hidden = prepare([inputs], tmp_path / "hidden", named)
    assert hidden.identity.tokenizer["recogniser"].startswith("name_recogniser:find_names ")
    assert hidden.identity.differences(plain.identity) == ["tokenizer recogniser"]
    assert hidden.num_ids["train"] < plain.num_ids["train"]
    assert prepare([inputs], tmp_path / "hidden", named).fingerprint == hidden.fingerprint
    with pytest.raises(DataError, match="different: tokenizer recogniser"):
        prepare([inputs], tmp_path / "hidden", options)


def test_a_tokenizer_saved_with_a_recogniser_is_prepared_with_it_or_not_at_all(tmp_path):
    RRWebTokenizer(recogniser=find_names).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="--recogniser name_recogniser:find_names"):
        load_tokenizer(str(tmp_path))
    assert load_tokenizer(str(tmp_path), "name_recogniser:find_names").text_model.recogniser
    with pytest.raises(DataError, match="no function other"):
        load_tokenizer(None, "name_recogniser:other")


@pytest.mark.parametrize("command", ["prepare", "train-text-model"])
def test_a_wrong_name_of_a_recogniser_is_one_line_at_the_command_line(
    command, recordings, tmp_path, capsys
):
    arguments = [command, str(recordings), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--recogniser", "no_such_module:f"]) == 2
    assert capsys.readouterr().err.startswith("error: recogniser no_such_module:f: No module")


def test_names_that_a_recogniser_finds_become_no_piece(recordings, tmp_path):
    lines = [element(9 + i, "p", text(900 + i, f"{NAMES[0]} writes {i}")) for i in range(40)]
    more = [element(200 + i, "p", text(400 + i, line)) for i, line in enumerate(_plain_lines())]
    (tmp_path / "a.json").write_text(json.dumps([meta(0), snapshot(1, *lines, *more)]))
    arguments = [str(tmp_path / "a.json"), "--vocab_size", "420", "--test_fraction", "0"]
    arguments += ["--validation_fraction", "0", "--output"]
    assert main(["train-text-model", *arguments, str(tmp_path / "plain.model")]) == 0
    recogniser = ["--recogniser", "name_recogniser:find_names"]
    assert main(["train-text-model", *arguments, str(tmp_path / "hidden.model"), *recogniser]) == 0
    assert b"Quackenbush" in (tmp_path / "plain.model").read_bytes()
    assert b"Quack" not in (tmp_path / "hidden.model").read_bytes()


def _plain_lines():
    return [
        f"Delivery within {number} working days after payment, returns are free of charge"
        for number in range(2, 60)
    ]
