"""An unknown flag of `train_mlm.py` is told before torch is imported; a known one never."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_bert import early_flags
from rrweb_bert.argument_parser import ArgumentParser
from rrweb_bert.early_flags import check_flags, known_flags
from rrweb_bert.options import UsageError

ROOT = Path(__file__).parents[2]
ALL = sorted({flag for action in ArgumentParser()._actions for flag in action.option_strings})
FLAGS = [flag for flag in ALL if flag not in ("-h", "--help")]


def told_by(check, argv):
    """What a check says of a command line, None where it says nothing."""
    try:
        check(argv)
    except UsageError as error:
        return str(error)
    return None


def test_the_flags_that_are_read_in_sources_are_those_of_the_parser():
    assert sorted(known_flags()) == FLAGS


@pytest.mark.parametrize("flag", ALL)
def test_no_flag_of_the_parser_is_refused(flag):
    check_flags([flag])
    check_flags(["run.yaml", f"{flag}=value", flag, "value", "-1", "-x"])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["run.yaml"],
        ["--help", "--max_step"],
        ["--max_step", "-h"],
        ["--", "--max_step"],
        ["--help=1"],
        ["--salt", "--a salt with spaces"],
        ["-max_step", "5"],
        ["extra", "--report-to", "wandb", "tensorboard", "--dry_run"],
    ],
)
def test_what_is_no_unknown_flag_is_left_to_the_parser(argv):
    check_flags(argv)


@pytest.mark.parametrize(
    "word",
    [
        "--max_step",
        "--max-step=5",
        "--no_dry_rn",
        "--data",
        "--xyzzy",
        "--no_steps",
        "---max_steps",
    ],
)
def test_what_is_said_is_what_the_parser_says(word):
    early = told_by(check_flags, ["--use_cpu", word, "5"])
    assert early == told_by(ArgumentParser().given, ["--use_cpu", word, "5"])
    assert early.startswith(f"unknown argument {word}")


def test_a_slip_is_told_with_the_flag_that_was_meant():
    told = told_by(check_flags, ["--max_step", "5"])
    assert told == "unknown argument --max_step; did you mean --max_steps? See --help"


WORDS = st.one_of(
    st.sampled_from(FLAGS),
    st.sampled_from(FLAGS).map(lambda flag: flag[:-1]),
    st.sampled_from(FLAGS).map(lambda flag: f"{flag}=1"),
    st.text("-abc_=1 ", max_size=8),
)


@given(st.lists(WORDS, max_size=4))
def test_what_is_refused_early_would_be_refused_by_the_parser(argv):
    if told_by(check_flags, argv) is not None:
        assert told_by(Lenient().given, argv) is not None


class Lenient(ArgumentParser):
    """Takes any value, to see which words are taken for flags."""

    def given(self, argv):
        for action in self.options().values():
            action.type, action.choices, action.nargs = None, None, "*"
        _, unknown = self.parse_known_args(argv)
        if unknown:
            raise UsageError(f"unknown: {unknown}")


@pytest.mark.parametrize(
    "source",
    [
        "class TrainingArguments(Base):\n    steps: int = 1",
        "class TrainingArguments:\n    if True:\n        steps: int = 1",
        "class Another:\n    steps: int = 1",
        "TrainingArguments = make_dataclass('TrainingArguments', [])",
    ],
)
def test_a_transformers_that_is_written_otherwise_is_left_to_the_parser(monkeypatch, source):
    """Where its flags cannot be told from its source, no flag can be told to be unknown."""
    stock = early_flags._parsed

    def parsed(path):
        return ast.parse(source) if path.name == "training_args.py" else stock(path)

    monkeypatch.setattr(early_flags, "_parsed", parsed)
    assert known_flags() is None
    check_flags(["--max_step", "5"])


def test_what_a_later_transformers_may_say_otherwise_is_not_refused(monkeypatch):
    source = (
        "class TrainingArguments:\n"
        "    seen: bool = field(default=ON, metadata={'aliases': ['--sees']})\n"
        "    steps: int = 1\n"
    )
    stock = early_flags._parsed

    def parsed(path):
        return ast.parse(source) if path.name == "training_args.py" else stock(path)

    monkeypatch.setattr(early_flags, "_parsed", parsed)
    check_flags(["--sees", "--no_seen", "--no-seen", "--steps=1"])
    assert told_by(check_flags, ["--step", "1"]).startswith("unknown argument --step; did you")


def test_the_command_tells_it_without_heavy_imports(tmp_path):
    script = (
        "import runpy, sys\n"
        f"sys.argv = ['train_mlm.py', '--max_step', '5']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'train_mlm.py')!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'transformers', 'datasets', 'matplotlib'} & set(sys.modules)\n"
        "    print('STATUS', end.code, sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert "error: unknown argument --max_step; did you mean --max_steps? See --help" in done.stderr
    assert done.stdout == "STATUS 2 []\n"
    assert list(tmp_path.iterdir()) == []
