"""Models are pushed to a hub that runs here: whole, and again."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_pushes import PUBLISHED, REPO, error_of
from huggingface_hub import ModelCard

import train_mlm
from rrweb_bert import training_summary
from rrweb_bert.__main__ import main
from rrweb_bert.hub_files import (
    checkpoint_files,
    is_hub_name,
    model_files,
)
from rrweb_bert.model_card import render_card
from rrweb_bert.training_summary import TrainingSummary, training_seconds

# The Hub's client calls its own HTTP library in a way that that one would like changed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


# --- the command


def test_push_creates_the_repository_and_uploads_listed_files_only(hub, model_dir):
    assert main(["push", str(model_dir), REPO, "--message", "First"]) == 0
    files = hub.files[REPO]["main"]
    assert set(files) == PUBLISHED
    assert files["model.safetensors"] == (model_dir / "model.safetensors").read_bytes()
    assert hub.commits == [(REPO, "First")]
    assert REPO not in hub.private
    for name in PUBLISHED - {"model.safetensors", "text_bpe.model", "loss_and_lr.png"}:
        assert str(model_dir.parent).encode() not in files[name]


def test_a_second_push_sends_only_what_changed(hub, model_dir):
    assert main(["push", str(model_dir), REPO]) == 0
    sent = hub.num_puts
    assert main(["push", str(model_dir), "rrweb"]) == 0  # one's own repository, by its short name
    assert hub.num_puts == sent
    assert list(hub.files) == [REPO]


def test_push_makes_a_private_repository_and_a_branch(hub, model_dir):
    arguments = ["push", str(model_dir), REPO, "--private", "--revision", "v2"]
    assert main(arguments) == 0
    assert hub.private == {REPO}
    assert set(hub.files[REPO]["v2"]) == PUBLISHED
    assert hub.files[REPO]["main"] == {}


def test_what_was_to_be_private_is_not_pushed_to_a_public_repository(hub, model_dir, capsys):
    hub.files[REPO] = {"main": {}}
    assert main(["push", str(model_dir), REPO, "--private"]) == 2
    assert f"{REPO} exists and is public" in error_of(capsys)
    assert hub.files[REPO]["main"] == {}


def test_a_checkpoint_is_pushed_without_a_card_and_without_its_training_state(
    hub, model_dir, capsys
):
    checkpoint = next(model_dir.glob("checkpoint-*"))
    assert main(["push", str(checkpoint), REPO]) == 0
    assert "goes up without a card" in capsys.readouterr().out
    files = hub.files[REPO]["main"]
    assert "model.safetensors" in files
    assert not {"optimizer.pt", "trainer_state.json", "run.json", "training_args.bin"} & set(files)


def test_a_wrong_token_and_a_foreign_name_are_refused_in_one_line(
    hub, model_dir, monkeypatch, capsys
):
    assert main(["push", str(model_dir), "other/rrweb"]) == 2
    assert "may not write to other/rrweb (403)" in error_of(capsys)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert main(["push", str(model_dir), REPO]) == 2
    message = error_of(capsys)
    assert "does not accept the token (401)" in message
    assert "hf_wrong" not in message
    assert hub.files == {}


def test_without_a_login_it_says_how_to_log_in(hub, model_dir, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert main(["push", str(model_dir), REPO]) == 2
    assert "hf auth login" in error_of(capsys)


@pytest.mark.parametrize("name", ["a b", "a/b/c", "-x", ""])
def test_what_is_no_name_of_a_repository_is_refused(name, hub, model_dir, capsys):
    assert main(["push", str(model_dir), "--", name]) == 2
    assert "owner/name" in error_of(capsys)


def test_a_missing_name_is_asked_for(model_dir, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["push", str(model_dir)])
    assert stopped.value.code == 2
    assert "REPO" in capsys.readouterr().err


def test_a_folder_without_a_model_is_refused(hub, model_dir, tmp_path, capsys):
    assert main(["push", str(tmp_path / "none"), REPO]) == 2
    assert "there is no such folder" in error_of(capsys)
    (tmp_path / "config.json").write_text("{}")
    assert main(["push", str(tmp_path), REPO]) == 2
    assert "model.safetensors, tokenizer.json" in error_of(capsys)
    assert hub.files == {}


def test_uploads_broken_off_in_the_middle_are_tried_again(hub, model_dir):
    hub.drop_puts = 2
    assert main(["push", str(model_dir), REPO]) == 0
    assert hub.drop_puts == 0
    assert set(hub.files[REPO]["main"]) == PUBLISHED


def test_what_arrived_before_the_connection_was_lost_is_not_sent_again(hub, model_dir, capsys):
    hub.drop_commits = 100
    assert main(["push", str(model_dir), REPO]) == 2
    message = error_of(capsys)
    assert "cannot be reached" in message
    assert "not sent twice" in message
    assert f"The model is safe in {model_dir}" in message
    assert hub.num_puts == 3
    assert hub.files[REPO]["main"] == {}
    hub.drop_commits = 1
    assert main(["push", str(model_dir), REPO]) == 0
    assert hub.num_puts == 3
    assert set(hub.files[REPO]["main"]) == PUBLISHED
    assert "the connection to the Hub was lost" in capsys.readouterr().out


def test_a_dry_run_says_whose_a_name_without_owner_is_and_refuses_what_is_no_name(
    model_dir, capsys
):
    assert main(["push", str(model_dir), "name", "--dry_run"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.endswith("would go to name, below the name of whoever is logged in")
    assert main(["push", str(model_dir), "a/b/c", "--dry_run"]) == 2
    assert "a/b/c is no name on the Hub" in capsys.readouterr().err


def test_a_dry_run_names_the_files_and_asks_nobody(model_dir, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert main(["push", str(model_dir), REPO, "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[-1] for line in lines[:-1]} == PUBLISHED


def test_a_file_that_names_a_place_on_this_machine_is_not_pushed(hub, model_dir, tmp_path, capsys):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model_files(model_dir):
        (copy / file.path_in_repo).parent.mkdir(exist_ok=True)
        (copy / file.path_in_repo).write_bytes(file.read())
    (copy / "README.md").write_text(f"trained in {copy}")
    assert main(["push", str(copy), REPO]) == 2
    assert f"README.md names {copy}" in error_of(capsys)
    assert hub.files == {}


# --- the card


def test_the_card_is_valid_and_tells_of_the_run(model_dir):
    summary = TrainingSummary.load(model_dir)
    card = ModelCard.load(model_dir / "README.md")
    data = card.data.to_dict()
    assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "fill-mask")
    assert data["license"] == "unknown"
    assert "rrweb" in data["tags"]
    metrics = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert metrics["loss"] == pytest.approx(summary.best["eval_loss"], abs=1e-6)
    splits = json.loads((model_dir / "training_summary.json").read_text())["data"]["splits"]
    text = str(card)
    assert f"| train | {splits['train']['sessions']:,} |" in text
    assert f"| text | {summary.best['eval_loss_text']:.4f} |" in text
    assert "| learning_rate | 5e-05 |" in text
    assert "CPU hours" in text
    assert "![loss and learning rate over the steps](loss_and_lr.png)" in text
    for heading in ("Intended use", "Limits", "Privacy", "Licence", "Citation"):
        assert f"\n## {heading}\n" in text
    assert "$" not in text


def test_a_pushed_card_names_its_repository_and_licence(hub, model_dir):
    assert main(["push", str(model_dir), REPO, "--license", "mit"]) == 0
    card = ModelCard(hub.files[REPO]["main"]["README.md"].decode())
    assert card.data.license == "mit"
    assert card.data.model_name == "rrweb"
    assert f'SentenceTransformer("{REPO}")' in str(card)


def test_a_card_that_somebody_edited_is_pushed_as_it_is(hub, model_dir):
    path = model_dir / "README.md"
    before = path.read_text()
    edited = before.replace("# RRWebBERT", "# Our model")
    path.write_text(edited)
    try:
        assert main(["push", str(model_dir), REPO]) == 0
    finally:
        path.write_text(before)
    assert hub.files[REPO]["main"]["README.md"].decode() == edited


def test_a_run_without_evaluation_has_a_valid_card_too(model_dir):
    summary = replace(TrainingSummary.load(model_dir), best={})
    card = ModelCard(render_card(summary))
    assert card.data.eval_results is None
    assert "It was not evaluated." in str(card)


def test_weights_of_a_folder_leave_no_path_in_the_card(command, model_dir, tmp_path):
    arguments = command(tmp_path / "second", "--model_name_or_path", str(model_dir))
    assert train_mlm.main(arguments) == 0
    text = (tmp_path / "second" / "README.md").read_text()
    assert "from weights of an earlier run" in text
    assert str(model_dir.parent) not in text


@pytest.mark.parametrize("name", ["bert-base-uncased", "someone/rrweb.v2", "a_b/c-d"])
def test_names_on_the_hub_are_published(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_hub_name(name)
    assert started_from(name, tmp_path) == (name, name)
    (tmp_path / name).mkdir(parents=True)
    assert not is_hub_name(name)
    assert started_from(name, tmp_path) == ("weights of an earlier run", Path(name).name)


@pytest.mark.parametrize(
    "start",
    ["/gone/model", "./model", "../model", "~/model", "runs/a/model", "runs/..", "a b/model"],
)
def test_a_place_is_not_published_where_nothing_is_there_any_more(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_hub_name(start)
    assert started_from(start, tmp_path) == ("weights of an earlier run", Path(start).name)


def started_from(start, folder):
    """What the summary and a pushed record tell of `--model_name_or_path`."""
    identity = {"model_name_or_path": start}
    training = SimpleNamespace(
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        world_size=1,
        fp16=False,
        bf16=False,
    )
    values = training_summary._hyperparameters(
        SimpleNamespace(training=training), SimpleNamespace(identity=identity), 1.0
    )
    (folder / "run.json").write_text(json.dumps({"identity": identity, "spoken": {}}))
    (record,) = checkpoint_files(folder, "last-checkpoint")
    return values["model_name_or_path"], json.loads(record.read())["identity"]["model_name_or_path"]


def test_training_time_is_that_of_the_steps():
    class History:
        train = [  # noqa: RUF012 - read only
            {"step": 10, "tokens_per_second": 100.0},
            {"step": 20, "tokens_per_second": 50.0},
            {"step": 30},
        ]

    assert training_seconds(History, 20) == 10 * 20 / 100 + 10 * 20 / 50


def test_a_damaged_summary_is_refused(hub, model_dir, capsys):
    path = model_dir / "training_summary.json"
    before = path.read_text()
    path.write_text('{"format": 1, "model": 3}')
    try:
        assert main(["push", str(model_dir), REPO]) == 2
    finally:
        path.write_text(before)
    assert "training_summary.json is damaged" in error_of(capsys)


def test_the_best_checkpoint_is_named_without_its_place(model_dir):
    checkpoint = next(model_dir.glob("checkpoint-*"))
    assert str(model_dir) in (checkpoint / "trainer_state.json").read_text()
    files = {file.path.name: file for file in checkpoint_files(checkpoint, "last-checkpoint")}
    state = json.loads(files["trainer_state.json"].read())
    assert state["best_model_checkpoint"].startswith("checkpoint-")
    assert not [name for name, file in files.items() if str(model_dir).encode() in file.read()]
