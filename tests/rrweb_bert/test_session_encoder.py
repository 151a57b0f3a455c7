"""`SessionEncoder`: sessions of any length -> vectors that depend on nothing but the session."""

import json
import subprocess
import sys

import numpy as np
import pytest
import synthetic
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import set_seed

from data_prep.prepare import PrepareOptions, prepare
from data_prep.shards import SplitTable
from rrweb_bert import SessionEncoder, session_encoder
from rrweb_bert.encoder_inputs import SessionError
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.session_ids import (
    KINDS_OF_EVENTS,
    estimated_times_ms,
    event_starts_of,
    interaction_mask,
    kind_masks,
    session_of_row,
)
from rrweb_bert.window_pooling import POOLINGS, cut_session, vectors_of_sums
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.structural_vocab import CLS_ID, SEP_ID, STRUCTURAL_IDS

WINDOW = 256
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def own_tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def small_model():
    set_seed(3)
    return RRWebBertForMaskedLM(model_config("tiny", window_tokens=WINDOW))


@pytest.fixture(scope="module")
def encoder(small_model, own_tokenizer):
    return SessionEncoder(small_model, own_tokenizer, device=CPU)


@pytest.fixture(scope="module")
def sessions(own_tokenizer):
    """Six sessions of one to some ten windows."""
    actions = (4, 60, 10, 30, 2, 20)
    events = [
        synthetic.make_events(synthetic.SITES[i % 4], i, num_actions=n)
        for i, n in enumerate(actions)
    ]
    return [own_tokenizer.encode_session(e) for e in events]


def ids_of(text):
    return np.array([STRUCTURAL_IDS[f"[{name}]"] for name in text.split()], dtype=np.uint16)


def session_of(ids, keyframes=(0,)):
    starts = event_starts_of(ids)
    return EncodedSession(
        ids=ids,
        keyframes=np.array(keyframes, dtype=np.uint32),
        event_starts=starts.astype(np.uint32),
        event_times_ms=1000.0 * np.arange(len(starts)),
        num_events=len(starts),
    )


# --- what ids say


def test_events_and_interactions_of_a_session_written_out():
    ids = ids_of(
        "KEY_HEAD EL_0 TAB NTH_1 EV_Meta DT_1 NAV MI_Click DT_9 REF_0 X_1 Y_1 KEY_MID EL_2 "
        "IS_Mutation DT_3 MUT_REMOVE REF_1 TAB DT_4 NTH_0 IS_Scroll DT_8 REF_DOC SDEPTH_1"
    )
    assert event_starts_of(ids).tolist() == [4, 7, 14, 18, 21]
    assert np.flatnonzero(interaction_mask(ids)).tolist() == [7, 8, 9, 10, 11, 21, 22, 23, 24]


def test_events_of_a_kind_are_found_with_all_their_ids():
    ids = ids_of(
        "KEY_HEAD EL_0 IS_MouseMove DT_1 X_1 MI_TouchEnd DT_1 MI_Blur DT_1 MI_Click DT_1 KEY_MID "
        "EL_1 IS_Scroll DT_1 IS_Selection DT_1 IS_Mutation DT_1 KEY_CONT EL_1 MUT_ADD EV_Load DT_1"
    )

    def offsets(mask):
        return np.flatnonzero(mask).tolist()

    found = dict(zip(KINDS_OF_EVENTS, map(offsets, kind_masks(ids)), strict=True))
    assert found == {
        "moves": [2, 3, 4],
        "touches": [5, 6],
        "focus": [7, 8],
        "clicks": [9, 10],
        "scrolls": [13, 14],
        "inputs": [15, 16],
        "mutations": [17, 18, 19, 20, 21],
        "keyframes": [0, 1, 11, 12],
    }


def test_estimated_times_reach_from_the_first_to_the_last_event():
    ids = ids_of("EV_Meta DT_1 MI_Click DT_5 REF_0 MI_Blur DT_5 REF_0")
    times = estimated_times_ms(ids, event_starts_of(ids), 1000.0, 1500.0)
    assert times.tolist() == [1000.0, 1250.0, 1500.0]
    assert estimated_times_ms(ids[:0], event_starts_of(ids[:0]), 0.0, 0.0).tolist() == []


def test_a_session_without_duration_has_all_events_at_its_start():
    ids = ids_of("EV_Meta DT_1 MI_Click DT_0 REF_0")
    assert estimated_times_ms(ids, event_starts_of(ids), 7.0, 7.0).tolist() == [7.0, 7.0]


def test_rows_of_a_corpus_give_the_events_that_were_encoded(tmp_path, own_tokenizer):
    paths = synthetic.write_recordings(tmp_path / "in", num_per_site=2)
    options = PrepareOptions(test_fraction=0.0, validation_fraction=0.0)
    prepare([tmp_path / "in"], tmp_path / "corpus", options)
    table = SplitTable.open(tmp_path / "corpus", "train")
    by_id = {table.session_id(i): table.row(i) for i in range(len(table))}
    assert len(by_id) == len(paths) == 8
    for path in paths:
        whole = own_tokenizer.encode_session(path)
        again = session_of_row(by_id[f"{path.parent.name}/{path.stem}"])
        assert again.event_starts.tolist() == whole.event_starts.tolist()
        assert np.abs(again.event_times_ms - whole.event_times_ms).max() < 3000.0
        assert again.event_times_ms[-1] == pytest.approx(whole.event_times_ms[-1])


# --- windows and pooling


def test_without_stride_windows_share_no_id_and_leave_none_out(sessions):
    windows = cut_session(sessions[1], 0, window_ids=100)
    assert len(windows) > 5
    assert [w.start for w in windows] == [0, *(w.stop for w in windows[:-1])]
    assert windows[-1].stop == len(sessions[1].ids)


def test_an_id_in_two_windows_is_counted_once(sessions):
    windows = cut_session(sessions[1], 0, window_ids=100, stride=30)
    assert sum(w.stop - w.start for w in windows) > len(sessions[1].ids)
    assert sum(int(w.counted[0].sum()) for w in windows) == len(sessions[1].ids)
    num_interactions = int(interaction_mask(sessions[1].ids).sum())
    assert sum(int(w.counted[1].sum()) for w in windows) == num_interactions > 0


def test_windows_know_the_times_of_their_events():
    ids = ids_of("KEY_HEAD EV_Meta DT_1 NAV KEY_MID MI_Click DT_9 REF_0 MI_Blur DT_1 REF_0")
    first, second = cut_session(session_of(ids, (0, 4)), 5, window_ids=8)
    assert (first.session, first.start, first.stop, first.start_ms, first.end_ms) == (5, 0, 4, 0, 0)
    assert (second.start, second.stop, second.start_ms, second.end_ms) == (4, 11, 1000.0, 2000.0)


def test_means_of_sums_by_hand():
    sums = np.array([[[2.0, 4.0], [3.0, 0.0]], [[9.0, 6.0], [0.0, 0.0]]])
    counts = np.array([[2, 1], [3, 0]])
    assert vectors_of_sums(sums, counts, "mean").tolist() == [[1, 2], [3, 2]]
    # The second has no interactions: the mean over all stands in.
    assert vectors_of_sums(sums, counts, "interactions").tolist() == [[3, 0], [3, 2]]
    both = vectors_of_sums(sums, counts, "mean+interactions")
    assert both.tolist() == [[1, 2, 3, 0], [3, 2, 3, 2]]
    moves = [[[2.0, 4.0]], [[0.0, 0.0]]]
    apart = np.concatenate([sums, moves, np.zeros((2, 7, 2))], axis=1)
    num = np.concatenate([counts, [[4], [0]], np.zeros((2, 7), int)], axis=1)
    kinds = vectors_of_sums(apart, num, "kinds")
    # Only the first session has moves; what does not occur is zeros.
    assert kinds.shape == (2, 14)
    assert kinds[0, :4].tolist() == [0.5, 1, 0, 0]
    assert not kinds[1].any()
    with pytest.raises(ValueError, match="'max' is none of mean, interactions"):
        vectors_of_sums(sums, counts, "max")


# --- vectors


def test_a_session_of_one_window_is_the_mean_of_its_hidden_states(encoder, small_model, sessions):
    session = session_of(sessions[0].ids[: WINDOW - 2], (0,))
    ids = torch.tensor([[CLS_ID, *map(int, session.ids), SEP_ID]])
    with torch.no_grad():
        hidden = small_model.bert(ids).last_hidden_state[0, 1:-1]
    is_interaction = torch.from_numpy(interaction_mask(session.ids))
    expected = hidden.mean(dim=0), hidden[is_interaction].mean(dim=0)
    np.testing.assert_allclose(encoder.encode(session)[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(session, "interactions")[0], expected[1], atol=1e-5)


def test_a_session_is_the_mean_over_its_windows_by_their_positions(encoder, sessions):
    windows = encoder.encode_windows(sessions[1])
    assert len(windows.vectors) > 3
    mean = np.average(windows.vectors, axis=0, weights=windows.num_pooled)
    np.testing.assert_allclose(encoder.encode(sessions[1])[0], mean, atol=1e-5)
    assert windows.starts[0] == 0
    assert windows.stops[-1] == len(sessions[1].ids)
    assert (windows.start_ms <= windows.end_ms).all()
    assert windows.end_ms[-1] == sessions[1].event_times_ms.max()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_else_is_in_the_batch_changes_nothing(encoder, sessions, pooling):
    together = encoder.encode(sessions, pooling, batch_size=7)
    alone = np.concatenate([encoder.encode(s, pooling, batch_size=1) for s in sessions])
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)
    backwards = encoder.encode(sessions[::-1], pooling, batch_size=3)
    np.testing.assert_allclose(together, backwards[::-1], atol=1e-5, rtol=0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(1, 9))
@settings(max_examples=15)
def test_rows_stand_where_their_sessions_stood(encoder, sessions, order, batch_size):
    expected = encoder.encode(sessions)
    found = encoder.encode([sessions[i] for i in order], batch_size=batch_size)
    np.testing.assert_allclose(found, expected[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", list(POOLINGS))
def test_a_pooling_reads_the_same_sums_where_only_its_own_are_computed(encoder, sessions, pooling):
    everything = encoder.window_sums(sessions)
    own = encoder.window_sums(sessions, pooling=pooling)
    assert own.counts.tolist() == everything.counts.tolist()
    np.testing.assert_allclose(
        vectors_of_sums(own.sums[:, 0], own.counts, pooling),
        vectors_of_sums(everything.sums[:, 0], everything.counts, pooling),
        atol=1e-5,
    )


def test_a_session_without_interactions_falls_back_to_all_positions(encoder):
    session = session_of(ids_of("KEY_HEAD EL_0 EV_Meta DT_1 NAV EV_FullSnapshot DT_2 N_1 TAG_html"))
    np.testing.assert_array_equal(
        encoder.encode(session, "interactions"), encoder.encode(session, "mean")
    )


def test_layers_are_averaged(small_model, own_tokenizer, sessions):
    def vectors(*layers):
        made = SessionEncoder(small_model, own_tokenizer, device=CPU, layers=layers)
        return made.encode(sessions[:2])

    np.testing.assert_allclose(vectors(0, -1), (vectors(0) + vectors(2)) / 2, atol=1e-5, rtol=0)
    assert np.abs(vectors(0) - vectors(2)).max() > 0.01


# --- what is given


def test_every_form_of_a_session_gives_the_same_vector(tmp_path, encoder, own_tokenizer):
    events = synthetic.make_events("shop", 1)
    path = tmp_path / "visit.json"
    path.write_text(json.dumps(events))
    forms = [str(path), path, path.read_bytes(), events, {"events": events}]
    forms.append(own_tokenizer.encode_session(path))
    vectors = encoder.encode(forms)
    np.testing.assert_allclose(vectors, vectors[:1].repeat(6, axis=0), atol=1e-5, rtol=0)
    assert encoder.encode(events).shape == (1, 128)
    assert encoder.encode([]).shape == (0, 128)


def test_a_corpus_gives_a_row_a_session(tmp_path, encoder):
    synthetic.write_recordings(tmp_path / "in", num_per_site=2, num_actions=10)
    prepare(
        [tmp_path / "in"],
        tmp_path / "corpus",
        PrepareOptions(test_fraction=0.0, validation_fraction=0.0),
    )
    table = SplitTable.open(tmp_path / "corpus", "train")
    vectors = encoder.encode_corpus(tmp_path / "corpus", "train")
    assert vectors.shape == (len(table), 128)
    path = tmp_path / "in" / f"{table.session_id(0)}.json"
    np.testing.assert_allclose(vectors[:1], encoder.encode(path), atol=1e-5, rtol=0)


def test_a_session_that_cannot_be_encoded_is_named(tmp_path, encoder):
    broken = tmp_path / "broken.json"
    broken.write_text("[1, 2")
    good = synthetic.make_events("shop", 1, num_actions=4)
    with pytest.raises(SessionError, match=r"broken\.json"):
        encoder.encode([good, broken])
    with pytest.raises(SessionError, match=r"session 1 of 2: "):
        encoder.encode([good, b"{}"])
    with pytest.raises(SessionError, match=r"absent\.json"):
        encoder.encode(tmp_path / "absent.json")


def test_skipped_sessions_are_rows_of_nan_and_are_listed(tmp_path, encoder):
    broken = tmp_path / "broken.json"
    broken.write_text("[1, 2")
    good = synthetic.make_events("shop", 1, num_actions=4)
    with pytest.warns(UserWarning, match=r"1 of 3 sessions were skipped, the first: .*broken"):
        vectors = encoder.encode([good, broken, good], on_error="skip")
    assert np.isnan(vectors[1]).all()
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-5)
    assert [(s.index, s.name) for s in encoder.skipped] == [(1, str(broken))]
    encoder.encode(good)
    assert encoder.skipped == ()


def test_a_file_of_several_sessions_is_refused_with_a_remedy(tmp_path, encoder):
    path = tmp_path / "two.jsonl"
    lines = [json.dumps({"events": synthetic.make_events("shop", i)}) for i in range(2)]
    path.write_text("\n".join(lines))
    with pytest.raises(SessionError, match=r"two\.jsonl: holds several sessions; .*open_sessions"):
        encoder.encode(path)


# --- models


def test_a_saved_model_encodes_as_before(tmp_path, encoder, small_model, own_tokenizer, sessions):
    small_model.save_pretrained(tmp_path / "model")
    without = SessionEncoder.from_pretrained(tmp_path / "model", "cpu")
    np.testing.assert_array_equal(without.encode(sessions[0]), encoder.encode(sessions[0]))
    own_tokenizer.save_pretrained(tmp_path / "model")
    saved = SessionEncoder.from_pretrained(str(tmp_path / "model"))
    if saved.device.type == "cpu":
        np.testing.assert_array_equal(saved.encode(sessions[0]), encoder.encode(sessions[0]))


def test_the_packages_own_model_is_taken_where_none_is_named(tmp_path, monkeypatch, small_model):
    monkeypatch.setattr(session_encoder, "DEFAULT_MODEL", tmp_path / "mini")
    with pytest.raises(ValueError, match=r"mini: the package's own model is not there; give"):
        SessionEncoder.from_pretrained()
    small_model.save_pretrained(tmp_path / "mini")
    assert SessionEncoder.from_pretrained(device="cpu").hidden_size == 128


def test_options_that_do_not_fit_are_refused(tmp_path, small_model, own_tokenizer):
    def make(**options):
        return SessionEncoder(small_model, own_tokenizer, device=CPU, **options)

    with pytest.raises(ValueError, match="windows of 255 ids: this model takes 1 to 254"):
        make(window_ids=255)
    with pytest.raises(ValueError, match="a stride of 10 is not in 0 <= stride < 10"):
        make(window_ids=10, stride=10)
    with pytest.raises(ValueError, match="has 3 hidden states"):
        make(layers=(3,))
    with pytest.raises(ValueError, match="absent cannot be loaded as a model"):
        SessionEncoder.from_pretrained(tmp_path / "absent")
    small_model.save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="precision 'int8' is none of"):
        SessionEncoder.from_pretrained(tmp_path / "model", precision="int8")


@pytest.mark.gpu
def test_a_gpu_gives_the_vectors_of_the_cpu(tmp_path, encoder, small_model, sessions):
    small_model.save_pretrained(tmp_path / "model")
    expected = encoder.encode(sessions, "mean+interactions")
    exact = SessionEncoder.from_pretrained(tmp_path / "model", "cuda", precision="fp32")
    np.testing.assert_allclose(exact.encode(sessions, "mean+interactions"), expected, atol=1e-4)
    for precision in ("fp16", "bf16"):
        fast = SessionEncoder.from_pretrained(tmp_path / "model", "cuda", precision=precision)
        found = fast.encode(sessions, "mean+interactions")
        assert found.dtype == np.float32
        cosines = (found * expected).sum(axis=1)
        cosines /= np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        assert cosines.min() > 0.999


def test_the_package_is_imported_without_torch():
    code = "import sys, rrweb_bert; assert 'torch' not in sys.modules; print(*rrweb_bert.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SessionEncoder" in done.stdout.split()
