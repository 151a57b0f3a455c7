import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rrweb_events import click, element, meta, snapshot, text

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.__main__ import main
from rrweb_tokenizer.structural_vocab import GROUPS, STRUCTURAL_IDS

VISIT = [
    meta(0),
    snapshot(5, element(10, "button", text(11, "Acheter \u20ac\u2615"))),
    click(3_200, 10),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "visit.json"
    path.write_text(json.dumps(VISIT), encoding="utf-8")
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_transcript_is_printed(recording, capsys) -> None:
    assert run("transcript", recording) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == '   0:03.2  clicks        button "Acheter \u20ac\u2615", at the centre'


@pytest.mark.parametrize(
    "form",
    [
        json.dumps(VISIT),
        json.dumps({"events": VISIT}),
        "\n".join(json.dumps(event) for event in VISIT),
    ],
    ids=["list", "object", "lines"],
)
def test_all_forms_of_a_recording_are_read_also_from_standard_input(
    form, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(form.encode())))
    assert run("transcript", "-") == 0
    assert "clicks" in capsys.readouterr().out


def test_json_gives_one_object_a_record(recording, capsys) -> None:
    assert run("transcript", recording, "--json", "--ids", "--full") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["kind"] for record in records] == ["keyframe", "event", "event", "event"]
    last = records[-1]
    assert (last["event"], last["time_ms"], last["elapsed_ms"]) == (2, 3_200, 3_200)
    assert (last["action"], last["place"]) == ("clicks", "at the centre")
    assert last["ids"][0] == STRUCTURAL_IDS["[MI_Click]"]
    assert last["span"][1] - last["span"][0] == len(last["ids"])
    assert records[2]["outline"][0] == "html"


def test_ids_stand_below_each_event(recording, capsys) -> None:
    assert run("transcript", recording, "--ids") == 0
    last = capsys.readouterr().out.splitlines()[-1].strip()
    assert last.startswith("[MI_Click] [DT_16] [REF_NEW] [TAG_button] [TXT] ")
    assert last.endswith("]")
    assert str(STRUCTURAL_IDS["[MI_Click]"]) in last


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"[]", "an empty list"),
        (b'{"a": 1}', "without an 'events' list"),
        (b"[1, 2]", "no usable rrweb event"),
    ],
)
def test_what_is_no_recording_is_an_error_that_names_the_file(
    content, reason, tmp_path, capsys
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    for command in ("transcript", "validate"):
        assert run(command, path) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"error: {path}: ")
        assert reason in captured.err


def test_files_that_cannot_be_read_are_errors_that_say_why(tmp_path, capsys) -> None:
    compressed = tmp_path / "visit.json.gz"
    compressed.write_bytes(b"\x1f\x8b")
    for path, reason in (
        (tmp_path / "none.json", "No such file"),
        (tmp_path, "is a folder; name a file in it"),
        (compressed, "truncated gzip"),
        (tmp_path / "\x1b[31m.json", "\ufffd[31m"),
    ):
        assert run("transcript", path) == 2
        error = capsys.readouterr().err
        assert error.count("error: ") == 1
        assert reason in error
        assert "\x1b" not in error


def test_a_tokenizer_is_loaded_from_its_folder_or_refused(recording, tmp_path, capsys) -> None:
    folder = tmp_path / "tokenizer"
    RRWebTokenizer().save_pretrained(folder)
    assert run("transcript", recording, "--tokenizer", folder) == 0
    capsys.readouterr()
    (folder / "structural_vocab.json").write_text("{}")
    for bad in (folder, tmp_path / "none"):
        assert run("transcript", recording, "--tokenizer", bad) == 2
        assert str(bad) in capsys.readouterr().err


def test_validate_finds_nothing_illegal_in_what_is_written(recording, capsys) -> None:
    assert run("validate", recording, recording) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith(f"{recording}: 0 of ")
    assert printed[-1].startswith("all: 0 of ")


def test_validate_goes_on_behind_a_file_that_cannot_be_read(recording, tmp_path, capsys) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("[1,")
    assert run("validate", str(broken), recording, "nowhere.json") == 2
    told = capsys.readouterr()
    assert f"{recording}: 0 of " in told.out
    assert "all: 0 of " in told.out
    assert [line.split(":")[1].strip() for line in told.err.splitlines()] == [
        str(broken),
        "nowhere.json",
        "2 of 3 files could not be read",
    ]


def test_validate_shows_what_is_illegal(recording, capsys, monkeypatch) -> None:
    def broken(self, session) -> object:
        encoded = real(self, session)
        encoded.ids[encoded.event_starts[-1] + 1] = STRUCTURAL_IDS["[NAV]"]
        return encoded

    real = RRWebTokenizer.encode_session
    monkeypatch.setattr(RRWebTokenizer, "encode_session", broken)
    assert run("validate", recording) == 1
    printed = capsys.readouterr().out
    assert ": 2 of " in printed
    assert "[MI_Click] >>> [NAV]" in printed


def test_vocab_prints_all_groups_with_their_ids(capsys) -> None:
    assert run("vocab") == 0
    printed = capsys.readouterr().out
    for group in GROUPS:
        assert f"{group.name}: {len(group.tokens)} tokens, ids {group.start}-" in printed
    assert "text: 12,000 pieces" in printed
    assert run("vocab", "--group", "PointerTypes", "--json") == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert group["tokens"] == ["[PT_Mouse]", "[PT_Pen]", "[PT_Touch]"]


@pytest.mark.parametrize("arguments", [[], ["odd"], ["vocab", "--group", "odd"], ["validate"]])
def test_a_bad_call_is_told(arguments, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)
    assert "usage:" in capsys.readouterr().err


# Terminals and pipes: real processes.


def start(*arguments: object, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "rrweb_tokenizer", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        cwd=Path(__file__).parents[2],
    )


def test_a_terminal_that_knows_ascii_alone_shows_question_marks(recording) -> None:
    with start("transcript", recording, PYTHONIOENCODING="ascii", PYTHONUTF8="0") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b'clicks        button "Acheter ??"' in out


def test_a_reader_that_goes_away_is_no_error(tmp_path) -> None:
    path = tmp_path / "long.json"
    path.write_text(json.dumps([*VISIT[:2], *(click(10 + 40 * i, 10 + i) for i in range(3_000))]))
    with start("transcript", path, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_folder_is_asked_for_a_file_in_it(tmp_path, capsys) -> None:
    assert run("transcript", tmp_path) == 2
    assert capsys.readouterr().err.endswith(f"{tmp_path}: is a folder; name a file in it\n")
