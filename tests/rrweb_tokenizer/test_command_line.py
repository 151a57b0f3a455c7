"""The parser that all command lines share, and the statuses they end with."""

import subprocess
import sys
from pathlib import Path

import pytest

from rrweb_tokenizer.command_line import CommandParser, did_you_mean, exit_status, none_of


@pytest.fixture
def parser() -> CommandParser:
    parser = CommandParser(prog="tool", description="Make things.")
    bake = parser.add_command("bake", "bake a cake")
    bake.add_argument("flour", nargs="+")
    bake.add_argument("--output", required=True)
    bake.add_argument("--heat", type=int, default=180, help="of the oven")
    bake.add_argument("--shape", choices=("round", "square"))
    bake.add_argument("--salt", default="", help="how much")
    bake.add_argument("--eggs", type=int, default=0, help="how many")
    bake.add_argument("--vegan", action="store_true", help="leave out eggs")
    bake.set_example("rye wheat --output cake\nrye --output loaf --heat 220")
    parser.add_command("eat", "eat it")
    return parser


def refused(parser, capsys, *words: str) -> list[str]:
    """The lines on standard error of a call that is refused."""
    with pytest.raises(SystemExit) as caught:
        parser.parse(words)
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def test_what_is_given_is_parsed_and_says_whose_it_is(parser):
    parsed = parser.parse(["bake", "rye", "wheat", "--output", "x", "--heat=-1", "--salt", "-2"])
    assert (parsed.flour, parsed.output, parsed.heat, parsed.salt) == (
        ["rye", "wheat"],
        "x",
        -1,
        "-2",
    )
    assert parsed.parser is parser.commands["bake"]


def test_what_stands_behind_two_dashes_is_no_option(parser):
    assert parser.parse(["bake", "--output", "x", "--", "--outptu"]).flour == ["--outptu"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bkae"], "no such command: 'bkae' is none of bake, eat; did you mean bake?"),
        (["xyz"], "no such command: 'xyz' is none of bake, eat"),
        (["bake", "rye", "--outptu", "x"], "unknown argument --outptu; did you mean --output?"),
        (["bake", "rye", "--outptu=x"], "unknown argument --outptu; did you mean --output?"),
        (["bake", "--out", "x"], "unknown argument --out; did you mean --output?"),
        (["bake", "--zzz", "x"], "unknown argument --zzz"),
        (["eat", "cake"], "one argument too many: cake"),
        (["bake", "rye"], "the following arguments are required: --output"),
        (
            ["bake", "rye", "--output", "x", "--shape", "Rond"],
            "argument --shape: 'Rond' is none of round, square; did you mean round?",
        ),
    ],
)
def test_a_wrong_call_names_what_may_be_meant(parser, capsys, words, said):
    program = "tool bake" if words[0] == "bake" else "tool eat" if words[0] == "eat" else "tool"
    lines = refused(parser, capsys, *words)
    assert lines[-1] == f"{program}: error: {said}"
    assert f"{lines[0]} ".startswith(f"usage: {program} ")
    assert len(lines) == 2


def test_without_a_command_all_are_listed(parser, capsys):
    lines = refused(parser, capsys)
    assert "  bake        bake a cake" in lines
    assert lines[-1] == "tool: error: name a command"


def test_the_help_of_a_command_is_short_first_and_ends_with_its_examples(parser, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = parser.commands["bake"].format_help().splitlines()
    assert lines[0] == "usage: tool bake --output OUTPUT flour [flour ...] [options]"
    assert lines[2] == "bake a cake"
    assert lines[-3:] == [
        "example:",
        "  tool bake rye wheat --output cake",
        "  tool bake rye --output loaf --heat 220",
    ]
    assert "  --heat HEAT           of the oven (default 180)" in lines
    assert "  --salt SALT           how much" in lines
    assert "  --eggs EGGS           how many (default 0)" in lines
    assert "  --vegan               leave out eggs" in lines


def test_the_usage_shows_what_one_of_must_be_given():
    parser = CommandParser(prog="find")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--like")
    which.add_argument("--text")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--up", action="store_true")
    other.add_argument("--down", action="store_true")
    assert parser.format_usage() == "usage: find (--like LIKE | --text TEXT) [options]\n"


def test_long_lists_of_names_are_not_printed():
    names = [f"name{n}" for n in range(40)]
    assert none_of("nane7", names) == (
        "'nane7' is none of the 40 names that --help lists; did you mean name7?"
    )


def test_nothing_is_suggested_where_nothing_is_near():
    assert did_you_mean("poling", ["--pooling", "--level"]) == "; did you mean --pooling?"
    assert did_you_mean("MEAN", ["mean"]) == "; did you mean mean?"
    assert did_you_mean("zebra", ["--pooling"]) == ""


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (None, 0, ""),
        (ValueError("a \x1b name"), 2, "error: A \x1b NAME\n"),
        (KeyboardInterrupt(), 130, "stopped; the same command goes on, or starts again\n"),
    ],
)
def test_the_status_tells_how_the_work_ended(raised, status, said, capsys):
    def work() -> int:
        if raised is not None:
            raise raised
        return 0

    assert exit_status(work, refusals=(ValueError,), shown=str.upper) == status
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("only_tells", "status"), [(True, 0), (False, 1)])
def test_a_reader_who_goes_away_ends_the_work_without_a_word(only_tells, status):
    script = (
        "import sys; from rrweb_tokenizer.command_line import exit_status; "
        "sys.exit(exit_status(lambda: print('x' * 1_000_000) or 0, refusals=(), shown=str, "
        f"only_tells={only_tells}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == status


def test_what_nobody_foresaw_is_not_hidden():
    def work() -> int:
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        exit_status(work, refusals=(ValueError,), shown=str)
