import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rrweb_bert.argument_parser import ArgumentParser
from rrweb_bert.arguments import UsageError, parse_arguments
from rrweb_bert.config_file import parse_config
from rrweb_bert.presets import preset_file, preset_names

OPTIONS = ArgumentParser().options()


def parse(text):
    return parse_config(text, "run.yaml", OPTIONS)


@pytest.fixture
def config(tmp_path):
    def write(text, name="run.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_a_file_stands_in_place_of_flags_and_flags_win_over_it(config):
    path = config(
        "data_dir: recordings\n"
        "# comments and groups are free\n"
        "training:\n  learning_rate: 5e-4\n  report_to: [wandb, tensorboard]\n"
        "model_size: mini\n"
        "lr_scheduler_kwargs: {num_cycles: 3, min_lr: 1e-6}\n"
    )
    for words in ([path, "--model_size", "tiny"], ["--model_size", "tiny", "--config", path]):
        arguments = parse_arguments(words)
        training = arguments.training
        assert (arguments.data.data_dir, arguments.is_sample) == ("recordings", False)
        assert (training.learning_rate, arguments.model.model_size) == (5e-4, "tiny")
        assert training.report_to == ["wandb", "tensorboard"]
        assert training.lr_scheduler_kwargs == {"num_cycles": 3, "min_lr": 1e-6}
        assert arguments.sources["model_size"] == "flag"
        assert arguments.sources["learning_rate"] == path


def test_json_is_read_the_same_way(config):
    given = {"data_dir": "recordings", "training": {"learning_rate": 0.0005, "save_steps": 70}}
    training = parse_arguments([config(json.dumps(given, indent=2))]).training
    assert (training.learning_rate, training.eval_steps, training.save_steps) == (0.0005, 70, 70)


def test_words_that_yaml_takes_for_truth_values_stay_words():
    assert parse("eval_strategy: no\ncompile: off\ninclude_num_input_tokens_seen: no\n") == {
        "eval_strategy": "no",
        "compile": "off",
        "include_num_input_tokens_seen": "no",
    }
    assert parse("streaming: yes\nuse_cpu: on\nbf16: false") == {
        "streaming": True,
        "use_cpu": True,
        "bf16": False,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "seed: 1\nlearning_rat: 1",
            "run.yaml:2: there is no argument learning_rat; did you mean ",
        ),
        ("data:\n  window_token: 8", "run.yaml:2: there is no argument window_token; did you mean"),
        ("model:\n  seed: 1", "run.yaml:2: seed belongs to another group"),
        ("learning_rate: fast", "run.yaml:1: learning_rate takes a number, not 'fast'"),
        ("\nmax_steps: 1.5", "run.yaml:2: max_steps takes a whole number, not '1.5'"),
        ('max_steps: "3"', "run.yaml:1: max_steps takes a whole number, not '3'"),
        ("learning_rate: nan", "takes a number"),
        ("learning_rate: [1, 2]", "takes a number, not a list"),
        ("data_dir: {a: 1}", "takes a text, not a mapping"),
        ("streaming: perhaps", "takes true or false, not 'perhaps'"),
        ("model_size: bas", "takes one of auto, tiny.*did you mean base"),
        ("per_device_train_batch_size: null", "cannot be null"),
        ("seed: 1\nseed: 2", "run.yaml:2: seed stands in line 1 already"),
        ("seed: 1\ntraining:\n  seed: 2", "run.yaml:3: seed stands in line 1 already"),
        ("a: [1,\nb: }", "run.yaml:2: this is not YAML"),
        ("seed: 1\n---\nseed: 2", "this is not YAML"),
        ("- seed", "NAME: VALUE"),
        ("just words", "NAME: VALUE"),
        ("training: 3", "NAME: VALUE"),
        ("? [a]\n: 1", "a name of an argument is a word"),
        ("config: other.yaml", "cannot stand in a file"),
        ("<<: {seed: 1}", "there is no argument <<"),
        ("seed: !!python/object/apply:os.system [echo]", "takes a whole number, not a list"),
        (
            "lr_scheduler_kwargs: {a: !!python/name:os.system ''}",
            "run.yaml:1: lr_scheduler_kwargs has a value",
        ),
        ("lr_scheduler_kwargs: {a: !!bool x}", "has a value that cannot be read"),
        ('data_dir: "\\ud800"', "half a character"),
        ("lr_scheduler_kwargs: " + "[" * 5000, "nested too deeply|not YAML"),
        ("seed: \x00", "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)


@given(st.binary(max_size=60) | st.text(alphabet="seed: [{&*!|>-'\"#\n\t1.e", max_size=40))
def test_any_file_is_read_or_refused(content):
    try:
        values = parse(content)
    except UsageError as error:
        message = str(error)
    else:
        message = f"run.yaml {sorted(values)}"
    assert message.startswith("run.yaml")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "learning_rate": st.floats(1e-9, 1.0),
            "max_steps": st.integers(1, 10**9),
            "output_dir": st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1),
            "streaming": st.booleans(),
            "report_to": st.lists(st.sampled_from(["wandb", "no", "1e5"]), min_size=1),
            "eval_steps": st.none() | st.integers(1, 9),
        },
    )
)
def test_what_is_written_is_read_again(values):
    assert parse(yaml.safe_dump(values, allow_unicode=True)) == values
    assert parse(json.dumps(values)) == values


def test_a_file_that_cannot_be_read_is_named(tmp_path, config):
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(UsageError, match=r"--config .* cannot be read"):
            parse_arguments([str(path)])
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        parse_arguments([config("#" * (1 << 20) + "\n")])
    with pytest.raises(UsageError, match="both name a file"):
        parse_arguments([config(""), "--config", "other.yaml"])


def test_a_flag_wins_over_what_says_the_same_in_the_file(config):
    path = config("data_dir: d\nmax_steps: 9\nresume: never\nuse_cpu: true\nbf16: true\n")
    arguments = parse_arguments(
        [path, "--num_train_epochs", "2", "--precision", "fp32", "--resume_from_checkpoint", "x"]
    )
    training = arguments.training
    assert (training.max_steps, training.num_train_epochs) == (-1, 2)
    assert (training.bf16, training.resume) == (False, "x")


def test_the_presets_are_the_ones_that_the_flag_takes():
    assert set(preset_names()) == set(OPTIONS["preset"].choices)


def test_the_reference_preset_says_the_defaults():
    preset = parse(preset_file("reference").read_text())
    defaults = parse_arguments(["--data_dir", "d"]).values | {"model_size": "base"}  # that is auto
    assert len(preset) > 20
    assert {name: defaults[name] for name in preset} == preset


@pytest.mark.parametrize("name", ["reference", "gpu24gb", "a100"])
def test_presets_for_gpus_take_the_steps_of_the_reference(name):
    preset = parse(preset_file(name).read_text())
    batch = preset["per_device_train_batch_size"] * preset["gradient_accumulation_steps"]
    assert batch == 32


def test_file_and_flags_win_over_the_preset(config):
    path = config("preset: cpu\ndata_dir: d\nlearning_rate: 1e-4\n")
    arguments = parse_arguments([path, "--window_tokens", "128"])
    assert (arguments.training.learning_rate, arguments.data.window_tokens) == (1e-4, 128)
    assert (arguments.model.model_size, arguments.training.save_steps) == ("mini", 250)
    assert arguments.sources["model_size"] == "preset cpu"
    assert parse_arguments([path, "--preset", "fast"]).model.model_size == "auto"
    assert Path(path).exists()


def test_the_file_in_the_documentation_is_one():
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    block = text.split("```yaml\n")[1].split("```")[0]
    assert parse(block)["samples_per_epoch"] == 400
