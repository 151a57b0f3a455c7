import json
import random
import subprocess
import sys

import pytest

import train_mlm
from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.splits import split_of
from data_prep.text_sample import TextCollector, TextSample
from data_prep.train_text_model import train_text_model
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS
from rrweb_tokenizer.text_model import TextModel


def test_the_model_depends_on_the_texts_and_not_on_their_order(made_up_texts, small_model_proto):
    shuffled = made_up_texts * 2
    random.Random(1).shuffle(shuffled)  # noqa: S311 - no secret
    assert train_text_model(shuffled, vocab_size=800) == small_model_proto


def test_a_new_process_trains_the_same_model(made_up_texts, small_model_proto, tmp_path):
    (tmp_path / "texts.json").write_text(json.dumps(made_up_texts))
    code = (
        "import json, sys; from data_prep.train_text_model import train_text_model; "
        "texts = json.load(open(sys.argv[1])); "
        "open(sys.argv[2], 'wb').write(train_text_model(texts, vocab_size=800))"
    )
    arguments = [str(tmp_path / "texts.json"), str(tmp_path / "model")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    assert (tmp_path / "model").read_bytes() == small_model_proto


def test_the_model_is_one_that_the_tokenizer_takes(small_model_proto):
    model = TextModel(small_model_proto)
    assert model.num_pieces == 800
    assert model.pieces[0] == "<unk>"


def test_no_piece_joins_digits(small_model_proto):
    pieces = TextModel(small_model_proto).pieces
    assert not [p for p in pieces if not p.startswith("<0x") and sum(map(str.isdigit, p)) > 1]


def test_too_little_text_is_an_error_that_names_the_remedy():
    with pytest.raises(DataError, match="--vocab_size"):
        train_text_model(["a few words"], vocab_size=5000)
    with pytest.raises(DataError, match="0 distinct texts"):
        train_text_model([], vocab_size=500)


def test_a_sample_keeps_within_its_bound_and_forgets_the_order():
    texts = [f"text number {number}" for number in range(2000)]
    samples = []
    for order in (texts, texts[::-1], texts * 2):
        sample = TextSample(max_chars=10_000)
        sample.extend(order)
        assert 9_000 < sample.num_chars == sum(map(len, sample)) <= 10_000
        samples.append(list(sample))
    assert samples[0] == samples[1] == samples[2]
    other = TextSample(max_chars=10_000, seed=1)
    other.extend(texts)
    assert list(other) != samples[0]


def test_a_collector_keeps_plain_segments_and_no_personal_data():
    sample = TextSample()
    ids, is_cut = TextCollector(sample).encode("Mail  jane@example.com\nby [MASK] 5 pm", 50)
    assert list(sample) == ["Mail", "by \u27e6MASK\u27e7 5 pm"]
    assert not is_cut
    assert [i for i in ids if i < 520] == [STRUCTURAL_IDS["[V_EMAIL]"]]


def test_a_collector_keeps_what_fits_and_says_when_it_cuts():
    sample = TextSample()
    ids, is_cut = TextCollector(sample).encode("word " * 1000, 8)
    assert is_cut
    assert len(ids) == 8
    assert list(sample) == [("word " * 9).strip()]


def _page(words, href):
    text = {"type": 3, "id": 5, "textContent": words}
    body = {"type": 2, "id": 4, "tagName": "body", "attributes": {}, "childNodes": [text]}
    html = {"type": 2, "id": 3, "tagName": "html", "attributes": {}, "childNodes": [body]}
    document = {"type": 0, "id": 1, "childNodes": [html]}
    offset = {"left": 0, "top": 0}
    return [
        {"type": 4, "timestamp": 1, "data": {"href": href, "width": 800, "height": 600}},
        {"type": 2, "timestamp": 2, "data": {"node": document, "initialOffset": offset}},
    ]


def test_only_texts_of_the_train_split_reach_the_model(tmp_path, made_up_texts, capsys):
    folder = tmp_path / "recordings"
    canaries = {"train": "zweckfrei", "validation": "quodlibet", "test": "wyrmhoard"}
    seen = set()
    for number in range(60):
        split = split_of(f"site:site{number}.test")
        seen.add(split)
        words = " ".join(made_up_texts[number * 50 : number * 50 + 3])
        events = _page(f"{canaries[split]} {words}", f"https://site{number}.test/")
        for copy in range(3):
            path = folder / f"s{number}" / f"{copy}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(events))
    events = _page("xylophage " * 2, "https://left-out.test/")
    (folder / "kept-away").mkdir()
    (folder / "kept-away" / "1.json").write_text(json.dumps(events))
    assert seen == set(canaries)

    output = tmp_path / "out" / "text.model"
    arguments = [str(folder), "--output", str(output), "--vocab_size", "700", "--group_by", "site"]
    assert main(["train-text-model", *arguments, "--exclude_site", "kept-away"]) == 0
    report = capsys.readouterr().out
    assert "1 excluded" in report
    assert "left to validation" in report
    assert "left to test" in report
    model = TextModel.from_file(output)
    assert model.sha256 in report
    assert "\u2581zweckfrei" in model.pieces
    lost = ("quodlibet", "quodli", "wyrmhoard", "wyrmh", "xylophage", "xyloph")
    assert not [piece for piece in model.pieces if piece.strip("\u2581") in lost]
    assert [path.name for path in output.parent.iterdir()] == ["text.model"]


def test_bad_data_ends_with_a_message_and_no_file(tmp_path, capsys):
    (tmp_path / "a.json").write_text("no recording")
    output = tmp_path / "text.model"
    assert main(["train-text-model", str(tmp_path / "a.json"), "--output", str(output)]) == 2
    assert "error:" in capsys.readouterr().err
    assert not output.exists()


def test_the_command_writes_a_tokenizer_that_training_takes(tmp_path, made_up_texts, capsys):
    folder, output = tmp_path / "raw", tmp_path / "tokenizer"
    folder.mkdir()
    for number in range(40):
        words = " ".join(made_up_texts[number * 50 : number * 50 + 20])
        page = _page(words, f"https://site{number}.test/")
        (folder / f"{number:02}.json").write_text(json.dumps(page))
    call = ["train-text-model", str(folder), "--output", str(output), "--vocab_size", "700"]
    assert main(call) == 0
    assert "--tokenizer_name_or_path" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "tokenizer"]
    tokenizer = RRWebTokenizer.from_pretrained(output)
    assert tokenizer.vocab_size == len(tokenizer) == 1220
    assert main(call) == 2  # never written over
    assert "exists already" in capsys.readouterr().err

    run = [
        *("--data_dir", str(folder), "--cache_dir", str(tmp_path / "cache"), "--use_cpu"),
        *("--output_dir", str(tmp_path / "run"), "--model_size", "tiny", "--window_tokens", "64"),
        *("--per_device_train_batch_size", "4", "--max_steps", "2", "--samples_per_epoch", "8"),
        *("--validation_fraction", "0.3", "--num_proc", "1", "--dataloader_num_workers", "0"),
        *("--eval_steps", "2", "--logging_steps", "1"),
    ]
    assert train_mlm.main([*run, "--tokenizer_name_or_path", str(output)]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["vocab_size"] == 1220
    assert RRWebTokenizer.from_pretrained(tmp_path / "run").vocab_size == 1220
    weights = ["--model_name_or_path", str(tmp_path / "run")]
    assert train_mlm.main([*run, *weights, "--output_dir", str(tmp_path / "other")]) == 2
    assert "vocabulary of 1,220 ids" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["10", "70000"])
def test_sizes_that_no_vocabulary_can_have_are_a_bad_call(tmp_path, capsys, size):
    call = ["train-text-model", str(tmp_path), "--output", str(tmp_path / "x")]
    with pytest.raises(SystemExit) as caught:
        main([*call, "--vocab_size", size])
    assert caught.value.code == 2
    assert "--vocab_size must be in" in capsys.readouterr().err
