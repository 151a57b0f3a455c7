"""`surprise`, `surprise-norms` and `report` as a user calls them, with a small random model."""

import json
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import synthetic
from report_pages import HOSTILE, assert_harmless, history
from rrweb_events import change, click, element, meta, snapshot, text
from transformers import set_seed

from data_prep.prepare import PrepareOptions, prepare
from rrweb_bert import command_progress
from rrweb_bert.__main__ import main
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.surprise.norms import NORMS_FILE, Norms
from rrweb_tokenizer import RRWebTokenizer


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    set_seed(3)
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=512)).save_pretrained(folder)
    RRWebTokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Three sessions, one without any action, and two files that are none."""
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(2):
        events = synthetic.make_events(synthetic.SITES[i], i, num_actions=12)
        (folder / f"visit-{i}.json").write_text(json.dumps(events))
    silent = [snapshot(1000, element(9, "p", text(10, "Hello")))]
    (folder / "silent.json").write_text(json.dumps(silent))
    (folder / "broken.json").write_text('[{"type": 4,')
    (folder / "other.json").write_text('{"name": "no recording"}')
    return folder


@pytest.fixture
def hostile_file(tmp_path):
    page = snapshot(1000, element(9, "button", text(10, HOSTILE), id=HOSTILE))
    events = [
        meta(900, f"http://{HOSTILE}.test/{HOSTILE}"),
        page,
        click(2000, 9),
        {"type": 5, "timestamp": 3000, "data": {"tag": HOSTILE, "payload": {HOSTILE: HOSTILE}}},
        change(4000, 11, level=HOSTILE, payload=[HOSTILE], trace=[HOSTILE]),
        click(float("1e300"), 9),
    ]
    path = tmp_path / "a<b>&c.json"
    path.write_text(json.dumps(events))
    return path


def run(*words):
    return main([str(word) for word in words])


def test_surprise_of_a_file_tells_moments_best_first(model_dir, recordings, capsys):
    words = ("surprise", recordings / "visit-0.json", "--model", model_dir, "--top", 3, "--all")
    assert run(*words) == 0
    out = capsys.readouterr().out
    bits = [float(b) for b in re.findall(r"^ +\d+:\d\d\.\d +(\d+\.\d)  \S", out, flags=re.M)]
    assert len(bits) == 3
    assert bits == sorted(bits, reverse=True)
    assert out.count("less expected than") == 3


def test_surprise_tells_what_stands_out_and_how_much_else_there_is(model_dir, recordings, capsys):
    file = recordings / "visit-0.json"
    assert run("surprise", file, "--model", model_dir, "--json") == 0
    (session,) = json.loads(capsys.readouterr().out)["sessions"]
    standing_out = [m for m in session["moments"] if m["stands_out"]]
    assert {m["stands_out"] for m in session["moments"]} == {
        m["rarity"] <= 1 / 50 for m in session["moments"]
    }
    assert run("surprise", file, "--model", model_dir) == 0
    out = capsys.readouterr().out
    assert out.count("less expected than") == len(standing_out)
    assert "--all" in out


def test_surprise_says_that_nothing_stands_out(model_dir, recordings, tmp_path, capsys):
    # Five clicks: none is one in fifty of its kind, compared with one another.
    page = snapshot(1000, element(9, "button", text(10, "Buy")))
    file = tmp_path / "few.json"
    file.write_text(json.dumps([meta(900), page, *(click(5000 * n, 9) for n in range(1, 6))]))
    assert run("surprise", file, "--model", model_dir) == 0
    out = capsys.readouterr().out
    assert "nothing stands out: no moment is one in 50 of its kind" in out
    assert "less expected than" not in out
    assert run("report", file, "--model", model_dir, "--output", tmp_path / "page.html") == 0
    assert "Nothing stands out" in (tmp_path / "page.html").read_text()


def test_surprise_of_a_folder_orders_sessions_and_names_what_it_left_out(
    model_dir, recordings, capsys
):
    assert run("surprise", recordings, "--model", model_dir, "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    scores = [session["score"] for session in found["sessions"]]
    assert scores == sorted(scores, reverse=True)
    assert [s["name"] for s in found["sessions"]][-1] == "silent"
    assert found["sessions"][-1]["moments"] == []
    assert len(found["rejected"]) == 2
    assert "broken.json" in err
    assert "other.json" in err


def test_surprise_of_a_folder_gives_the_reason_for_each_session(model_dir, recordings, capsys):
    assert run("surprise", recordings, "--model", model_dir, "--all") == 0
    out = capsys.readouterr().out
    assert "3 sessions; the first 3 to watch:" in out
    assert out.count("less expected than") == 2
    assert "nothing that a visitor did" in out
    assert "Usual scores:" not in out  # the model has no norms


def test_a_folder_tells_how_far_it_is_where_nobody_sees_a_bar(
    model_dir, recordings, capsys, monkeypatch
):
    monkeypatch.setattr(command_progress, "_SECONDS_BETWEEN_LINES", 0.0)
    assert run("surprise", recordings, "--model", model_dir) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("judged")]
    assert len(lines) == 5  # a file each, two of them without a session
    assert lines[-1].startswith("judged 3 sessions, 100% of the bytes, ")


def test_surprise_writes_to_a_file(model_dir, recordings, tmp_path, capsys):
    path = tmp_path / "out.json"
    words = ("surprise", recordings / "visit-1.json", "--model", model_dir, "--json")
    assert run(*words, "--output", path) == 0
    assert capsys.readouterr().out == ""
    assert len(json.loads(path.read_text())["sessions"]) == 1


def test_surprise_fails_where_nothing_can_be_read(model_dir, recordings, capsys):
    assert run("surprise", recordings / "broken.json", "--model", model_dir) == 2
    assert "broken.json" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--top", "0"), ("--device", "no-such"), ("--model", "{empty}")])
def test_bad_options_are_refused_in_a_line(model_dir, recordings, words, tmp_path, capsys):
    words = [word.format(empty=tmp_path) for word in words]
    assert run("surprise", recordings, "--model", model_dir, *words) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_norms_are_stored_with_the_model_and_used(model_dir, recordings, tmp_path, capsys):
    own = shutil.copytree(model_dir, tmp_path / "model")
    corpus = tmp_path / "corpus"
    prepare(
        [recordings], corpus, PrepareOptions(validation_fraction=0.0, test_fraction=0.0, num_proc=1)
    )
    words = ("--model", own, "--split", "train", "--about", "made-up <visits>")
    assert run("surprise-norms", corpus, *words) == 0
    norms = Norms.load(own / NORMS_FILE)
    assert norms.num_sessions == 3
    capsys.readouterr()
    for path in (recordings / "visit-0.json", recordings):
        assert run("surprise", path, "--model", own) == 0
        out, err = capsys.readouterr()
        assert "note:" not in err
        assert "Usual scores: " in out
        assert "the middle half of 3 sessions (made-up <visits>)" in " ".join(out.split())
    page = tmp_path / "page.html"
    assert run("report", recordings / "visit-0.json", "--model", own, "--output", page) == 0
    assert "the middle half of 3 sessions (made-up &lt;visits&gt;)" in page.read_text()
    capsys.readouterr()
    assert run("surprise", recordings, "--model", own, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["usual"]["about"] == "made-up <visits>"
    assert found["usual"]["num_sessions"] == 3
    assert found["usual"]["low"] <= found["usual"]["high"]
    assert {0 <= session["usual"]["share_below"] <= 1 for session in found["sessions"]} == {True}
    # Other weights in the same folder: the norms are not theirs.
    set_seed(4)
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=512)).save_pretrained(own)
    assert run("surprise", recordings / "visit-0.json", "--model", own) == 0
    assert "other weights" in capsys.readouterr().err


def test_an_empty_split_has_no_norms(model_dir, recordings, tmp_path, capsys):
    corpus = tmp_path / "corpus"
    prepare(
        [recordings], corpus, PrepareOptions(validation_fraction=0.0, test_fraction=0.0, num_proc=1)
    )
    assert run("surprise-norms", corpus, "--model", model_dir) == 2
    assert "no session in its split validation" in capsys.readouterr().err


def test_report_of_a_hostile_session_escapes_every_text(model_dir, hostile_file, tmp_path):
    path = tmp_path / "page.html"
    assert run("report", hostile_file, "--model", model_dir, "--output", path) == 0
    page = path.read_text()
    assert "&lt;script&gt;" in page
    assert_harmless(page)


@pytest.mark.parametrize("name", ["visit-0", "silent"])
def test_report_of_a_session_is_whole(model_dir, recordings, tmp_path, name):
    path = tmp_path / "page.html"
    words = ("report", recordings / f"{name}.json", "--model", model_dir, "--output", path)
    assert run(*words) == 0
    page = path.read_text()
    assert f"Session: {name}" in page
    assert "Transcript" in page
    assert_harmless(page)


def test_a_page_is_named_by_its_recording(model_dir, recordings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text("mine")
    assert run("report", recordings / "silent.json", "--model", model_dir) == 0
    assert "written: report-silent.html" in capsys.readouterr().out
    assert "Session: silent" in (tmp_path / "report-silent.html").read_text()
    assert (tmp_path / "report.html").read_text() == "mine"


def test_report_cuts_the_session_as_those_of_the_file_were(model_dir, recordings, tmp_path):
    from rrweb_bert import SessionEncoder
    from rrweb_bert.embeddings.job import embed

    encoder = SessionEncoder.from_pretrained(model_dir, device="cpu", window_ids=60, layers=(1,))
    embeddings, path = tmp_path / "e.parquet", tmp_path / "page.html"
    embed(recordings, embeddings, encoder, report=lambda _: None)
    events = json.loads((recordings / "visit-0.json").read_text())
    copy = tmp_path / "copy.json"  # the same ids of other bytes: a session does not find itself
    copy.write_text(json.dumps([event | {"delay": 1} for event in events]))
    words = ("report", copy, "--model", model_dir, "--neighbours", embeddings, "--output", path)
    assert run(*words) == 0
    row = re.search(r"([-.\d]+)</td><td class=\"text\"><b>visit-0<", path.read_text())
    assert row[1] == "1.000"


def test_report_and_search_find_the_same_with_the_same_likeness(model_dir, tmp_path):
    from rrweb_bert import SessionEncoder, SessionIndex
    from rrweb_bert.embeddings.job import embed

    recordings, embeddings = tmp_path / "recordings", tmp_path / "e.parquet"
    synthetic.write_recordings(recordings, num_per_site=2, num_actions=6)
    file = recordings / "shop" / "001.json"
    encoder = SessionEncoder.from_pretrained(model_dir, device="cpu")
    embed(recordings, embeddings, encoder, report=lambda _: None)
    index = SessionIndex.build(embeddings, tmp_path / "index", report=lambda _: None)
    hits = index.like(file, encoder=encoder, k=5)
    path = tmp_path / "page.html"
    words = ("report", file, "--model", model_dir, "--neighbours", embeddings, "--output", path)
    assert run(*words, "--top", 5) == 0
    rows = re.findall(r"([-.\d]+)</td><td class=\"text\"><b>([^<]+)<", path.read_text())
    assert [name for _, name in rows] == [hit.session_id for hit in hits]
    assert [float(likeness) for likeness, _ in rows] == pytest.approx(
        [hit.similarity for hit in hits], abs=2e-3
    )
    assert "without the mean of all" in path.read_text()


def test_report_refuses_vectors_of_another_model(model_dir, recordings, tmp_path, capsys):
    from rrweb_bert import SessionEncoder
    from rrweb_bert.embeddings.job import embed

    other = tmp_path / "other"
    set_seed(9)  # the same sizes
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=512)).save_pretrained(other)
    RRWebTokenizer().save_pretrained(other)
    encoder = SessionEncoder.from_pretrained(other, device="cpu")
    embeddings = tmp_path / "e.parquet"
    embed(recordings, embeddings, encoder, report=lambda _: None)
    file = recordings / "visit-0.json"
    words = ("report", file, "--model", model_dir, "--neighbours", embeddings)
    assert run(*words, "--output", tmp_path / "page.html") == 2
    assert "made with another model" in capsys.readouterr().err


def test_report_names_neighbours_but_not_the_session_itself(model_dir, recordings, tmp_path):
    from data_prep.sessions import open_sessions
    from rrweb_bert import SessionEncoder

    file = recordings / "visit-0.json"
    vector = SessionEncoder.from_pretrained(model_dir, device="cpu").encode(file)[0]
    rows = {
        "session_id": ["itself", "same way", "other way", HOSTILE],
        "embedding": [
            *(vector.tolist(), (vector * 2).tolist(), (-vector).tolist(), [float("nan")] * 128),
        ],
        "sha256": [next(open_sessions(file)).sha256, "a", "b", "c"],
        "duration": [1.0, 90.0, 3.0, None],
        "label": ["x", HOSTILE, None, "y"],
    }
    embeddings = tmp_path / "e.parquet"
    pq.write_table(pa.table(rows), embeddings)
    path = tmp_path / "page.html"
    words = ("report", file, "--model", model_dir, "--neighbours", embeddings, "--output", path)
    assert run(*words) == 0
    page = path.read_text()
    assert "itself" not in page
    assert page.index("same way") < page.index("other way")
    assert "2 minutes" in page
    assert_harmless(page)


@pytest.mark.parametrize(
    "rows", [{"session_id": ["a"]}, {"session_id": ["a"], "embedding": [[1.0, 2.0]]}]
)
def test_embeddings_of_another_make_are_refused(model_dir, recordings, tmp_path, rows, capsys):
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table(rows), path)
    file = recordings / "visit-0.json"
    words = ("report", file, "--model", model_dir, "--neighbours", path)
    assert run(*words, "--output", tmp_path / "p.html") == 2
    assert str(path) in capsys.readouterr().err


def test_report_wants_one_session(model_dir, recordings, tmp_path, capsys):
    words = ("--model", model_dir, "--output", tmp_path / "page.html")
    assert run("report", recordings, *words) == 2
    assert "--session" in capsys.readouterr().err
    assert run("report", recordings, *words, "--session", "visit-1") == 0
    assert run("report", recordings, *words, "--session", "visit-9") == 2


def test_report_refuses_what_is_neither_run_nor_recording(model_dir, recordings, tmp_path, capsys):
    words = ("--model", model_dir, "--output", tmp_path / "page.html")
    assert run("report", recordings / "other.json", *words) == 2
    assert "other.json" in capsys.readouterr().err
    history(tmp_path)
    assert run("report", tmp_path, *words, "--session", "x") == 2
