"""How a dry run is laid out."""

import pytest

from rrweb_bert.plan_text import given_lines, show, times_text


def test_arguments_stand_by_who_gives_them_flags_first():
    sources = {"seed": "preset cpu", "preset": "flag", "max_steps": "flag", "hub_token": "flag"}
    values = {"seed": 7, "preset": "cpu", "max_steps": 5, "hub_token": "secret"}
    lines = [line.replace("\ue000", " ") for line in given_lines(sources, values)]
    assert lines == ["flags: max_steps 5", "preset cpu: seed 7"]
    assert list(given_lines({}, {})) == ["all as by default"]


@pytest.mark.parametrize(
    ("columns", "width"), [("80", 80), ("120", 120), ("500", 120), ("20", 60), (None, 100)]
)
def test_lines_are_as_wide_as_the_terminal_and_pairs_stay_together(
    monkeypatch, capsys, columns, width
):
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    values = {f"an_argument_{n}": n for n in range(40)}
    show("arguments", *given_lines(dict.fromkeys(values, "flag"), values))
    output = capsys.readouterr().out.splitlines()
    assert width - 20 < max(map(len, output)) <= width
    for n in range(40):
        assert any(f"an_argument_{n} {n}" in line for line in output)
    assert output[0].startswith("arguments      flags: an_argument_0 0; ")
    assert all(line.startswith(" " * 15 + "an_argument") for line in output[1:])


def test_a_path_that_is_too_long_is_not_cut_and_an_indent_is_kept(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    path = "/" + "a" * 90
    show("start", f"REFUSED: {path} holds another run:", "  max_steps was 1, is 2")
    assert capsys.readouterr().out.splitlines() == [
        "start          REFUSED:",
        " " * 15 + path,
        " " * 15 + "holds another run:",
        " " * 17 + "max_steps was 1, is 2",
    ]


@pytest.mark.parametrize(
    ("times", "text"),
    [(3456, "3,456"), (3455.7, "3,456"), (1234567, "1,234,567"), (345.6, "346"),
     (99.6, "99.6"), (12, "12"), (2.5, "2.5"), (0.12345, "0.123"), (999.7, "1,000")],
)  # fmt: skip
def test_how_often_is_a_number_that_people_write(times, text):
    assert times_text(times) == text
