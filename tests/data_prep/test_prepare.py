"""Preparation: every file accounted for, whole or not at all, same bytes for any process count."""

import gc
import gzip
import io
import json
import time
import zipfile

import pytest
from made_recordings import files_of, fill, ledger_of, recording
from synthetic import make_events

from data_prep.__main__ import main
from data_prep.corpus import open_corpus
from data_prep.encoding import load_tokenizer
from data_prep.errors import DataError
from data_prep.ledger import Ledger
from data_prep.manifest import list_sources
from data_prep.part_encoding import encode_parts
from data_prep.pool import LocalEngine, processes_for
from data_prep.prepare import PrepareOptions
from data_prep.progress import Progress
from data_prep.shards import SPLITS, SplitTable

pytestmark = pytest.mark.usefixtures("fake_encoder")


def test_all_sessions_arrive_in_their_splits(tmp_path, run):
    fill(tmp_path / "raw", 30)
    corpus = run()
    assert (corpus.num_listed, corpus.num_accepted, corpus.num_rejected) == (30, 30, 0)
    seen = []
    for split in SPLITS:
        table = SplitTable.open(corpus.path, split)
        assert len(table) == corpus.num_sessions[split] > 0
        assert table.num_ids == corpus.num_ids[split]
        seen += [table.session_id(session) for session in range(len(table))]
    assert sorted(seen) == sorted(f"site{number % 5}/{number:04}" for number in range(30))


def test_bad_files_among_good_ones_are_counted_and_listed(tmp_path, run):
    raw = fill(tmp_path / "raw", 20)
    (raw / "a.json").write_text("no json")
    (raw / "b.json.gz").write_bytes(gzip.compress(recording(90).encode())[:-9])
    (raw / "c.json").write_text('{"x": 1}')
    (raw / "d.json").write_text('[{"no": "event"}]')
    (raw / "e.json").write_text("")
    (raw / "f.json").write_text('[{"type": 0, "timestamp": 1}]')
    (raw / "notes.md").write_text("x")
    said = []
    corpus = run(said=said)
    assert (corpus.num_listed, corpus.num_accepted, corpus.num_rejected) == (26, 21, 5)
    rows = {row["file"]: row for row in ledger_of(corpus.path)}
    assert len(rows) == 26
    assert {name for name, row in rows.items() if row["status"] == "rejected"} == {
        "a.json",
        "b.json.gz",
        "c.json",
        "d.json",
        "e.json",
    }
    assert all(rows[name]["reasons"] for name in ("a.json", "b.json.gz", "c.json", "d.json"))
    assert rows["f.json"]["sessions"][0]["notes"] == ["no full snapshot"]
    text = "\n".join(said)
    assert "not looked at: 1 .md file\n" in text
    assert "26 files listed = 21 accepted + 5 rejected" in text
    assert "truncated gzip" in text
    assert "no full snapshot" in text
    assert str(corpus.path) in text


def test_equal_sessions_are_kept_once(tmp_path, run):
    raw = fill(tmp_path / "raw", 20)
    (raw / "zz.json.gz").write_bytes(gzip.compress((raw / "site0" / "0000.json").read_bytes()))
    corpus = run()
    assert (corpus.num_accepted, corpus.num_rejected) == (20, 1)
    (rejected,) = [row for row in ledger_of(corpus.path) if row["status"] == "rejected"]
    assert rejected["file"] == "site0/0000.json"  # the other is listed first
    assert rejected["reasons"] == ["same content as another session (zz)"]


def test_splits_share_no_session_group_or_content(tmp_path, run):
    fill(tmp_path / "raw", 40)
    corpus = run()
    tables = [SplitTable.open(corpus.path, split) for split in SPLITS]
    for column in ("session_id", "group", "sha256"):
        values = [{getattr(t, column)(s) for s in range(len(t))} for t in tables]
        assert sum(map(len, values)) == len(set.union(*values))


def test_a_site_stays_in_one_split(tmp_path, run):
    fill(tmp_path / "raw", 40)
    corpus = run(group_by="site", test_fraction=0.3, validation_fraction=0.5, salt="0")
    groups = [
        {SplitTable.open(corpus.path, split).group(s) for s in range(corpus.num_sessions[split])}
        for split in SPLITS
    ]
    assert sum(map(len, groups)) == 5


def test_adding_files_moves_none(tmp_path, run):
    fill(tmp_path / "raw", 30)
    before = {s["session_id"]: s["split"] for row in ledger_of(run().path) for s in row["sessions"]}
    fill(tmp_path / "raw", 30, start=30)
    corpus = run(output=tmp_path / "grown")
    after = {s["session_id"]: s["split"] for row in ledger_of(corpus.path) for s in row["sessions"]}
    assert len(after) == 60
    assert {name: after[name] for name in before} == before


def test_adding_a_thousand_files_moves_none(tmp_path, run):
    fill(tmp_path / "raw", 100)
    before = {s["session_id"]: s["split"] for row in ledger_of(run().path) for s in row["sessions"]}
    fill(tmp_path / "raw", 1000, start=100)
    corpus = run(output=tmp_path / "grown")
    after = {s["session_id"]: s["split"] for row in ledger_of(corpus.path) for s in row["sessions"]}
    assert (len(before), len(after)) == (100, 1100)
    assert {name: after[name] for name in before} == before


def test_a_manifest_column_groups_what_it_says(tmp_path, run):
    fill(tmp_path / "raw", 40)
    manifest = tmp_path / "teams.csv"
    names = [f"site{n % 5}/{n:04}.json" for n in range(40)]
    rows = [f"{name},team{n % 8}" for n, name in enumerate(names[:-1])]
    manifest.write_text("path,team\n" + "\n".join(rows) + "\n")
    said = []
    by_team = {"group_by": "column:team", "manifest": manifest, "test_fraction": 0.0}
    corpus = run(**by_team, said=said)
    sessions = [s for row in ledger_of(corpus.path) for s in row["sessions"]]
    assert len({s["group"] for s in sessions}) == 8
    assert (corpus.num_accepted, corpus.num_rejected) == (39, 1)
    assert "1 x its path stands in no row of the manifest" in said[-1]
    assert "--missing_group file" in said[-1]
    run(**by_team, said=said)
    assert "already holds" in said[-1]
    manifest.write_text(manifest.read_text().replace("team7", "team6"))
    with pytest.raises(DataError, match="options manifest"):
        run(**by_team)
    kept = run(**by_team, output=tmp_path / "kept", missing_group="file")
    assert kept.num_accepted == 40


def test_a_pattern_that_matches_no_path_says_so(tmp_path, run):
    fill(tmp_path / "raw", 5)
    with pytest.raises(DataError, match="its path does not match the pattern of --group_by"):
        run(group_by="path:^(shop)/")


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path, run, monkeypatch):
    raw = fill(tmp_path / "raw", 30)
    (raw / "bad.json").write_text("bad")
    monkeypatch.setattr("data_prep.tasks._TASK_FILES", 4)
    one = run(output=tmp_path / "one")
    two = run(output=tmp_path / "two", num_proc=2)
    assert one.fingerprint == two.fingerprint
    assert files_of(one.path) == files_of(two.path)


@pytest.mark.parametrize("num_proc", [1, 2])
def test_a_fault_of_ours_stops_the_work_and_names_the_file(tmp_path, run, fake_encoder, num_proc):
    fill(tmp_path / "raw", 3)
    with pytest.raises(KeyError) as caught:
        run(encoder=fake_encoder.FailingEncoder, num_proc=num_proc)
    assert "site0/0000.json" in caught.value.__notes__[0]


def test_a_worker_that_dies_is_an_error_with_a_remedy(tmp_path, run, fake_encoder):
    fill(tmp_path / "raw", 3)
    with pytest.raises(DataError, match="--num_proc"):
        run(encoder=fake_encoder.DyingEncoder, num_proc=2)


def test_too_few_sessions_for_the_splits_is_an_error_with_a_remedy(tmp_path, run):
    fill(tmp_path / "raw", 1)
    with pytest.raises(DataError, match="more recordings"):
        run()
    assert not (tmp_path / "corpus").exists()


def test_no_usable_file_at_all_is_an_error_that_says_why(tmp_path, run):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.json").write_text("{}")
    with pytest.raises(DataError, match=r"the one file is no recording.*events"):
        run()


def test_a_visitor_stays_in_one_split_and_is_not_named(tmp_path, run):
    raw = tmp_path / "raw"
    fill(raw, 20)
    for number in range(6):
        text = f'{{"userId": "jane@x.org", "events": {recording(100 + number)}}}'
        (raw / f"jane{number}.json").write_text(text)
    corpus = run()
    sessions = [s for row in ledger_of(corpus.path) for s in row["sessions"]]
    groups = {s["group"] for s in sessions if s["group"].startswith("visitor:")}
    assert len(groups) == 1
    assert not any(b"jane@" in content for content in files_of(corpus.path).values())


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    assert main(["prepare", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]) == 2
    assert "does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["prepare", str(tmp_path), "--output", str(tmp_path / "o"), "--test_fraction", "2"])
    assert caught.value.code == 2


def test_progress_off_a_terminal_is_plain_lines(monkeypatch):
    monkeypatch.setattr("data_prep.progress._SECONDS_BETWEEN_LINES", 0.0)
    stream = io.StringIO()
    progress = Progress(2, 3_000_000, stream=stream)
    time.sleep(0.01)
    progress.advance(1_000_000)
    progress.advance(2_000_000)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("prepared 1 of 2 files, 1 of 3 MB")
    assert len(lines) == 2
    assert "\r" not in stream.getvalue()


def test_progress_on_a_terminal_is_a_bar():
    stream = io.StringIO()
    stream.isatty = lambda: True
    progress = Progress(2, 3_000_000, stream=stream)
    progress.advance(3_000_000)
    progress.close()
    assert "1/2 files" in stream.getvalue()


def test_few_bytes_start_no_processes():
    assert processes_for(None, 1000) == 1
    assert processes_for(None, 1 << 40) >= 1
    assert processes_for(3, 0) == 3


def test_no_files_give_nothing(fake_encoder, tmp_path):
    encoder = fake_encoder.FakeEncoder()
    assert (
        list(encode_parts([], encoder, fake_encoder.FakeEncoder, None, tmp_path, LocalEngine(1)))
        == []
    )


def test_events_that_are_none_are_counted(tmp_path, run):
    raw = fill(tmp_path / "raw", 20)
    (raw / "odd.json").write_text('[{"type": 0, "timestamp": 5}, {"hi": 1}, 7]')
    said = []
    assert run(said=said).num_rejected_events == 2
    assert "2 members of event lists: no events" in said[-1]


def test_group_by_visitor_rejects_who_names_none(tmp_path, run):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(30):
        text = f'{{"userId": "u{number}", "events": {recording(number)}}}'
        (raw / f"{number}.json").write_text(text)
    (raw / "nobody.json").write_text(recording(99))
    corpus = run(group_by="visitor")
    (rejected,) = [row for row in ledger_of(corpus.path) if row["status"] == "rejected"]
    assert rejected["reasons"][0].startswith("names no visitor; --missing_group file")


def test_a_session_that_gives_no_ids_is_rejected(tmp_path, run, fake_encoder):
    class Silent(fake_encoder.FakeEncoder):
        def encode_events(self, session):
            return super().encode_events([] if session[0].timestamp == 0 else session)

    fill(tmp_path / "raw", 20)
    corpus = run(encoder=Silent)
    assert (corpus.num_accepted, corpus.num_rejected) == (19, 1)


def test_a_ledger_that_does_not_add_up_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="not the 1 listed"):
        Ledger(path=tmp_path / "ledger.jsonl", num_listed=1).close()


def test_many_kinds_of_reasons_are_cut_short_in_the_summary(tmp_path, run, monkeypatch):
    monkeypatch.setattr("data_prep.summary._MAX_LINES", 1)
    raw = fill(tmp_path / "raw", 20)
    (raw / "a.json").write_text("no json")
    (raw / "b.json").write_text("")
    said = []
    run(said=said)
    assert "1 other kind, see ledger.jsonl" in said[-1]


def test_the_command_line_prepares_with_the_shipped_tokenizer(tmp_path, capsys):
    fill(tmp_path / "raw", 30)
    call = ["prepare", str(tmp_path / "raw"), "--output", str(tmp_path / "corpus")]
    assert main([*call, "--test_fraction", "0.2", "--validation_fraction", "0.3"]) == 0
    assert "30 files listed = 30 accepted + 0 rejected" in capsys.readouterr().out
    corpus = open_corpus(tmp_path / "corpus")
    assert set(corpus.identity.tokenizer) == {"structural_vocab.json", "text_bpe.model", "code"}
    table = SplitTable.open(corpus.path, "train")
    assert all(table.keyframes(session)[0] == 0 for session in range(len(table)))


@pytest.mark.parametrize(
    "change",
    [
        {"group_by": "x"},
        {"missing_group": "x"},
        {"test_fraction": 1.0},
        {"validation_fraction": -0.1},
        {"num_proc": 0},
    ],
)
def test_options_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        PrepareOptions(**change)


def test_files_of_several_sessions_are_prepared_alike_by_any_number_of_processes(
    tmp_path, run, monkeypatch
):
    raw = fill(tmp_path / "raw", 10)
    with zipfile.ZipFile(raw / "more.zip", "w") as archive:
        for number in range(20, 40):
            archive.writestr(f"day/{number}.json", recording(number))
        archive.writestr("day/bad.json", "[")
    windows = {"v": json.loads(recording(50)), "w": json.loads(recording(51))}
    (raw / "windows.json").write_text(json.dumps({"snapshot_data_by_window_id": windows}))
    monkeypatch.setattr("data_prep.tasks._TASK_FILES", 4)
    said = []
    one = run(output=tmp_path / "one", said=said)
    two = run(output=tmp_path / "two", num_proc=2)
    assert files_of(one.path) == files_of(two.path)
    assert "32 sessions in the accepted files" in said[-1]
    assert (one.num_listed, one.num_accepted, one.num_rejected) == (12, 12, 0)
    rows = {row["file"]: row for row in ledger_of(one.path)}
    assert len(rows["more.zip"]["sessions"]) == 20
    (reason,) = rows["more.zip"]["reasons"]
    assert reason.startswith("not JSON")
    assert "day/bad.json" in reason
    # Members of an archive are split like files; windows of one recording are not split.
    assert {s["group"] for s in rows["more.zip"]["sessions"]} == {
        f"file:more#day/{number}" for number in range(20, 40)
    }
    assert {s["group"] for s in rows["windows.json"]["sessions"]} == {"file:windows"}
    ids = [s["session_id"] for s in rows["windows.json"]["sessions"]]
    assert ids == ["windows#v", "windows#w"]


def test_memory_does_not_grow_with_the_sessions_of_a_file(tmp_path, options):
    line = json.dumps(make_events("shop", 1, num_actions=40))
    (tmp_path / "all.jsonl").write_text("\n".join([line] * 60))
    num_objects = []

    class Watching:
        tokenizer = load_tokenizer(None)

        def encode_events(self, session):
            num_objects.append(len(gc.get_objects()))
            return self.tokenizer.encode_events(session)

    sources = list_sources([tmp_path]).sources
    list(encode_parts(sources, Watching(), Watching, options.encoding(), tmp_path, LocalEngine(1)))
    assert len(num_objects) == 60
    # A session leaves about 150 objects in cycles, which must not pile up until the file's end.
    assert num_objects[-1] - num_objects[10] < 2_000
