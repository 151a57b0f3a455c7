"""What is wrong with a call is told before torch is imported and a model is loaded."""

import subprocess
import sys

import pytest

from rrweb_bert.__main__ import COMMANDS, main
from rrweb_bert.early_checks import check_file_to_write, check_model
from rrweb_bert.encoder_loading import find_device
from rrweb_bert.options import UsageError

RUN = """
import sys
from rrweb_bert.__main__ import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code
heavy = {"torch", "transformers", "datasets"} & set(sys.modules)
print("STATUS", status, sorted(heavy))
"""


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--help"], 0, "search"),
        (["surprise", "nothing"], 2, "nothing does not exist"),
        (["surprise", "a.json", "--model", "a.json"], 2, "a.json is a file"),
        (["surprise", "a.json", "--output", "."], 2, "--output . is a folder"),
        (["surprise", "a.json", "--modle", "m"], 2, "--modle; did you mean --model?"),
        (["report", "nothing"], 2, "nothing does not exist"),
        (["report", "a.json", "--neighbours", "no.parquet"], 2, "no.parquet does not exist"),
        (["embed", "nothing"], 2, "nothing does not exist"),
        (["embed", ".", "--labels", "no.jsonl"], 2, "--labels no.jsonl"),
        (["embed", ".", "--output", "e6.csv"], 2, "--output e6.csv: it is Parquet that is written"),
        (["index", "no.parquet"], 2, "no.parquet does not exist"),
        (["search", "index", "--like", "no.json"], 2, "no.json does not exist; name the file of a"),
        (["evaluate", "./nothing", "."], 2, "./nothing: there is no such folder"),
        (["surprise", "a.json", "--model", "berty"], 2, "berty: there is no such folder"),
        (["evaluate", "empty", "."], 2, "empty holds no model: config.json is missing"),
        (["evaluate", "stopped", "."], 2, "or give stopped/checkpoint-20"),
        (["surprise-norms", "nothing"], 2, "nothing does not exist"),
        (["embed", ".", "--output", "/proc/e.parquet"], 2, "/proc/e.parquet cannot be written: "),
        (["index", "a.json", "--output", "/proc/i"], 2, "/proc/i cannot be written: "),
        (["evaluate", "model", ".", "--output", "/proc/e"], 2, "/proc/e cannot be written: "),
        (["evaluate", "model", ".", "--output", "/dev/null/e"], 2, "/dev/null is a file; give"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_told_without_heavy_imports(tmp_path, words, status, told):
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "empty").mkdir()
    for step in (10, 20, 9):
        checkpoint = tmp_path / "stopped" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "config.json").write_text("{}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert told in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"STATUS {status} []"


def test_every_command_has_a_help_and_its_defaults_are_told(capsys):
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: python -m rrweb_bert {name}")


def test_a_folder_above_the_output_may_be_missing_but_not_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    check_file_to_write(tmp_path / "new" / "out.html")
    with pytest.raises(UsageError, match="which is a file"):
        check_file_to_write(tmp_path / "file" / "out.html")


def test_a_name_on_the_hub_is_left_to_the_hub(tmp_path):
    check_model("owner/name")
    check_model(None)
    with pytest.raises(UsageError, match="no name on the Hub"):
        check_model(tmp_path / "nothing")


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ValueError, match=device):
        find_device(device)
