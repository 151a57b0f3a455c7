import yaml

from rrweb_bert.arguments import parse_arguments
from rrweb_bert.resolved_arguments import resolved, write_arguments


def without_place(arguments):
    values = dict(arguments.values)
    return {n: v for n, v in values.items() if n not in ("config", "preset", "dry_run", "debug")}


def test_a_run_is_repeated_with_the_file_that_it_wrote(tmp_path):
    given = parse_arguments(
        [
            *("--data_dir", "recordings", "--preset", "cpu", "--learning_rate", "3e-4"),
            *("--lr_scheduler_kwargs", '{"num_cycles": 3}', "--adam_beta2", "0.98"),
            *("--no_ignore_data_skip", "--report_to", "wandb", "--eval_strategy", "no"),
            *("--group_by", "path:^(é|:#)/", "--salt", "no"),
        ]
    )
    write_arguments(given, tmp_path)
    again = parse_arguments([str(tmp_path / "arguments.yaml")])
    assert without_place(again) == without_place(given) | {"precision": "fp32"}
    assert again.data == given.data
    assert again.training.learning_rate == 3e-4
    assert resolved(again) == resolved(given)


def test_the_plan_of_the_sample_is_written_out(tmp_path):
    given = parse_arguments([])
    write_arguments(given, tmp_path)
    again = parse_arguments([str(tmp_path / "arguments.yaml")])
    assert again.is_sample
    assert (again.training.max_steps, again.model.model_size) == (40, "tiny")


def test_secrets_are_not_written(tmp_path):
    given = parse_arguments(["--data_dir", "d", "--hub_token", "hf_secret", "--push_to_hub"])
    write_arguments(given, tmp_path)
    text = (tmp_path / "arguments.yaml").read_text()
    assert "secret" not in text
    assert yaml.safe_load(text)["training"]["push_to_hub"] is True
