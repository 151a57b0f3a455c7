import dataclasses
import re

import pytest
from transformers import TrainingArguments

import data_prep.__main__
from rrweb_bert.argument_parser import HELP_GROUPS, ArgumentParser
from rrweb_bert.arguments import (
    DataArguments,
    ModelArguments,
    RRWebTrainingArguments,
    RunArguments,
    UsageError,
    parse_arguments,
)
from rrweb_bert.sample_plan import announcement

DATA = ["--data_dir", "recordings"]


def test_defaults_are_the_reference_job():
    arguments = parse_arguments(DATA)
    training, data = arguments.training, arguments.data
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (32, 1)
    assert (training.learning_rate, training.weight_decay) == (5e-5, 0.01)
    assert (training.num_train_epochs, data.samples_per_epoch) == (10, 90_000)
    assert (data.window_tokens, data.mlm_probability) == (2048, 0.15)
    assert training.lr_scheduler_type == "cosine_with_restarts"
    assert (training.restart_epochs, training.restart_multiplier) == ("auto", 2)
    assert training.warmup_steps == 0.01
    assert (training.logging_steps, training.eval_steps, training.save_steps) == (50, 1000, 1000)
    assert (training.save_total_limit, training.load_best_model_at_end) == (3, True)
    assert (training.metric_for_best_model, training.greater_is_better) == ("eval_loss", False)
    assert training.dataloader_num_workers == 4
    assert training.output_dir == "./checkpoints_production"
    assert training.report_to == []
    assert (data.group_by, data.test_fraction, data.validation_fraction) == ("auto", 0.05, 0.1)
    assert not arguments.is_sample


def test_every_flag_of_training_arguments_is_accepted():
    names = [f.name for f in dataclasses.fields(TrainingArguments) if f.init]
    assert set(names) <= set(vars(parse_arguments(DATA).training))
    arguments = parse_arguments(
        [*DATA, "--adam_beta2", "0.98", "--max_grad_norm", "0.5", "--seed", "7", "--torch_compile"]
    )
    training = arguments.training
    assert (training.adam_beta2, training.max_grad_norm, training.seed) == (0.98, 0.5, 7)
    assert training.torch_compile


def test_flags_that_take_a_word_or_a_truth_value_take_words():
    training = parse_arguments([*DATA, "--include_num_input_tokens_seen", "all"]).training
    assert training.include_num_input_tokens_seen == "all"


def test_given_flags_are_known():
    arguments = parse_arguments([*DATA, "--warmup", "0", "--no_load_best_model_at_end"])
    assert arguments.explicit == {"data_dir", "warmup_steps", "load_best_model_at_end"}
    assert arguments.training.warmup_steps == 0


def test_without_data_the_sample_plan_is_the_default_and_given_flags_win():
    plan = parse_arguments([])
    assert plan.is_sample
    assert plan.training.output_dir == "./checkpoints_sample"
    assert (plan.model.model_size, plan.data.window_tokens, plan.data.group_by) == (
        "tiny",
        512,
        "site",
    )
    assert (plan.training.max_steps, plan.training.eval_steps) == (40, 10)
    changed = parse_arguments(["--max_steps", "3", "--window_tokens", "64", "--eval_steps", "2"])
    assert (changed.training.max_steps, changed.data.window_tokens) == (3, 64)
    assert (changed.training.eval_steps, changed.training.save_steps) == (2, 2)
    assert parse_arguments(["--num_train_epochs", "2"]).training.max_steps == -1
    assert "DEMONSTRATION" in announcement(
        num_steps=40, model_size="tiny", window_tokens=512, output_dir="x"
    )


def test_one_flag_changes_both_of_a_pair():
    training = parse_arguments([*DATA, "--save_steps", "70"]).training
    assert (training.eval_steps, training.save_steps) == (70, 70)
    training = parse_arguments([*DATA, "--eval_strategy", "no"]).training
    assert not training.load_best_model_at_end
    training = parse_arguments([*DATA, "--eval_strategy", "epoch"]).training
    assert training.save_strategy == "epoch"
    training = parse_arguments([*DATA, "--per_device_train_batch_size", "8"]).training
    assert training.per_device_eval_batch_size == 8


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fp16"], "needs a CUDA GPU"),
        (["--precision", "bf16"], "^--precision bf16 needs a CUDA GPU"),
        (["--fp16", "--bf16"], "exclude each other"),
        (["--fp16", "--precision", "fp32"], "contradicts"),
        (["--group_by", "team"], "--group_by 'team' is none of auto, file"),
        (["--group_by", "path:("], "not valid"),
        (["--group_by", "column:team", "--manifest", "no/such.csv"], "no/such.csv"),
        (["--seed", "1", "stray.yaml"], "stands first, or behind --config"),
        (["--learning_rat", "1"], "did you mean --learning_rate"),
        (["--model_size", "huge"], "^--model_size: 'huge' is none of .*tiny"),
        (["--model_size", "lage"], r"did you mean large\? See"),
        (["--restart_epochs", "often"], "auto or a number"),
        (["--restart_epochs", "-1"], "above 0"),
        (["--restart_multiplier", "0.5"], "at least 1"),
        (["--mlm_probability", "1.5"], "a share"),
        (["--samples_per_epoch", "0"], "at least 1 window"),
        (["--window_tokens", "2"], "at least 8 ids"),
        (["--learning_rate", "fast"], "learning_rate"),
        (["--eval_steps", "2", "--save_steps", "3"], "multiple"),
        (["--learning_rate", "-1"], "--learning_rate -1.0: at least 0"),
        (["--learning_rate", "nan"], "--learning_rate nan: at least 0"),
        (["--weight_decay", "-0.1"], "--weight_decay -0.1: at least 0"),
        (["--per_device_train_batch_size", "-4"], "--per_device_train_batch_size -4: at least 1"),
        (["--gradient_accumulation_steps", "0"], "--gradient_accumulation_steps 0: at least 1"),
        (["--max_steps", "-3"], "--max_steps -3: at least 1, or -1 for --num_train_epochs"),
        (["--max_steps", "0"], "--max_steps 0: at least 1, or -1 for --num_train_epochs"),
        (["--num_train_epochs", "0"], "--num_train_epochs 0.0: above 0"),
        (["--dataloader_num_workers", "-1"], "--dataloader_num_workers -1: at least 0"),
        (["--save_total_limit", "0"], "--save_total_limit 0: at least 1"),
    ],
)
def test_what_cannot_be_is_one_clear_message(flags, message):
    with pytest.raises(UsageError, match=message):
        parse_arguments([*DATA, "--use_cpu", *flags])


def test_a_process_never_uses_more_than_one_gpu(monkeypatch):
    training = parse_arguments(DATA).training
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: 4))
    assert training.n_gpu == 1
    assert training.train_batch_size == 32


def test_help_names_unit_and_default_of_every_flag_of_ours(capsys):
    with pytest.raises(SystemExit) as stop:
        parse_arguments(["--help"])
    assert stop.value.code == 0
    ours, others = capsys.readouterr().out.split("all other flags of transformers")
    entries = {
        entry.split()[0].rstrip(","): " ".join(entry.split())
        for entry in re.split(r"\n  (?=--)", ours)[1:]
    }
    for kind in (RunArguments, ModelArguments, DataArguments):
        assert {f"--{field.name}" for field in dataclasses.fields(kind)} <= entries.keys()
    redeclared = RRWebTrainingArguments.__annotations__
    assert {f"--{name}" for name in redeclared} <= entries.keys()
    for flag, entry in entries.items():
        assert re.search(r"\[[^]]+; default: [^]]+\]", entry), flag
    assert "Windows drawn in one epoch. [windows; default: 90000]" in entries["--samples_per_epoch"]
    assert "--adam_beta2" in others
    assert "default: 0.999" in others


def test_every_flag_stands_in_the_help_once():
    options = ArgumentParser().options()
    grouped = [name for names in HELP_GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= set(options)


def test_recordings_are_grouped_read_and_redacted_as_in_data_prep(tmp_path):
    data = parse_arguments([*DATA, "--group_by", "visitor", "--reader", "zip"]).data
    assert (data.prepare_options().group_by, data.prepare_options().reader) == ("visitor", "zip")
    table = tmp_path / "files.csv"
    table.write_text("path,team\na.json,red\n")
    data = parse_arguments([*DATA, "--group_by", "column:team", "--manifest", str(table)]).data
    assert data.prepare_options().grouping().rule == "column:team"
    ours = {option.dest for option in _prepare_parser()._actions} - {
        *("help", "inputs", "output", "overwrite"),
        *("engine", "address", "shard"),  # where a large preparation runs, not what it makes
    }
    assert ours <= {field.name for field in dataclasses.fields(DataArguments)}


def _prepare_parser():
    commands = data_prep.__main__.make_parser()._subparsers._group_actions[0]
    return commands.choices["prepare"]


def test_resume_and_its_name_in_transformers_are_one_flag():
    assert parse_arguments(
        [*DATA, "--resume_from_checkpoint", "run/checkpoint-3"]
    ).training.resume == ("run/checkpoint-3")
    assert parse_arguments([*DATA, "--resume_from_checkpoint", "True"]).training.resume == "auto"
    with pytest.raises(UsageError, match="the same, give one"):
        parse_arguments([*DATA, "--resume", "never", "--resume_from_checkpoint", "x"])


def test_trackers_may_be_several_words_or_a_list_with_commas():
    for given in (["wandb", "tensorboard"], ["wandb,tensorboard"]):
        report_to = parse_arguments([*DATA, "--report_to", *given]).training.report_to
        assert report_to == ["wandb", "tensorboard"]


def test_a_preset_sets_defaults_and_given_flags_win_over_it():
    assert parse_arguments(DATA).model.attention_dropout == 0.1
    assert parse_arguments([*DATA, "--preset", "fast"]).model.attention_dropout == 0.0
    given = parse_arguments([*DATA, "--preset", "fast", "--attention_dropout", "0.2"])
    assert given.model.attention_dropout == 0.2
    with pytest.raises(UsageError, match="preset"):
        parse_arguments([*DATA, "--preset", "faster"])
