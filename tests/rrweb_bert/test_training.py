import json
from contextlib import nullcontext

import pytest
import torch
from transformers import AutoModelForMaskedLM, TrainerCallback

from rrweb_bert import mfu
from rrweb_bert.checkpoints import find_checkpoints, problem_of
from rrweb_bert.console import prepare_console
from rrweb_bert.evaluation import KINDS, kind_table, sum_losses
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX
from rrweb_bert.training import TrainingStoppedError
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, VOCAB_SIZE


@pytest.fixture(scope="module")
def unbroken():
    """Weights and log of an undisturbed run, made once."""
    return {}


@pytest.fixture
def reference(unbroken, make_trainer, tmp_path, weights_of):
    if not unbroken:
        trainer = make_trainer(tmp_path / "reference", load_best_model_at_end=False)
        trainer.train()
        unbroken["weights"] = weights_of(trainer.model)
        unbroken["train"] = trainer.history.train
        unbroken["evaluation"] = trainer.history.evaluation
    return unbroken


def without_pace(rows):
    timed = ("tokens_per_second", "data_wait_share", "eval_runtime", "per_second")
    return [{k: v for k, v in row.items() if not k.endswith(timed)} for row in rows]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_resumed_run_ends_with_the_same_weights_and_history(
    reference, make_trainer, tmp_path, weights_of, num_workers
):
    settings = {"load_best_model_at_end": False, "dataloader_num_workers": num_workers}
    make_trainer(tmp_path, stop_at=6, **settings).train()
    checkpoint = tmp_path / "checkpoint-6"
    resumed = make_trainer(tmp_path, start_step=6, checkpoint=checkpoint, **settings)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert resumed.state.global_step == 12
    assert torch.equal(weights_of(resumed.model), reference["weights"])
    history = json.loads((tmp_path / "training_history.json").read_text())
    assert without_pace(history["train"]) == without_pace(reference["train"])
    assert without_pace(history["evaluation"]) == without_pace(reference["evaluation"])


@pytest.mark.parametrize("num_workers", [1, 2])
def test_weights_are_the_same_for_any_number_of_workers(
    reference, make_trainer, tmp_path, weights_of, num_workers
):
    trainer = make_trainer(
        tmp_path, load_best_model_at_end=False, dataloader_num_workers=num_workers
    )
    trainer.train()
    assert torch.equal(weights_of(trainer.model), reference["weights"])


def test_resume_draws_the_random_state_once_more_before_the_first_step(make_trainer, tmp_path):
    make_trainer(tmp_path, stop_at=6).train()
    checkpoint = tmp_path / "checkpoint-6"
    resumed = make_trainer(tmp_path, start_step=6, checkpoint=checkpoint)
    loads = []
    resumed._load_rng_state = loads.append
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert loads.count(str(checkpoint)) == 2


def test_gradient_accumulation_gives_the_loss_of_the_whole_batch(make_trainer, tmp_path):
    def logged_losses(name, **settings):
        trainer = make_trainer(tmp_path / name, eval_strategy="no", save_strategy="no", **settings)
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        trainer.train()
        return [row["loss"] for row in trainer.history.train]

    common = {"load_best_model_at_end": False, "max_steps": 4, "logging_steps": 1}
    whole = logged_losses("whole", **common)
    parts = logged_losses(
        "parts", **common, per_device_train_batch_size=2, gradient_accumulation_steps=2
    )
    assert parts == pytest.approx(whole, rel=1e-4)


def test_log_rows_have_what_a_person_watches(reference):
    row = reference["train"][0]
    assert row["step"] == 2
    assert row["epoch"] == pytest.approx(2 * 4 / 24)
    assert row["perplexity"] == pytest.approx(torch.tensor(row["loss"]).exp().item(), rel=1e-3)
    assert row["learning_rate"] > 0
    assert row["grad_norm"] > 0
    assert row["tokens_per_second"] > 0
    assert 0 <= row["data_wait_share"] <= 1
    assert [row["step"] for row in reference["train"]] == [2, 4, 6, 8, 10, 12]
    assert [row["step"] for row in reference["evaluation"]] == [6, 12]


def test_utilisation_is_logged_where_the_peak_of_the_device_is_known(
    make_trainer, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(mfu, "device_peak_flops", lambda device, precision: 1e12)
    trainer = make_trainer(tmp_path, max_steps=2, eval_strategy="no", save_strategy="no")
    trainer.train()
    row = trainer.history.train[0]
    flops = mfu.flops_per_token(trainer.model.config, window_tokens=32, mlm_probability=0.15)
    assert row["mfu"] == pytest.approx(flops * row["tokens_per_second"] / 1e12)
    assert "MFU" in capsys.readouterr().out


def test_log_is_one_line_a_step_without_carriage_returns(make_trainer, tmp_path, capfd):
    trainer = make_trainer(tmp_path, max_steps=4)
    prepare_console(trainer.args)
    trainer.train()
    out, err = capfd.readouterr()
    assert "\r" not in out + err
    lines = [line for line in out.splitlines() if line.startswith("step")]
    assert [line.split()[1] for line in lines] == ["2/4", "4/4", "4/4"]
    assert "EVALUATION" in lines[-1]
    assert "left 0:00:00" in lines[1]


def test_best_model_is_kept_and_loaded_at_the_end(make_trainer, tmp_path, weights_of, caplog):
    trainer = make_trainer(tmp_path, save_total_limit=1)
    trainer.train()
    best = tmp_path / f"checkpoint-{trainer.state.best_global_step}"
    assert trainer.state.best_metric == min(r["eval_loss"] for r in trainer.history.evaluation)
    saved = AutoModelForMaskedLM.from_pretrained(best)
    assert torch.equal(weights_of(saved), weights_of(trainer.model))
    metrics = json.loads((best / "metrics.json").read_text())
    assert metrics["evaluation"][0]["eval_loss"] == trainer.state.best_metric
    names = {path.name for path in best.iterdir()}
    assert names >= {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
    assert problem_of(find_checkpoints(tmp_path)[0].path) is None
    assert "missing keys" not in caplog.text


def test_the_best_of_all_evaluations_is_kept_not_only_of_those_that_fall_on_a_save(
    make_trainer, tmp_path, weights_of
):
    seen = {}

    class Remember(TrainerCallback):
        def on_evaluate(self, args, state, control, model, **kwargs):
            seen[state.global_step] = weights_of(model)

    trainer = make_trainer(tmp_path, eval_steps=1, save_steps=12, learning_rate=0.05, max_steps=12)
    trainer.add_callback(Remember())
    trainer.train()
    losses = {row["step"]: row["eval_loss"] for row in trainer.history.evaluation}
    best = min(losses, key=losses.get)
    assert best != 12, "the case that is tested"
    assert trainer.state.best_global_step == best
    assert torch.equal(weights_of(trainer.model), seen[best])


def test_evaluation_does_not_depend_on_the_batch_size(make_trainer, tmp_path):
    first = make_trainer(tmp_path / "a", per_device_eval_batch_size=4).evaluate()
    again = make_trainer(tmp_path / "b", per_device_eval_batch_size=3).evaluate()
    assert first["eval_loss"] == pytest.approx(again["eval_loss"], abs=1e-6)
    trainer = make_trainer(tmp_path / "c")
    assert trainer.evaluate()["eval_loss"] == trainer.evaluate()["eval_loss"] == first["eval_loss"]


def test_evaluation_reports_perplexity_and_losses_by_kind(make_trainer, tmp_path):
    metrics = make_trainer(tmp_path).evaluate()
    assert metrics["eval_perplexity"] == pytest.approx(
        torch.tensor(metrics["eval_loss"]).exp().item(), rel=1e-3
    )
    kinds = {name.removeprefix("eval_loss_") for name in metrics if name.startswith("eval_loss_")}
    assert kinds
    assert kinds <= set(KINDS)
    assert 0 <= metrics["eval_accuracy"] <= 1


def test_accuracy_is_the_share_of_masked_positions_whose_likeliest_id_is_true():
    class Model:
        def masked_logits(self, input_ids, labels):
            targets = labels[labels != IGNORE_INDEX]
            guesses = torch.tensor([7, 600, 8, 30])
            return torch.nn.functional.one_hot(guesses, VOCAB_SIZE).float(), targets

    labels = torch.tensor([[IGNORE_INDEX, 7, 600], [9, IGNORE_INDEX, 31]])
    sums = sum_losses(
        Model(),
        [{"input_ids": labels, "labels": labels}],
        device=torch.device("cpu"),
        autocast=nullcontext,
    )
    assert sums.metrics()["accuracy"] == 0.5
    assert sums.hits[KINDS.index("text")] == 1
    assert sums.num_windows == 2


def test_every_id_has_a_kind():
    table = kind_table()
    assert table.shape == (VOCAB_SIZE,)
    for token, kind in {
        "[MI_Click]": "head",
        "[DT_3]": "time",
        "[X_7]": "place",
        "[REF_2]": "target",
        "[TAG_div]": "tag",
        "[AT_class]": "attribute",
        "[V_EMAIL]": "value",
    }.items():
        assert KINDS[table[STRUCTURAL_IDS[token]]] == kind
    assert KINDS[table[600]] == "text"


def test_a_loss_that_is_no_number_stops_the_run(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    with torch.no_grad():
        trainer.model.bert.embeddings.LayerNorm.weight.fill_(float("nan"))
    with pytest.raises(TrainingStoppedError, match="loss is nan at step 1"):
        trainer.train()
    assert not find_checkpoints(tmp_path)


def test_a_stream_that_ends_early_stops_the_run(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.args.max_steps = 20
    with pytest.raises(TrainingStoppedError, match="ended after step 12 of 20"):
        trainer.train()


def test_restarts_follow_epochs(make_trainer, tmp_path):
    trainer = make_trainer(
        tmp_path, warmup_steps=0, restart_epochs="1", restart_multiplier=1, logging_steps=1
    )
    trainer.create_optimizer()
    scheduler = trainer.create_scheduler(12)
    rates = []
    for _ in range(12):
        rates.append(scheduler.get_last_lr()[0] / 1e-3)
        trainer.optimizer.step()
        scheduler.step()
    assert rates[0] == rates[6] == 1.0
    assert rates[5] < 0.1


def test_another_scheduler_is_that_of_transformers(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, lr_scheduler_type="linear", warmup_steps=0)
    trainer.create_optimizer()
    scheduler = trainer.create_scheduler(10)
    trainer.optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr()[0] == pytest.approx(0.9e-3)
