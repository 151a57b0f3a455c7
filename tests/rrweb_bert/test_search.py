"""`index` and `search`: what is near, what holds words, what a filter leaves, and why."""

import json
import re

import numpy as np
import pytest
import synthetic
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import set_seed

from data_prep.errors import DataError
from rrweb_bert import SessionEncoder, SessionIndex
from rrweb_bert.__main__ import main
from rrweb_bert.embeddings.job import embed
from rrweb_bert.embeddings.options import DEFAULT_POOLING, EmbedOptions
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.search import neighbours
from rrweb_bert.search.layout import INDEX_FILE, open_header
from rrweb_bert.search.neighbours import Neighbours, build_lists, exact
from rrweb_bert.search.queries import words_in
from rrweb_bert.search.words import WordIndex, words_of, write_words
from rrweb_tokenizer import RRWebTokenizer


def unit(rows, size, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    synthetic.write_recordings(folder, num_per_site=3, num_actions=8)
    return folder


@pytest.fixture(scope="module")
def embedded(recordings, tiny_encoder, tmp_path_factory):
    """Twelve sessions of four sites, labelled, by session and by window."""
    folder = tmp_path_factory.mktemp("embedded")
    labels = folder / "labels.jsonl"
    rows = [
        {"session_id": f"{site}/{n:03d}", "site": site, "n": n, "ok": n == 1, "tags": [site, "x"]}
        for site in synthetic.SITES
        for n in range(2)
    ]
    labels.write_text("\n".join(map(json.dumps, rows)))
    for level in ("session", "window"):
        options = EmbedOptions(labels=labels, level=level, show_progress=False)
        embed(recordings, folder / f"{level}.parquet", tiny_encoder, options, report=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def index(embedded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    return SessionIndex.build(embedded / "session.parquet", folder, report=lambda _: None)


@pytest.fixture(scope="module")
def index_of_windows(embedded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index") / "index"
    return SessionIndex.build(embedded / "window.parquet", folder, report=lambda _: None)


# --- like one


def test_hits_are_the_nearest_by_cosine_without_the_mean(index, embedded, recordings, tiny_encoder):
    paths = sorted(recordings.rglob("*.json"))
    vectors = tiny_encoder.encode(paths, DEFAULT_POOLING)
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    alike = centred[4] @ centred.T
    wanted = [i for i in np.argsort(-alike) if i != 4][:5]
    hits = index.like(paths[4], encoder=tiny_encoder, k=5)
    names = [p.relative_to(recordings).with_suffix("").as_posix() for p in paths]
    assert [hit.session_id for hit in hits] == [names[i] for i in wanted]
    assert [hit.similarity for hit in hits] == pytest.approx([alike[i] for i in wanted], abs=1e-4)


def test_a_session_of_the_index_is_asked_for_without_a_model(index, recordings, tiny_encoder):
    by_file = index.like(recordings / "shop" / "001.json", encoder=tiny_encoder, k=11)
    by_name = index.like_session("shop/001", k=11)
    assert [hit.session_id for hit in by_name] == [hit.session_id for hit in by_file]
    assert "shop/001" not in {hit.session_id for hit in by_name}
    assert len(by_name) == 11
    with pytest.raises(DataError, match="no session 'shop/9'"):
        index.like_session("shop/9")


def test_a_hit_says_when_it_was_and_why(index):
    hit = index.like_session("shop/001", k=1)[0]
    assert hit.start.timestamp() * 1000 >= synthetic.START_MS
    assert hit.duration > 0
    assert re.search(
        r"most alike \([01]\.\d\d\): 0:\d\d\.\d to 0:\d\d\.\d of the query and 0:\d\d\.\d to "
        r"0:\d\d\.\d of the hit",
        hit.why.summary,
    )
    assert hit.why.here_ms <= hit.why.here_end_ms
    assert hit.why.there_ms <= hit.why.there_end_ms <= 1000 * hit.duration + 1
    assert hit.why.here[:2] == hit.why.there[:2] == "0:"
    assert hit.fields["num_windows"] >= 1


def test_two_visits_that_do_the_same_say_what(tiny_encoder, tmp_path):
    events = synthetic.make_events("shop", 1, num_actions=30)
    for number in range(2):
        (tmp_path / f"{number}.json").write_text(json.dumps(events[: len(events) - number]))
    (tmp_path / "c.json").write_text(json.dumps(synthetic.make_events("bank", 4, num_actions=2)))
    embed(tmp_path, tmp_path / "e.parquet", tiny_encoder, report=lambda _: None)
    index = SessionIndex.build(tmp_path / "e.parquet", tmp_path / "index", report=lambda _: None)
    hit = index.like_session("0", k=1)[0]
    assert hit.session_id == "1"
    assert hit.why.parts[0].startswith("in both: ")
    assert hit.why.parts[1].startswith("most alike (1.00): 0:")
    assert hit.why.here == hit.why.there
    assert hit.similarity > 0.9


def test_an_index_of_windows_finds_each_session_once(index_of_windows, recordings, tiny_encoder):
    assert index_of_windows.header.num_items > 12
    by_name = index_of_windows.like_session("news/000", k=20)
    by_file = index_of_windows.like(recordings / "news" / "000.json", encoder=tiny_encoder, k=20)
    for hits in (by_name, by_file):
        names = [hit.session_id for hit in hits]
        assert len(names) == len(set(names)) >= 5
        assert "news/000" not in names
        assert all(hit.fields["window"] is not None for hit in hits)
    assert [h.session_id for h in by_name[:3]] == [h.session_id for h in by_file[:3]]


def test_another_model_is_refused(index, recordings):
    set_seed(4)
    model = RRWebBertForMaskedLM(model_config("tiny", window_tokens=256))
    other = SessionEncoder(model, RRWebTokenizer(), device=torch.device("cpu"))
    with pytest.raises(DataError, match=r"another model \(different: model\)"):
        index.like(recordings / "shop" / "001.json", encoder=other)


def test_a_query_that_is_no_recording_says_why(index, tiny_encoder, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match="events"):
        index.like(tmp_path / "a.json", encoder=tiny_encoder)
    lines = [json.dumps(synthetic.make_events("shop", s, num_actions=2)) for s in (1, 2)]
    (tmp_path / "two.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="holds 2 sessions"):
        index.like(tmp_path / "two.jsonl", encoder=tiny_encoder)
    with pytest.raises(DataError, match="at least one hit"):
        index.like_session("shop/001", k=0)


# --- words


def test_words_are_found_where_they_stand(index):
    hits = index.words("savings", k=20)
    assert {hit.session_id.split("/")[0] for hit in hits} == {"bank"}
    assert all("savings" in hit.why.summary.lower() for hit in hits)
    assert all(hit.similarity is None and hit.why.there_ms >= 0 for hit in hits)
    assert [h.session_id for h in index.words("SAVINGS", k=2)] == [h.session_id for h in hits[:2]]
    assert index.words("savings", where=["site=shop"]) == []
    assert index.words("savings shirt") == []
    assert len(index.words("savings shirt", need_all=False, k=20)) > len(hits)


@pytest.mark.parametrize("text", ['a" OR "b', "NEAR(a b)", "text:a", "a*", "-a AND", "'; DROP"])
def test_a_query_is_words_and_no_syntax(index, text):
    assert index.words(text) == index.words(" ".join(re.findall(r"\w+", text)))
    assert index.words(f"savings {text}", need_all=False)


def test_a_text_without_words_is_refused(index, tiny_encoder):
    with pytest.raises(DataError, match="no word"):
        index.words("?!")
    with pytest.raises(DataError, match="says nothing"):
        index.like_text("", encoder=tiny_encoder)


def test_words_of_other_languages_are_found_without_case_and_accents(tmp_path):
    write_words(tmp_path / "w.sqlite", ["Größe wählen", "précédent", "корзина", "nothing"])
    words = WordIndex(tmp_path / "w.sqlite")
    found = [list(words.find(words_of(q))) for q in ("GRÖSSE", "größe", "Precedent", "КОРЗИНА")]
    assert found == [[], [0], [1], [2]]
    words.close()


def test_the_words_of_a_rendered_text_are_looked_for_without_its_tokens():
    assert words_in("[MI_Click] [DT_9] [TXT] Add to cart").split() == ["Add", "to", "cart"]
    assert words_in("add [x] to cart") == "add [x] to cart"
    assert words_in("[MI_Click] [DT_9]").strip() == ""


def test_a_rendered_text_has_a_vector(index, tiny_encoder):
    hits = index.like_text("[MI_Click] [DT_9] [REF_NEW] [TAG_button]", encoder=tiny_encoder, k=3)
    assert len(hits) == 3
    assert hits[0].similarity >= hits[1].similarity


# --- filters


def test_a_filter_leaves_the_nearest_of_what_meets_it(index):
    everything = index.like_session("shop/000", k=11)
    hits = index.like_session("shop/000", k=11, where=["site=shop", "n=1"])
    assert [hit.session_id for hit in hits] == ["shop/001"]
    unfiltered = next(h.similarity for h in everything if h.session_id == "shop/001")
    assert hits[0].similarity == pytest.approx(unfiltered, abs=1e-6)
    assert index.like_session("shop/000", where=["duration<0"]) == []


# --- nearest


@given(
    num=st.integers(1, 80), k=st.integers(1, 12), block=st.integers(3, 40), seed=st.integers(0, 9)
)
def test_exact_search_equals_sorting_all(num, k, block, seed):
    vectors, queries = unit(num, 8, seed), unit(3, 8, seed + 100)
    before, neighbours._COMPARED_AT_ONCE = neighbours._COMPARED_AT_ONCE, block
    try:
        numbers, scores = exact(vectors, queries, k)
    finally:
        neighbours._COMPARED_AT_ONCE = before
    all_scores = queries @ vectors.T
    wanted = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
    assert numbers.tolist() == wanted.tolist()
    assert np.allclose(scores, np.take_along_axis(all_scores, wanted, axis=1), atol=1e-6)


def test_fewer_than_asked_for_are_filled_up():
    numbers, scores = Neighbours(unit(3, 8)).find(unit(1, 8), 5, np.array([True, False, True]))
    assert sorted(numbers[0, :2].tolist()) == [0, 2]
    assert numbers[0, 2:].tolist() == [-1] * 3
    assert np.isneginf(scores[0, 2:]).all()


def test_lists_find_what_exact_search_finds_with_and_without_a_filter(tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "EXACT_LIMIT", 500)
    centres, rng = unit(40, 16, 1), np.random.default_rng(2)
    vectors = centres[rng.integers(40, size=4000)] + 0.5 * unit(4000, 16, 3)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tuned = build_lists(vectors, tmp_path / "lists.faiss")
    assert 1 <= tuned.num_probes <= tuned.num_lists == 252
    assert tuned.recall_at_10 >= 0.98
    found = Neighbours.load(vectors, tmp_path / "lists.faiss", tuned)
    queries = vectors[:30] + 0.1 * unit(30, 16, 5)
    for mask in (None, rng.random(4000) < 0.1, rng.random(4000) < 0.01):
        rows = None if mask is None else np.flatnonzero(mask)
        wanted, _ = exact(vectors, queries, 10, rows)
        numbers, scores = found.find(queries, 10, mask)
        assert mask is None or mask[numbers].all()
        recall = np.mean([np.isin(a, b).mean() for a, b in zip(wanted, numbers, strict=True)])
        assert recall > 0.85
        assert (np.diff(scores, axis=1) <= 0).all()
    with pytest.raises(DataError, match="not of the vectors"):
        Neighbours.load(vectors[:-1], tmp_path / "lists.faiss", tuned)


# --- the folder


def test_an_index_that_is_there_is_used_refused_or_replaced(index, embedded):
    said, source = [], embedded / "session.parquet"
    again = SessionIndex.build(source, index.folder, report=said.append)
    assert "nothing to do" in said[0]
    assert again.header == index.header
    with pytest.raises(DataError, match="of other embeddings"):
        SessionIndex.build(embedded / "window.parquet", index.folder)
    with pytest.raises(DataError, match="is no index; choose another"):
        SessionIndex.build(source, embedded)
    with pytest.raises(DataError, match="no such file"):
        SessionIndex.build(embedded / "nothing.parquet", index.folder)


def test_overwriting_replaces_an_index(embedded, tmp_path):
    SessionIndex.build(embedded / "session.parquet", tmp_path / "i", report=lambda _: None)
    index = SessionIndex.build(
        embedded / "window.parquet", tmp_path / "i", overwrite=True, report=lambda _: None
    )
    assert index.header.level == "window"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".i.lock", "i"]


def test_a_changed_byte_in_any_file_is_noticed(embedded, tmp_path):
    folder = tmp_path / "i"
    index = SessionIndex.build(embedded / "session.parquet", folder, report=lambda _: None)
    index.close()
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 9
    for name in names:
        whole = (folder / name).read_bytes()
        damaged = bytearray(whole)
        damaged[len(damaged) // 2] ^= 1
        for content in (bytes(damaged), whole[:-3], b""):
            (folder / name).write_bytes(content)
            with pytest.raises(DataError, match="i"):
                SessionIndex.open(folder)
        (folder / name).write_bytes(whole)
    SessionIndex.open(folder, is_thorough=True).close()
    (folder / INDEX_FILE).unlink()
    with pytest.raises(DataError, match="is no index"):
        open_header(folder)


def test_nothing_is_unpickled(embedded, tmp_path, monkeypatch):
    folder = tmp_path / "i"
    SessionIndex.build(embedded / "session.parquet", folder, report=lambda _: None).close()
    np.save(folder / "mean.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    monkeypatch.setattr("rrweb_bert.search.layout._check", lambda *a, **k: None)
    with pytest.raises(DataError, match=r"mean.npy is damaged"):
        SessionIndex.open(folder)


# --- as commands


def test_embed_index_and_search_as_commands(recordings, tiny_model_dir, tmp_path, capsys):
    model = ["--model", str(tiny_model_dir)]
    parquet, folder = str(tmp_path / "e.parquet"), str(tmp_path / "i")
    assert main(["embed", str(recordings), "--output", parquet, *model]) == 0
    assert main(["index", parquet, "--output", folder, *model]) == 0
    capsys.readouterr()
    like = str(recordings / "shop" / "000.json")
    assert main(["search", folder, "--like", like, "--k", "3", *model]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines if line[:2].strip()] == [" 1", " 2", " 3"]
    assert main(["search", folder, "--like", like, "--json", "--k", "2", *model]) == 0
    hits = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [set(hit) >= {"session_id", "similarity", "why", "here_ms"} for hit in hits] == [
        True
    ] * 2
    assert main(["search", folder, "--text", "savings zzz", *model]) == 0
    assert "some of them" in capsys.readouterr().out
    assert main(["search", folder, "--text", "[MI_Click] [DT_9]", "--k", "2", *model]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 2
    assert main(["search", folder, "--text", "[MI_Click] savings", "--json", *model]) == 0
    assert "avings" in capsys.readouterr().out
    assert main(["search", folder, "--text", "zzz", "--where", "duration>0", *model]) == 0
    assert "nothing found among 12 items under the conditions duration>0" in capsys.readouterr().out
    assert main(["search", folder, "--session", "shop/000", "--where", "colour=red", *model]) == 2
    assert "no field is called 'colour'" in capsys.readouterr().err
    assert main(["search", folder, "--text", "a", "--k", "0", *model]) == 2
    assert main(["search", str(tmp_path), "--text", "a", *model]) == 2


def test_the_command_cuts_what_it_looks_for_as_the_index_was(
    recordings, tiny_model_dir, tmp_path, capsys
):
    encoder = SessionEncoder.from_pretrained(tiny_model_dir, "cpu", window_ids=50, stride=5)
    embed(recordings, tmp_path / "e.parquet", encoder, report=lambda _: None)
    index = SessionIndex.build(tmp_path / "e.parquet", tmp_path / "index", report=lambda _: None)
    usual = SessionEncoder.from_pretrained(tiny_model_dir, "cpu")
    with pytest.raises(DataError, match="give the encoder window_ids=50, stride=5"):
        index.like(recordings / "shop" / "000.json", encoder=usual)
    words = ["--like", str(recordings / "shop" / "000.json"), "--model", str(tiny_model_dir)]
    assert main(["search", str(tmp_path / "index"), *words, "--device", "cpu"]) == 0
    assert " 1  " in capsys.readouterr().out
