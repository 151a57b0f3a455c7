"""inspect: figures add up, agree with what prepare does, and no text of a recording is markup."""

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import write_recordings

from data_prep.__main__ import main
from data_prep.grouping import parse_grouping
from data_prep.inspect_corpus import inspect_corpus
from data_prep.inspect_page import report_page
from data_prep.inspect_report import duration_text, report_json, report_text, size_text
from data_prep.inspection import InspectOptions, inspect_recordings
from data_prep.prepare import PrepareOptions, prepare
from data_prep.session_facts import AFTER_ALPHA_4, NO_DAY, NO_VERSION

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """40 good recordings, and eight files that are odd in some way."""
    raw = tmp_path_factory.mktemp("inspect") / "raw"
    write_recordings(raw, num_per_site=10, num_actions=12)
    good = sorted(raw.rglob("*.json"))[0].read_bytes()
    (raw / "again.json.gz").write_bytes(gzip.compress(good))
    (raw / "cut.json.gz").write_bytes(gzip.compress(good)[:-10])
    (raw / "empty.json").write_text("")
    (raw / "empty2.json").write_text("")
    (raw / "object.json").write_text('{"x": 1}')
    (raw / "none.json").write_text('[{"no": "event"}, 3]')
    events = '[{"type": 0, "timestamp": 5}, {"hi": 1}]'
    (raw / "wrapped.json").write_text(f'{{"user_id": "jane@x.org", "events": {events}}}')
    (raw / "notes.md").write_text("x")
    return raw


def options(**changes):
    return InspectOptions(**({"num_proc": 1, "show_progress": False, "sample": 20} | changes))


@pytest.fixture(scope="module")
def sampled(raw):
    return inspect_recordings([raw], options())


@pytest.fixture(scope="module")
def exact(raw):
    return inspect_recordings([raw], options(exact=True))


def test_listed_is_accepted_and_rejected_and_each_reason_has_an_example(raw, sampled):
    report = report_json(sampled)
    files = report["files"]
    assert files["listed"] == files["accepted"] + files["rejected"] == 47
    assert files["rejected"] == 5
    assert files["skipped"] == {".md files": 1}
    assert files["bytes"] == sum(p.stat().st_size for p in raw.rglob("*.json*"))
    assert report["rejects"] == {
        "empty file": {"number": 2, "example": "empty.json"},
        "truncated gzip": {"number": 1, "example": "cut.json.gz"},
        "no usable event": {"number": 1, "example": "none.json"},
        "a JSON object without an 'events' list": {"number": 1, "example": "object.json"},
    }


def test_sessions_and_events_add_up(sampled):
    report = report_json(sampled)
    sessions, events = report["sessions"], report["events"]
    assert sessions["total"] == 42
    for counts in ("by_form", "by_split", "by_rrweb_version", "by_day"):
        assert sum(sessions[counts].values()) == 42, counts
    for histogram in ("duration_s", "events", "bytes"):
        assert sum(d["number"] for d in sessions[histogram]["doublings"]) == 42, histogram
    assert sessions["repeats"] == 1
    assert sessions["notes"] == {"no full snapshot": 1}
    assert sessions["by_form"] == {"list": 41, "wrapper": 1}
    assert sessions["by_day"][NO_DAY] == 1
    assert sum(events["by_kind"].values()) == events["total"]
    assert events["by_kind"]["FullSnapshot"] == 2 * 41
    assert events["by_kind"]["Click"] > 0
    assert events["not_events"] == 3


def test_the_estimate_holds_the_exact_number(sampled, exact):
    assert not sampled.is_exact
    assert 20 <= sampled.num_tokenised < 42
    assert abs(sampled.num_ids.total - exact.num_ids.total) <= 2 * sampled.num_ids.margin
    assert exact.num_ids.margin == 0
    assert exact.tokens.by_group.sum() == pytest.approx(exact.num_ids.total)
    assert sampled.tokens.by_group.sum() == pytest.approx(sampled.num_ids.total)


def test_processes_change_nothing(raw, sampled):
    two = report_json(inspect_recordings([raw], options(num_proc=2)))
    one = report_json(sampled)
    for report in (one, two):
        del report["seconds"]
    assert two == one


def test_each_session_of_a_file_that_holds_many_counts(raw, tmp_path):
    paths = sorted(raw.rglob("0*.json"))
    many = "[" + ",".join(path.read_text() for path in paths) + "]"
    (tmp_path / "many.json").write_text(many)
    one_file = report_json(inspect_recordings([tmp_path], options()))
    many_files = report_json(inspect_recordings(paths, options()))
    assert one_file["files"]["listed"] == 1
    assert one_file["sessions"]["total"] == many_files["sessions"]["total"] == 40
    assert one_file["events"] == many_files["events"]
    assert one_file["groups"]["total"] == 40
    exact = inspect_recordings([tmp_path], options(exact=True)).num_ids.total
    assert abs(one_file["expected"]["ids"] - exact) <= 2 * one_file["expected"]["ids_margin_95"]


def facts(tmp_path, events, **beside):
    path = tmp_path / "one.json"
    path.write_text(json.dumps({**beside, "events": events} if beside else events))
    return report_json(inspect_recordings([path], options()))["sessions"]


CLICK = {"type": 3, "timestamp": 1.7e12, "data": {"source": 2, "type": 2, "id": 1}}


@pytest.mark.parametrize(
    ("events", "beside", "version"),
    [
        ([CLICK], {}, NO_VERSION),
        ([{**CLICK, "data": {**CLICK["data"], "pointerType": 0}}], {}, AFTER_ALPHA_4),
        ([CLICK], {"session": {"recorderVersion": "1.1.3"}}, "1.1.3"),
        ([CLICK], {"rrweb_version": "v2.0.0-alpha.18"}, "2.0.0-alpha.18"),
        ([CLICK], {"recorderVersion": "jane@example.org"}, NO_VERSION),
        (
            [
                {
                    "type": 5,
                    "timestamp": 1,
                    "data": {"tag": "x", "payload": {"rrwebVersion": "2.2.2"}},
                }
            ],
            {},
            "2.2.2",
        ),
    ],
)
def test_the_version_is_told_or_follows_or_is_not_told(tmp_path, events, beside, version):
    assert facts(tmp_path, events, **beside)["by_rrweb_version"] == {version: 1}


def test_times_that_are_none_are_no_trouble(tmp_path):
    events = [{"type": 0}, {"type": 1, "timestamp": 1e300}, {"type": 1, "timestamp": -1e300}]
    assert facts(tmp_path, events)["by_day"] == {NO_DAY: 1}


def test_a_prepared_corpus_is_told_of_in_the_same_figures(raw, tmp_path):
    prepared = PrepareOptions(
        test_fraction=0.2, validation_fraction=0.3, num_proc=1, show_progress=False
    )
    corpus = prepare([raw], tmp_path / "corpus", prepared, report=lambda _: None)
    found = inspect_corpus(corpus.path, show_progress=False)
    report = report_json(found)
    assert report["is_corpus"]
    assert report["files"]["listed"] == corpus.num_listed == 47
    assert report["files"]["rejected"] == corpus.num_rejected == 6  # one repeats another
    assert report["sessions"]["by_split"] == corpus.num_sessions
    assert report["events"]["total"] == sum(s.num_events for s in corpus.splits.values())
    assert report["expected"]["ids"] == sum(corpus.num_ids.values())
    assert report["expected"]["disk_bytes"] == sum(
        path.stat().st_size for path in corpus.path.rglob("*") if path.is_file()
    )
    same = inspect_recordings(
        [raw], options(exact=True, test_fraction=0.2, validation_fraction=0.3)
    )
    repeated = same.num_ids.total - report["expected"]["ids"]
    assert 0 < repeated < same.num_ids.total / 10  # prepare left the repeated session out
    assert same.disk_bytes.total == pytest.approx(found.disk_bytes.total, rel=0.25)
    assert "Prepared corpus" in report_page(found)
    assert "events by kind" in report_text(found)


class _Page(HTMLParser):
    """Collects tags, attributes and text as a browser would."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / HOSTILE.replace("/", "\u2215")
    folder.mkdir()
    events = [
        {"type": 4, "timestamp": 1.7e12, "data": {"href": f"http://{HOSTILE}/"}},
        {"type": 5, "timestamp": 1.7e12, "data": {"tag": HOSTILE, "payload": HOSTILE}},
        {"type": 6, "timestamp": 1.7e12, "data": {"plugin": HOSTILE, "payload": HOSTILE}},
    ]
    fields = {"rrweb": HOSTILE, HOSTILE: HOSTILE, "events": events}
    (folder / "a.json").write_text(json.dumps(fields))
    (folder / f"b{HOSTILE.replace('/', '')}.json").write_text("no recording")
    (folder / f"c.{HOSTILE.replace('/', '')}").write_text("no recording")
    grouping = parse_grouping("path:^(.*)$")
    return inspect_recordings([folder.parent], options(grouping=grouping))


def test_no_text_of_a_recording_becomes_markup(hostile):
    text = report_page(hostile)
    page = _Page()
    page.feed(text)
    assert set(page.tags).isdisjoint({"script", "img", "iframe", "object", "link", "a", "b\u2215"})
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script" in "".join(page.texts)  # it is there, as text
    assert any("<img" in (value or "") for name, value in page.attributes if name == "title")


def test_the_page_loads_nothing(hostile, sampled):
    for inspection in (hostile, sampled):
        page = _Page()
        page.feed(report_page(inspection))
        assert not {"src", "href", "action", "srcset"} & {name for name, _ in page.attributes}
        style = "".join(page.texts)
        assert not re.search(r"@import|url\(", style)
        assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_the_page_shows_each_plot(sampled):
    page = report_page(sampled)
    for title in (
        "Session lengths",
        "Event mix",
        "Token groups",
        "Corpus over time",
        "Rejects",
        "Groups",
        "Splits",
        "rrweb versions",
        "Forms of files",
    ):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<svg") > 30
    assert "truncated gzip" in page


def test_the_command_prints_a_table_or_json_and_writes_a_page(raw, tmp_path, capsys):
    page = tmp_path / "report.html"
    call = ["inspect", str(raw), "--num_proc", "1", "--sample", "5", "--group_by", "site"]
    assert main([*call, "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "47 files listed = 42 accepted + 5 rejected" in out
    assert "1 x truncated gzip (first: cut.json.gz)" in out
    assert "95% interval" in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main([*call, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"]["rule"] == "site"


def test_what_prepare_would_refuse_is_said_before(raw, capsys):
    call = ["inspect", str(raw / "shop"), "--num_proc=1", "--group_by", "site"]
    assert main(call) == 0
    assert "prepare would stop: no session fell into the" in capsys.readouterr().out


def test_several_paths_are_one_inspection(raw, capsys):
    assert main(["inspect", str(raw / "shop"), str(raw / "news" / "000.json"), "--num_proc=1"]) == 0
    assert "11 files listed" in capsys.readouterr().out


def test_bad_calls_and_bad_places_are_named(raw, tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err
    missing = str(tmp_path / "no" / "folder.html")
    assert main(["inspect", str(raw / "shop"), "--num_proc=1", "--html", missing]) == 2
    assert "cannot be written" in capsys.readouterr().err
    for option in ("--sample=0", "--num_proc=0", "--group_by=x", "--test_fraction=1"):
        with pytest.raises(SystemExit) as caught:
            main(["inspect", str(raw), option])
        assert caught.value.code == 2


def test_sizes_and_times_are_told_in_units_that_suit_them():
    assert [size_text(n) for n in (0, 999, 1000, 2.5e6, 7e15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.5 MB",
        "7,000.0 TB",
    ]
    assert size_text(10.9e6, 0.69e6) == "10.90 ± 0.69 MB"
    assert [duration_text(s) for s in (0.5, 61, 7200, 2e6)] == [
        "<1 s",
        "1.02 min",
        "2 h",
        "23.1 d",
    ]


def test_inspecting_writes_nothing(raw):
    before = {path: path.stat().st_mtime_ns for path in Path(raw.parent).rglob("*")}
    inspect_recordings([raw], options(sample=2))
    assert {path: path.stat().st_mtime_ns for path in Path(raw.parent).rglob("*")} == before


def test_without_a_usable_session_inspect_says_what_prepare_says_and_no_more(tmp_path, capsys):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("junk.json", "other.json"):
        (folder / name).write_text("junk")
        assert main(["inspect", str(folder), "--num_proc=1"]) == 2
        inspected = capsys.readouterr()
        assert inspected.out == ""
        assert main(["prepare", str(folder), "--output", str(tmp_path / "corpus")]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == inspected.err.splitlines()[-1]
    assert inspected.err.startswith("error: none of 2 files is a recording that can be used: 2 x ")


def test_one_thing_is_told_in_the_singular(raw, capsys):
    assert main(["inspect", str(raw / "news" / "000.json"), "--num_proc=1"]) == 0
    out = capsys.readouterr().out
    assert "1 file listed = 1 accepted" in out
    assert "\n1 session, " in out
    assert "largest of 1 group (" in out
    assert "1 session in 1 group (--group_by auto)" in out
