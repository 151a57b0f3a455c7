"""What SECURITY.md promises of files that others made; see there for the model."""

import ast
import inspect
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from synthetic import make_events
from transformers import AutoTokenizer, BertConfig, trainer

from data_prep.plain_text import in_one_line, without_controls
from rrweb_bert.model_files import load_model, unknown_keys
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_tokenizer import RRWebTokenizer

ROOT = Path(__file__).parents[1]
NAME = "a\nFORGED \x1b[2J\x1b]0;t\x07\u202e<img src=x>"

_unpickled = []


def _note(event, arguments):
    if event == "pickle.find_class":
        _unpickled.append(arguments)


sys.addaudithook(_note)


class Exploit:
    """Unpickled, it makes a folder."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def plain(mark):
    return pickle.dumps(Exploit(mark), protocol=2)  # as torch writes


def in_torch_zip(mark):
    written = io.BytesIO()
    torch.save({}, written)
    made = io.BytesIO()
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, plain(mark) if name.endswith("data.pkl") else old.read(name))
    return made.getvalue()


@pytest.fixture
def model_dir(tmp_path):
    config = model_config("tiny", window_tokens=32)
    config.hidden_size, config.intermediate_size = 32, 64
    folder = tmp_path / "model"
    RRWebBertForMaskedLM(config).save_pretrained(folder)
    return folder


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_saved_model_has_known_keys_only(model_dir):
    assert unknown_keys(json.loads((model_dir / "config.json").read_text())) == []
    assert isinstance(load_model(model_dir), RRWebBertForMaskedLM)


@pytest.mark.parametrize(
    "change",
    [
        {"auto_map": {"AutoModelForMaskedLM": "evil.Model", "AutoConfig": "evil.Config"}},
        {"quantization_config": {"quant_method": "evil"}},
        {"nev\x1b[2Jer": 1},
    ],
)
def test_unknown_keys_of_a_model_are_refused_and_its_code_is_not_run(model_dir, change):
    mark = model_dir / "ran"
    (model_dir / "evil.py").write_text(f"import os; os.mkdir({str(mark)!r})")
    change_config(model_dir, **change)
    with pytest.raises(ValueError, match="keys that no BERT has") as caught:
        load_model(model_dir)
    assert in_one_line(next(iter(change))) in str(caught.value)
    assert not mark.exists()


def test_another_kind_of_model_is_refused(model_dir):
    change_config(model_dir, model_type="gpt2")
    with pytest.raises(ValueError, match="says that it is a gpt2"):
        load_model(model_dir)


@pytest.mark.parametrize("make", [plain, in_torch_zip])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.bin", "training_args.bin"])
def test_pickled_weights_are_never_read(model_dir, name, make):
    mark = model_dir / "unpickled"
    (model_dir / name).write_bytes(make(mark))
    load_model(model_dir)
    (model_dir / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        load_model(model_dir)
    assert not mark.exists()


def test_weights_that_are_no_numbers_are_refused(model_dir):
    weights = load_file(model_dir / "model.safetensors")
    weights["cls.predictions.bias"][7] = float("nan")
    save_file(weights, model_dir / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="weights are no numbers"):
        load_model(model_dir)


@pytest.mark.parametrize("make", [plain, in_torch_zip])
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt"])
def test_states_of_a_checkpoint_are_loaded_without_unpickling(tmp_path, name, make):
    """What transformers does with these files, should their seal be forged."""
    mark = tmp_path / "unpickled"
    file = tmp_path / name
    file.write_bytes(make(mark))
    del _unpickled[:]
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file, weights_only=True)
    assert not mark.exists()
    assert _unpickled == []


def test_the_audit_hook_sees_what_is_unpickled(tmp_path):
    mark = tmp_path / "unpickled"
    del _unpickled[:]
    pickle.loads(plain(mark))  # noqa: S301 - that this is seen is the point
    assert mark.exists()
    assert _unpickled[0][-1] == "mkdir"


def test_transformers_loads_states_with_weights_only():
    """A release that stops doing so must not pass unseen."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(trainer)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    assert len(calls) >= 8
    for call in calls:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given["weights_only"] == "True"


@pytest.mark.parametrize("name", ["text_bpe.model", "structural_vocab.json"])
def test_a_changed_tokenizer_file_is_refused(tmp_path, name):
    folder = tmp_path / "tokenizer"
    RRWebTokenizer().save_pretrained(folder)
    content = bytearray((folder / name).read_bytes())
    at = content.rindex(b"5") if name.endswith("json") else len(content) // 2
    content[at] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        RRWebTokenizer.from_pretrained(folder)


def test_ids_that_stand_twice_are_refused(tmp_path):
    folder = tmp_path / "tokenizer"
    RRWebTokenizer().save_pretrained(folder)
    file = folder / "structural_vocab.json"
    pairs = list(json.loads(file.read_text()).items())
    for twice in ([*pairs, ("[MORE]", 7)], [*pairs, pairs[7]]):
        written = ",".join(f"{json.dumps(token)}: {i}" for token, i in twice)
        file.write_text("{" + written + "}")
        with pytest.raises(ValueError, match="another structural vocabulary"):
            RRWebTokenizer.from_pretrained(folder)


def test_code_beside_a_tokenizer_is_not_run(tmp_path):
    folder = tmp_path / "tokenizer"
    RRWebTokenizer().save_pretrained(folder)
    mark = tmp_path / "ran"
    (folder / "tokenization_evil.py").write_text(f"import os; os.mkdir({str(mark)!r})")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["auto_map"] = {"AutoTokenizer": ["tokenization_evil.Evil", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    RRWebTokenizer.from_pretrained(folder)
    with pytest.raises(ValueError, match="trust_remote_code"):
        AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    assert not mark.exists()


def test_names_stand_in_one_line_and_do_not_steer_a_terminal():
    told = in_one_line(NAME)
    assert told == "a\\nFORGED \\x1b[2J\\x1b]0;t\\x07\\u202e<img src=x>"
    assert without_controls("a\n\tb\x1b[2J") == "a\n\tb\\x1b[2J"
    assert in_one_line("Größe 購入 👩\u200d💻 a\u00a0b") == "Größe 購入 👩\u200d💻 a\u00a0b"


@pytest.fixture(scope="module")
def hostile_names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "recordings"
    folder.mkdir()
    for number in range(12):
        events = make_events("shop", number, num_actions=6)
        (folder / f"{NAME}{number}.json").write_text(json.dumps(events))
    (folder / f"bad{NAME}.json").write_text("no json")
    (folder / f"cut{NAME}.json").write_text("[1,2")
    return folder


def assert_harmless(output):
    assert not [line for line in output.splitlines() if line.lstrip().startswith("FORGED")]
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "\u202e" not in output


@pytest.mark.parametrize("command", ["prepare", "inspect", "verify", "train"])
def test_names_of_files_forge_no_line(hostile_names, command, tmp_path):
    corpus = hostile_names.parent / "corpus"
    python = [sys.executable, "-m", "data_prep"]
    commands = {
        "prepare": [*python, "prepare", str(hostile_names), "--output", str(corpus)],
        "inspect": [*python, "inspect", str(hostile_names), "--html", str(tmp_path / "page.html")],
        "verify": [*python, "verify", str(corpus)],
        "train": [
            *(sys.executable, str(ROOT / "train_mlm.py"), "--data_dir", str(hostile_names)),
            *("--cache_dir", str(tmp_path), "--output_dir", str(tmp_path / "run"), "--use_cpu"),
            *("--streaming", "true", "--model_size", "tiny", "--window_tokens", "64"),
            *("--max_steps", "2", "--samples_per_epoch", "64", "--dataloader_num_workers", "0"),
            *("--validation_fraction", "0.3"),
        ],
    }
    needs = [commands["prepare"]] if command == "verify" and not corpus.exists() else []
    for each in [*needs, commands[command]]:
        shares = ["--validation_fraction", "0.3", "--test_fraction", "0", "--num_proc", "1"]
        options = shares if "prepare" in each else []
        result = subprocess.run([*each, *options], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert_harmless(result.stdout + result.stderr)
    if command == "inspect":
        page = (tmp_path / "page.html").read_text()
        assert "<img" not in page
        assert "&lt;img src=x&gt;" in page
    if command == "verify":
        shutil.rmtree(corpus)


def test_notes_that_transformers_makes_while_reading_are_no_unknown_keys():
    content = BertConfig().to_dict()
    assert unknown_keys(content | {"_commit_hash": None}) == []
    assert unknown_keys(content | {"auto_map": {}, "commit_hash": 1}) == ["auto_map", "commit_hash"]
