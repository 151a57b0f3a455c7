"""What the argument modules share."""

import pytest
from transformers import SchedulerType

from rrweb_bert.argument_parser import ArgumentParser
from rrweb_bert.options import shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.0, "10"),
        (0.002, "0.002"),
        (5e-5, "5e-05"),
        (0.123456789, "0.123456789"),
        (1e6, "1000000"),
        (float("inf"), "inf"),
        (7, "7"),
        (True, "true"),
        (None, "none"),
        ("", "none"),
        ([], "none"),
        (["wandb", "tensorboard"], "wandb tensorboard"),
        (SchedulerType.LINEAR, "linear"),
        ("a b", "a b"),
    ],
)
def test_values_are_shown_as_one_would_give_them(value, text):
    assert shown(value) == text


def test_help_shows_defaults_as_a_dry_run_shows_values():
    assert "windows. [epochs; default: 10]" in " ".join(ArgumentParser().format_help().split())
