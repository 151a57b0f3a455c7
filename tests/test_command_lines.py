"""Every command of the three command lines: its help, and how it ends when called wrongly."""

import importlib
import io
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.extras import how_to_install
from rrweb_tokenizer.command_line import CommandParser

PROGRAMS = ("data_prep", "rrweb_bert", "rrweb_tokenizer")

# What each command takes where nothing lies that it could read.
CALLS = {
    "data_prep inspect": ["nowhere"],
    "data_prep prepare": ["nowhere", "--output", "out"],
    "data_prep verify": ["nowhere"],
    "data_prep train-text-model": ["nowhere", "--output", "out"],
    "rrweb_bert report": ["nowhere"],
    "rrweb_bert surprise": ["nowhere"],
    "rrweb_bert embed": ["nowhere"],
    "rrweb_bert index": ["nowhere"],
    "rrweb_bert search": ["nowhere", "--text", "a"],
    "rrweb_bert plot": ["nowhere"],
    "rrweb_bert evaluate": ["nowhere", "nowhere"],
    "rrweb_bert surprise-norms": ["nowhere"],
    "rrweb_bert probe": ["nowhere", "nowhere", "--labels", "nowhere", "--label", "a"],
    "rrweb_bert retrieve": ["nowhere", "nowhere", "--labels", "nowhere", "--label", "a"],
    "rrweb_bert push": ["nowhere", "a/b", "--dry_run"],
    "rrweb_tokenizer transcript": ["nowhere"],
    "rrweb_tokenizer validate": ["nowhere"],
}


def make_parser(program: str, command: str = "") -> CommandParser:
    make = importlib.import_module(f"{program}.__main__").make_parser
    return make([command]) if program == "rrweb_bert" else make()


def run(call: str, *words: str) -> int:
    """The exit status of a call, as the shell sees it."""
    program, _, command = call.partition(" ")
    main = importlib.import_module(f"{program}.__main__").main
    try:
        return main([*command.split(), *words])
    except SystemExit as ended:
        return ended.code


COMMANDS = [f"{program} {name}" for program in PROGRAMS for name in make_parser(program).commands]
each_command = pytest.mark.parametrize("call", COMMANDS)


def test_each_command_is_called_here_but_for_those_that_read_nothing():
    assert set(COMMANDS) - set(CALLS) == {"rrweb_tokenizer vocab"}


@pytest.mark.parametrize("call", CALLS)
def test_input_that_is_not_there_is_status_2_and_one_line(call, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(call, *CALLS[call]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    assert "nowhere" in line
    assert list(tmp_path.iterdir()) == []


@each_command
def test_a_misspelt_option_is_told_with_the_usage_of_the_command(call, capsys):
    assert run(call, "--hlep") == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"usage: python -m {call}")
    assert last == f"python -m {call}: error: unknown argument --hlep; did you mean --help?"


@each_command
def test_a_misspelt_command_is_told_with_the_right_one(call, capsys):
    program, _, name = call.partition(" ")
    misspelt = name[0] + name[2:] + "s"
    assert run(f"{program} {misspelt}") == 2
    assert f"did you mean {name}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("data_prep prepare a --output b --group_by sites", "did you mean site?"),
        ("data_prep inspect a --group_by fields:team", "did you mean field:...?"),
        ("data_prep train-text-model a --output b --group_by hosts", "did you mean host?"),
        ("data_prep prepare a --output b --missing_group files", "did you mean file?"),
        ("data_prep prepare a --output b --shard 5/3", "--shard: 5/3 is none: NUMBER goes from"),
        (
            "data_prep prepare a --output b --shard 0/0",
            "--shard: 0/0 is none: SHARDS is at least 1",
        ),
        ("data_prep prepare a --output b --shard five", "NUMBER/SHARDS, as 0/100 for the first"),
        ("rrweb_bert embed --pooling interaction", "did you mean interactions?"),
        ("rrweb_bert evaluate a b --split tset", "did you mean test?"),
        ("rrweb_tokenizer vocab --group mouseinteraction", "did you mean MouseInteractions?"),
    ],
)
def test_a_wrong_value_is_told_with_what_may_be_meant(call, said, capsys):
    program, command, *words = shlex.split(call)
    assert run(f"{program} {command}", *words) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"usage: python -m {program} {command} ")
    assert said in last


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_a_command_each_is_listed_with_a_line_and_an_example_is_given(program, capsys):
    assert run(program) == 2
    said = capsys.readouterr().err
    *_, example, _, error = said.splitlines()
    assert error == f"python -m {program}: error: name a command"
    assert example.startswith(f"  python -m {program} ")
    told = dict(line.split(maxsplit=1) for line in said.splitlines() if line.startswith("  "))
    assert set(make_parser(program).commands) <= set(told)


@each_command
def test_help_says_first_what_it_does_and_last_how_it_is_called(call, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run(call, "--help") == 0
    said = capsys.readouterr().out
    usage, does, *_, last = said.strip("\n").split("\n\n")
    assert usage.startswith(f"usage: python -m {call}")
    assert len(usage.splitlines()) <= 2
    assert does[0].isupper()
    assert does.endswith(".")
    title, *examples = last.splitlines()
    assert title == "example:"
    program, _, command = call.partition(" ")
    for example in examples:
        words = shlex.split(example)
        assert words[:4] == ["python", "-m", program, command]
        make_parser(program, command).parse(words[3:])
    assert max(map(len, said.splitlines())) <= 80
    assert "None)" not in said
    assert "default )" not in said


def test_a_remedy_for_a_missing_library_works_in_a_clone_and_elsewhere():
    # An extra that setup.cfg does not have would install nothing, with a warning at most.
    extras = (Path(__file__).parents[1] / "setup.cfg").read_text()
    for extra in ("ray", "readers", "evaluate", "search", "s3", "gs", "https"):
        assert f"\n{extra} =\n" in extras
    told = how_to_install("ray")
    assert 'pip install -e ".[ray]"' in told
    assert 'pip install "rrweb-bert[ray]"' in told


def test_standard_input_that_is_no_recording_is_status_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    assert run("rrweb_tokenizer transcript", "-") == 2
    assert "without an 'events' list" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "status"), [("surprise", 0), ("search", 0), ("embed", 1)])
def test_a_reader_who_goes_away_has_seen_enough_of_what_is_only_told(command, status):
    script = (
        "import sys, types; from rrweb_bert.__main__ import main; "
        f"sys.modules['rrweb_bert.{command}_command'] = types.SimpleNamespace("
        "add_arguments=lambda parser: None, run=lambda parsed: print('x' * 1_000_000) or 0); "
        f"sys.exit(main(['{command}']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == status
