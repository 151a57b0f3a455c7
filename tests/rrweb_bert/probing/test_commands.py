"""`probe` and `retrieve` as commands."""

import json

import numpy as np
import pytest

from data_prep.errors import DataError
from rrweb_bert.__main__ import main
from rrweb_bert.options import UsageError
from rrweb_bert.probing import classifiers, requirements
from rrweb_bert.probing.classifiers import (
    choose_and_predict,
    sparse_linear,
)
from rrweb_bert.probing.labels import (
    parse_span_task,
    parse_task,
    read_labels,
)
from rrweb_bert.probing.units import load_sessions, session_units, window_units
from rrweb_tokenizer import RRWebTokenizer


def test_no_group_is_both_seen_and_unseen(prepared):
    sessions = load_sessions(prepared / "corpus", window_ids=100)
    seen = set(sessions.groups[sessions.is_seen])
    unseen = set(sessions.groups[~sessions.is_seen])
    assert len(seen) >= 3
    assert len(unseen) >= 2
    assert not seen & unseen
    assert len(sessions.rows) == 80
    names = [row.session_id for row in sessions.rows]
    labels = read_labels(prepared / "labels.jsonl", names, [])
    units = session_units(sessions, labels, parse_task("visitor"), min_units=5)
    assert units.classes == ("bot", "human")
    assert not set(units.groups[units.is_seen]) & set(units.groups[~units.is_seen])
    windows = window_units(sessions, labels, parse_span_task("spans:seen"), min_units=5)
    assert len(windows.units) == len(sessions.windows) > 200
    with pytest.raises(DataError, match="mood: fewer than two classes"):
        session_units(sessions, labels, parse_task("mood"), min_units=5)


def test_probe_reports_every_method(prepared, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(classifiers, "_MAX_ITERATIONS", 10)
    monkeypatch.setattr(classifiers, "_STRENGTHS", (0.01,))
    command = [
        "probe", str(prepared / "model"), str(prepared / "corpus"),
        "--labels", str(prepared / "labels.jsonl"), "--label", "visitor", "--spans", "spans:seen",
        "--pairs", f"{prepared / 'model'}:{prepared / 'corpus'}", "--window_ids", "250",
        "--cache_dir", str(tmp_path / "cache"), "--json", str(tmp_path / "probe.json"),
        "--markdown", str(tmp_path / "probe.md"), "--min_units", "5", "--device", "cpu",
    ]  # fmt: skip
    assert main(command) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "probe.json").read_text())
    methods = report["tasks"]["visitor"]["methods"]
    assert list(methods) == [
        "majority class", "counts + boosting", "counts, either or both classifiers",
        "TF-IDF + logistic regression",
        "untrained encoder, seed 0", "encoder", "its embeddings alone", "encoder and counts",
    ]  # fmt: skip
    # Bots do a third of what humans do, which counts tell.
    assert methods["counts + boosting"]["scores"]["auroc"]["value"] > 0.95
    assert methods["majority class"]["scores"]["auroc"]["value"] == 0.5
    assert len(methods["encoder"]["by_pair"]) == 2
    for name, task in report["tasks"].items():
        assert name in printed
        for found in task["methods"].values():
            score = found["scores"]["macro_f1"]
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    assert (tmp_path / "probe.md").read_text().count("| encoder |") == 2
    # Two encoders, one content: the second pair finds its vectors in the cache.
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_retrieve_reports_every_method(prepared, tmp_path, capsys):
    command = [
        "retrieve", str(prepared / "model"), str(prepared / "corpus"), "--labels",
        str(prepared / "labels.jsonl"), "--label", "visitor", "--window_ids", "250",
        "--json", str(tmp_path / "retrieve.json"), "--min_units", "5", "--device", "cpu",
    ]  # fmt: skip
    assert main(command) == 0
    assert "Levenshtein over event patterns" in capsys.readouterr().out
    report = json.loads((tmp_path / "retrieve.json").read_text())
    assert list(report["questions"]) == [
        "windows of the same session", "sessions of the same visitor"
    ]  # fmt: skip
    for question in report["questions"].values():
        names = {"count vectors", "TF-IDF", "Levenshtein over event patterns", "encoder"}
        assert names <= question["methods"].keys()
        for found in question["methods"].values():
            for score in found["scores"].values():
                low, value, high = (score[key] for key in ("low", "value", "high"))
                assert -1e-9 <= low <= value + 1e-9 <= high + 2e-9 <= 1 + 3e-9


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "nothing to probe for"),
        (["--label", "mood"], "no line has a field 'mood'"),
        (["--label", "visitor", "--pairs", "model"], "--pairs model: not MODEL:CORPUS"),
        (["--label", "visitor", "--trained_on", "absent"], "absent: there is no such folder"),
    ],
)
def test_bad_calls_say_what_is_wrong(prepared, capsys, extra, message):
    command = ["probe", str(prepared / "model"), str(prepared / "corpus"), "--labels"]
    assert main([*command, str(prepared / "labels.jsonl"), *extra]) == 2
    assert message in capsys.readouterr().err


def test_rendered_tokens_are_words(prepared):
    from rrweb_bert.probing.probes import tfidf_features, unit_texts

    sessions = load_sessions(prepared / "corpus", window_ids=250)
    texts = unit_texts(sessions, RRWebTokenizer(), are_windows=False)
    assert all(text.startswith("[KEY_HEAD] ") for text in texts)
    terms = tfidf_features(texts, sessions.is_seen)
    assert terms.shape[0] == 80
    norms = np.sqrt(np.asarray(terms.multiply(terms).sum(axis=1))).ravel()
    np.testing.assert_allclose(norms, 1, atol=1e-5)
    choice = choose_and_predict(
        sparse_linear("words", terms)[:1],
        (np.arange(80) % 2).astype(np.int64),
        sessions.groups,
        sessions.is_seen,
    )
    assert np.isfinite(choice.probabilities).all()


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (set(), "sklearn and rapidfuzz are not installed; they come with"),
        ({"sklearn"}, "rapidfuzz is not installed; it comes with"),
    ],
)
def test_libraries_that_are_missing_are_named(monkeypatch, there, told):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: name in there)
    with pytest.raises(UsageError, match=told):
        requirements.require_extra()
