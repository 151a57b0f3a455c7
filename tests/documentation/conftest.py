"""What pages start from: recordings, and what is made of them once."""

import json
import os
import shutil

import pytest
import zstandard
from documentation.blocks import ROOT, all_blocks
from documentation.page_plans import SHRUNK
from documentation.running import run_words
from documentation.shell import Asked
from fake_hub import running_hub
from s3_server import emptied, running_s3_server

from rrweb_bert.sample_plan import sample_directory

SMALL = (
    *("sbadmin2-030099", "selectize-020090", "weui-050071", "weui-050151", "deskflow-060160"),
    *("framework7-040103", "pagebound-020100", "freshcart-020005", "freshcart-040003"),
    *("voltmart-080075", "deskflow-070070", "visjs-060071", "impress-080106"),
)
"""The smallest recordings of the sample, of sites in all three splits."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder where commands of pages run, which is the reader's home, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does with the folder it starts in
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")  # for its workers
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def fill(folder):
    """Recordings and labels under the names that the pages use."""
    (folder / "recordings").mkdir()
    for name in SMALL:
        packed = (sample_directory() / f"{name}.json.zst").read_bytes()
        (folder / "recordings" / f"{name}.json").write_bytes(zstandard.decompress(packed))
    for name, copy in (
        ("weui-050071", "a"),
        ("selectize-020090", "b"),
        ("weui-050151", "recording"),
    ):
        shutil.copy(folder / "recordings" / f"{name}.json", folder / f"{copy}.json")
    shutil.copy(ROOT / "data_prep" / "sample_labels.jsonl", folder / "labels.jsonl")


def run(folder, command):
    """Run a command of ours in a folder, made small."""
    asked = Asked(words=[], folder=folder, environment=dict(os.environ))
    answer = run_words(command.split(), SHRUNK, asked=asked)
    assert answer.status == 0, answer.output


@pytest.fixture
def recordings(folder):
    fill(folder)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A corpus of these recordings, and a tiny model that was trained on it."""
    folder = tmp_path_factory.mktemp("made")
    fill(folder)
    run(folder, "python -m data_prep prepare recordings --output corpus")
    run(folder, "python train_mlm.py --data_dir corpus")
    return folder


@pytest.fixture
def trained(made_once, folder):
    shutil.copytree(made_once, folder, dirs_exist_ok=True)


@pytest.fixture
def probed(trained, folder):
    """A corpus of the whole sample: to tell labels apart takes some sessions of each."""
    shutil.rmtree(folder / "corpus")
    sample = sample_directory()
    run(folder, f"python -m data_prep prepare {sample} --output corpus --group_by site")


@pytest.fixture
def whole_sample(folder):
    """recordings/ is the embedded sample, and recording.json is one of it."""
    shutil.copytree(sample_directory(), folder / "recordings")
    shutil.copy(ROOT / "data_prep" / "sample_labels.jsonl", folder / "labels.jsonl")
    packed = (folder / "recordings" / "weui-050151.json.zst").read_bytes()
    (folder / "recording.json").write_bytes(zstandard.decompress(packed))


@pytest.fixture
def beside_the_sample(folder):
    """A recording of the sample under its own name."""
    name = "rustdoc-070170.json.zst"
    shutil.copy(sample_directory() / name, folder / name)


@pytest.fixture(scope="session")
def s3_server():
    with running_s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_server, recordings, folder, monkeypatch):
    """The same recordings as s3://bucket/recordings."""
    with emptied(s3_server, monkeypatch) as filesystem:
        filesystem.mkdir("bucket")
        filesystem.put(str(folder / "recordings"), "bucket/", recursive=True)
        yield filesystem


@pytest.fixture
def hub(monkeypatch):
    with running_hub(monkeypatch) as running:
        yield running


@pytest.fixture
def labelled(trained, folder):
    """labels.jsonl with a line for each recording, in the form that examples/README.md shows."""
    (shown,) = (
        block
        for block in all_blocks()
        if block.page == "examples/README.md" and block.language == "json"
    )
    path, label, group = json.loads(shown.text)
    lines = (folder / "labels.jsonl").read_text().splitlines()
    rows = [
        {path: f"recordings/{row['id']}.json", label: row["visitor"], group: row["site"]}
        for row in map(json.loads, lines)
        if row["id"] in SMALL
    ]
    (folder / "labels.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
