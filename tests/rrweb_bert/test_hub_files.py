"""No file that is published names a place on the machine that it comes from."""

import json
from pathlib import Path

import pytest

from rrweb_bert.hub_files import (
    _TOKENIZER,
    PublishedFile,
    check_tells_no_paths,
    checkpoint_files,
    model_files,
)
from rrweb_bert.options import UsageError
from rrweb_bert.run_record import Origin, RunRecord


def check_text(text, folder, name="README.md"):
    file = PublishedFile(path_in_repo=name, path=Path(name), content=text.encode())
    check_tells_no_paths([file], Path(folder))


@pytest.mark.parametrize("home", ["/", "/rrweb", "/home/someone"])
@pytest.mark.parametrize("folder", ["/", "/rrweb", "/github.com/rrweb-io", "/data/model"])
def test_addresses_and_longer_names_are_no_places(home, folder, monkeypatch):
    monkeypatch.setenv("HOME", home)
    check_text(
        "see https://github.com/rrweb-io/rrweb and https://github.com/home/someone, "
        "/data/model-2, /data/model.old, my/data/model, /home/someone_else/x",
        folder,
    )


@pytest.mark.parametrize(
    "text",
    [
        "/data/model",
        "in /data/model.",
        "in `/data/model`, (/data/model)",
        "file:///data/model/x",
        '{"a": "/data/model/checkpoint-2"}',
        '{"a": "one\\n/data/model\\ntwo"}',
        "--output_dir=/data/model ",
        "kept in /home/someone/x",
        "HOME='/home/someone'",
    ],
)
def test_places_are_seen_wherever_they_stand(text, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    with pytest.raises(UsageError, match=r"names /(data/model|home/someone), a place"):
        check_text(text, "/data/model")


def test_places_that_json_spells_otherwise_are_seen():
    folder = '/data/Müller "x"'
    for text in (json.dumps({"a": f"{folder}/x"}), json.dumps([folder], ensure_ascii=False)):
        with pytest.raises(UsageError, match="names /data/Müller"):
            check_text(text, folder, "config.json")
    with pytest.raises(UsageError, match="names /data/Müller"):
        check_text(f"in {folder}", folder)


def test_without_a_home_the_output_folder_is_looked_for(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    check_text("https://github.com/", "/data/model")
    with pytest.raises(UsageError, match="names /data/model"):
        check_text("/data/model", "/data/model")


def test_a_checkpoint_that_a_run_went_on_from_is_published_by_name(tmp_path):
    origin = Origin(path=str(tmp_path / "run" / "checkpoint-2"), seal="ab")
    RunRecord(identity={}, origins=(origin,)).save(tmp_path)
    (file,) = checkpoint_files(tmp_path, "last-checkpoint")
    check_tells_no_paths([file], tmp_path)
    assert json.loads(file.read())["origins"] == [{"path": "checkpoint-2", "seal": "ab"}]


def test_what_a_folder_lacks_is_told_in_one_sentence(tmp_path):
    with pytest.raises(
        UsageError, match=r"model\.safetensors, config\.json, .* are missing\. Give"
    ):
        model_files(tmp_path)
    for name in ("model.safetensors", *_TOKENIZER):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match=r"complete model: config\.json is missing\. Give"):
        model_files(tmp_path)
