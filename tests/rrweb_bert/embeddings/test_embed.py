"""`embed`: many sessions -> one Parquet file, the same bytes however often it was interrupted."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic
from embedding_runs import column, run
from hypothesis import given
from hypothesis import strategies as st

from data_prep.corpus import open_corpus, write_corpus
from data_prep.errors import DataError
from data_prep.manifest import list_sources
from data_prep.prepare import PrepareOptions, prepare
from data_prep.session_row import SessionRow
from rrweb_bert.__main__ import main
from rrweb_bert.embeddings.labels import read_labels
from rrweb_bert.embeddings.layout import read_header
from rrweb_bert.embeddings.merging import rejected_file
from rrweb_bert.embeddings.options import EmbedOptions
from rrweb_bert.embeddings.pieces import PieceFile, cut_files

# --- what is written


def test_sessions_stand_in_the_order_of_the_files_and_rejects_are_counted(
    recordings, tiny_encoder, tmp_path
):
    output, said = tmp_path / "deep" / "e.parquet", []
    header = run(recordings, output, tiny_encoder, said)
    ids = column(output, "session_id")
    assert len(ids) == 11
    manifest = [source.relative for source in list_sources([recordings]).sources]
    files = [file for file in manifest if file != "none.json"]
    assert list(dict.fromkeys(column(output, "file"))) == files
    assert ids[:4] == ["many#0", "many#1", "many#2", "bank/0"]
    assert "10 files listed = 9 embedded + 1 rejected" in said
    assert (header.num_files, header.num_rejected) == (10, 1)
    rejected = [json.loads(line) for line in rejected_file(output).read_text().splitlines()]
    assert [row["file"] for row in rejected] == ["none.json"]
    assert "events" in rejected[0]["reason"]
    left = {path.name for path in output.parent.iterdir()}
    assert left == {"e.parquet", "e.parquet.rejected.jsonl", ".e.parquet.lock"}


def test_vectors_are_those_of_the_encoder(recordings, tiny_encoder, tmp_path):
    output = tmp_path / "e.parquet"
    run(recordings, output, tiny_encoder, pooling="mean+interactions")
    rows = pq.read_table(output).to_pylist()
    for row in rows[3:6]:
        alone = tiny_encoder.encode(recordings / row["file"], "mean+interactions")[0]
        assert np.abs(np.array(row["embedding"]) - alone).max() < 1e-5
        windows = tiny_encoder.encode_windows(recordings / row["file"], "mean+interactions")
        assert row["num_windows"] == len(windows.vectors) > 1
        assert row["window_starts"] == windows.starts.tolist()
        halves = np.array(row["window_embeddings"]).reshape(windows.vectors.shape)
        assert np.abs(halves - windows.vectors).max() < 1e-2
        whole = tiny_encoder.tokenizer.encode_session(recordings / row["file"])
        assert row["ids"] == whole.ids.tolist()
        assert row["duration"] == pytest.approx(np.ptp(whole.event_times_ms) / 1000)
        assert row["start"].timestamp() * 1000 == pytest.approx(whole.event_times_ms.min(), abs=1)


def test_at_level_window_each_window_is_a_row(recordings, tiny_encoder, tmp_path):
    run(recordings, tmp_path / "s.parquet", tiny_encoder)
    run(recordings, tmp_path / "w.parquet", tiny_encoder, level="window")
    sessions = pq.read_table(tmp_path / "s.parquet").to_pylist()
    windows = pq.read_table(tmp_path / "w.parquet").to_pylist()
    assert len(windows) == sum(row["num_windows"] for row in sessions)
    for session in sessions:
        own = [row for row in windows if row["session_id"] == session["session_id"]]
        assert [row["window"] for row in own] == list(range(session["num_windows"]))
        assert [i for row in own for i in row["ids"]] == session["ids"]
        assert sum(row["num_events"] for row in own) == session["num_events"]


def test_a_corpus_gives_the_vectors_of_its_recordings_with_split_and_file(
    recordings, tiny_encoder, tmp_path
):
    options = PrepareOptions(test_fraction=0.2, validation_fraction=0.3, show_progress=False)
    corpus = prepare([recordings], tmp_path / "corpus", options, report=lambda _: None)
    run(recordings, tmp_path / "r.parquet", tiny_encoder)
    run(tmp_path / "corpus", tmp_path / "c.parquet", tiny_encoder)
    of_files = {row["session_id"]: row for row in pq.read_table(tmp_path / "r.parquet").to_pylist()}
    of_corpus = pq.read_table(tmp_path / "c.parquet").to_pylist()
    assert len(of_corpus) == len(of_files) == 11
    assert {row["split"] for row in of_corpus} == {s for s, n in corpus.num_sessions.items() if n}
    for row in of_corpus:
        other = of_files[row["session_id"]]
        assert (row["file"], row["group"]) == (other["file"], other["group"])
        assert other["split"] is None
        assert np.abs(np.array(row["embedding"]) - np.array(other["embedding"])).max() < 1e-5


def test_a_corpus_at_an_address_gives_the_same_bytes(
    recordings, tiny_encoder, tmp_path, monkeypatch
):
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path / "cache"))
    options = PrepareOptions(test_fraction=0.2, validation_fraction=0.3, show_progress=False)
    prepare([recordings], tmp_path / "corpus", options, report=lambda _: None)
    run(tmp_path / "corpus", tmp_path / "here.parquet", tiny_encoder)
    said = []
    run(f"file://{tmp_path}/corpus", tmp_path / "there.parquet", tiny_encoder, said)
    assert said[0].startswith(f"fetching file://{tmp_path}/corpus once")
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()


def test_a_start_that_no_calendar_holds_is_none(tiny_encoder, tmp_path):
    events = synthetic.make_events("shop", 1, num_actions=4)
    for event in events:
        event["timestamp"] = event["timestamp"] * 1e6
    (tmp_path / "odd.json").write_text(json.dumps(events))
    run(tmp_path / "odd.json", tmp_path / "e.parquet", tiny_encoder)
    assert column(tmp_path / "e.parquet", "start") == [None]


# --- labels


def test_labels_become_columns_of_their_kind(recordings, tiny_encoder, tmp_path):
    labels = [
        {"id": "0", "site": "nobody's"},
        {"file": "bank/0.json", "goal": "pay", "n": 1, "x": 0.5, "ok": True, "k": ["a", 2]},
        {"session_id": "bank/1", "goal": None, "n": 2, "x": 3, "ok": False, "spans": [{"a": 1}]},
        {"file": "many", "goal": "all three", "split": "mine"},
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, labels)) + "\n\n")
    said = []
    run(recordings, tmp_path / "e.parquet", tiny_encoder, said, labels=path)
    rows = {row["session_id"]: row for row in pq.read_table(tmp_path / "e.parquet").to_pylist()}
    first, second = rows["bank/0"], rows["bank/1"]
    assert (first["goal"], first["n"], first["x"], first["ok"]) == ("pay", 1, 0.5, True)
    assert first["k"] == ["a", "2"]
    assert (second["goal"], second["n"], second["x"], second["ok"]) == (None, 2, 3.0, False)
    many = [row for name, row in rows.items() if name.startswith("many#")]
    assert [(row["goal"], row["label_split"]) for row in many] == [("all three", "mine")] * 3
    assert "spans" not in first
    assert any("spans" in line for line in said)
    assert any(line.startswith("labels: ") for line in said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "line 1: no JSON"),
        ("[1]", "line 1: no object"),
        ('{"id": "a"}\n{"goal": 1}', "line 2: names no session"),
    ],
)
def test_a_file_that_holds_no_labels_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "labels.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(path)
    with pytest.raises(DataError, match="no such file"):
        read_labels(tmp_path / "nowhere.jsonl")


def test_two_labels_of_one_session_are_an_error(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text('{"id": "a", "x": 1}\n{"id": "b", "x": 2}\n{"id": "a", "x": 3}\n')
    labels = read_labels(path)
    assert labels.columns_for([("in/b", "in/b.json"), ("c", "c.json")])[0].to_pylist() == [2, None]
    with pytest.raises(DataError, match="several lines name 'a'"):
        labels.columns_for([("a", "a.json")])


# --- what is refused


def test_nothing_to_embed_is_an_error_with_the_reason(tiny_encoder, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("{}")
    with pytest.raises(DataError, match=r"none of 1 files .* \(first: a.json\)"):
        run(tmp_path / "in", tmp_path / "e.parquet", tiny_encoder)
    assert not (tmp_path / "e.parquet").exists()


def test_a_corpus_of_another_tokenizer_is_refused(recordings, tiny_encoder, tmp_path):
    options = PrepareOptions(test_fraction=0.0, validation_fraction=0.0, show_progress=False)
    prepare([recordings], tmp_path / "corpus", options, report=lambda _: None)
    corpus = open_corpus(tmp_path / "corpus")
    other = replace(corpus.identity, tokenizer=corpus.identity.tokenizer | {"text_bpe.model": "x"})
    changed = replace(corpus, identity=other, fingerprint=other.fingerprint())
    write_corpus(changed, tmp_path / "corpus")
    with pytest.raises(DataError, match="another tokenizer"):
        run(tmp_path / "corpus", tmp_path / "e.parquet", tiny_encoder)


@pytest.mark.parametrize("options", [{"pooling": "max"}, {"level": "page"}, {"batch_size": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"none of|must be positive"):
        EmbedOptions(**options)


# --- pieces


@given(numbers=st.lists(st.integers(0, 7), max_size=12), max_sessions=st.integers(1, 5))
def test_pieces_hold_all_sessions_once_in_order(numbers, max_sessions):
    row = SessionRow(
        session_id="s",
        group="g",
        split="train",
        ids=np.ones(3, np.uint16),
        keyframes=np.zeros(1, np.uint32),
        start_ms=0.0,
        end_ms=0.0,
        num_events=1,
        sha256="",
    )
    files = [
        (
            PieceFile(key=f"k{i}", file=f"f{i}", sessions=(), reasons=(f"r{i}",), weight=1),
            iter([(f"f{i}-{n}", None, row) for n in range(number)]),
        )
        for i, number in enumerate(numbers)
    ]
    pieces = list(cut_files(files, max_sessions))
    found = [session[0] for piece in pieces for file in piece for session in file.sessions]
    assert found == [f"f{i}-{n}" for i, number in enumerate(numbers) for n in range(number)]
    assert all(sum(len(file.sessions) for file in piece) <= max_sessions for piece in pieces)
    reasons = [reason for piece in pieces for file in piece for reason in file.reasons]
    assert reasons == [f"r{i}" for i in range(len(numbers))]
    assert sum(file.weight for piece in pieces for file in piece) == len(numbers)


# --- as commands


def test_the_command_embeds_and_says_what_became_of_all(
    recordings, tiny_model_dir, tmp_path, capsys
):
    output = tmp_path / "e.parquet"
    words = ["embed", str(recordings), "--output", str(output), "--model", str(tiny_model_dir)]
    assert main([*words, "--device", "cpu"]) == 0
    assert "11 sessions" in capsys.readouterr().out
    assert read_header(output).model_name == str(tiny_model_dir)
    assert main([*words, "--device", "cpu", "--pooling", "mean"]) == 2
    assert "pooling interactions there" in capsys.readouterr().err
    assert main([*words, "--batch_size", "0"]) == 2
    assert main(["embed", str(tmp_path / "nowhere"), "--model", str(tiny_model_dir)]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["embed", str(recordings), "--model", str(tmp_path / "no model")]) == 2
