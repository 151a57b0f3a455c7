"""Probes and retrieval: worked examples, and that nothing is learnt where nothing is to learn."""

import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import DataError
from rrweb_bert.probing.classifiers import (
    boosting,
    choose_and_predict,
    dense_linear,
)
from rrweb_bert.probing.count_features import (
    count_features,
    event_counts,
    event_pattern,
    feature_names,
)
from rrweb_bert.probing.labels import (
    label_of,
    parse_span_task,
    parse_task,
    read_labels,
)
from rrweb_bert.probing.retrieval import (
    pattern_similarity,
    same_label_scores,
    same_session_scores,
)
from rrweb_bert.probing.scores import (
    Predictions,
    auroc,
    balanced_accuracy,
    bootstrap_weights,
    macro_f1,
    scores_by_draw,
    scores_of,
)
from rrweb_bert.probing.transforms import TRANSFORMS, transformed
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

SITES = [f"site-{i:02d}" for i in range(20)]


def ids_of(text):
    return np.array([STRUCTURAL_IDS[f"[{name}]"] for name in text.split()], dtype=np.uint16)


# --- labels


def test_tasks_say_what_they_take():
    goal = parse_task("goal")
    assert label_of({"goal": "search"}, goal) == "search"
    assert label_of({"goal": None}, goal) is None
    assert label_of({}, goal) is None
    outcome = parse_task("outcome:goal=search,edit")
    assert label_of({"outcome": "done", "goal": "edit"}, outcome) == "done"
    assert label_of({"outcome": "done", "goal": "play"}, outcome) is None
    assert outcome.name == "outcome:goal=edit,search"
    assert label_of({"spans": []}, parse_task("spans")) == "no"
    assert label_of({"spans": ["x"]}, parse_task("spans")) == "yes"


@pytest.mark.parametrize("text", ["", "a:b", "a:b=", "a:=c", "a:b=c:d"])
def test_a_task_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=r"is (not|neither)"):
        parse_task(text)


def test_windows_meet_spans_that_left_a_trace():
    task = parse_span_task("spans:seen:visitor=human")
    labels = {
        "visitor": "human",
        "seen": ["rage"],
        "spans": [{"type": "rage", "t0": 100, "t1": 200}, {"type": "dead", "t0": 400, "t1": 500}],
    }
    found = [task.label_of_window(labels, *times) for times in ((0, 99), (0, 100), (200, 300))]
    assert found == ["no", "yes", "yes"]
    # Whether the dead click is in the recording is not known: neither yes nor no.
    assert task.label_of_window(labels, 450, 460) is None
    assert task.label_of_window(labels, 150, 450) == "yes"
    assert parse_span_task("spans").label_of_window(labels, 450, 460) == "yes"
    assert parse_span_task("spans:visitor=human").evidence_field == ""


def test_labels_are_found_by_file_or_id(tmp_path):
    path = tmp_path / "labels.jsonl"
    lines = [{"file": "shop/a.json.zst", "goal": "x"}, {"id": "b", "goal": "y"}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    found = read_labels(path, ["shop/a", "b", "c"], ["goal"])
    assert [one and one["goal"] for one in found] == ["x", "y", None]
    with pytest.raises(DataError, match="no line has a field 'mood'"):
        read_labels(path, ["b"], ["mood"])
    with pytest.raises(DataError, match="names none of the sessions"):
        read_labels(path, ["other"], ["goal"])
    path.write_text('{"file": "a"}\nnonsense\n')
    with pytest.raises(DataError, match=r"labels\.jsonl, line 2: no JSON"):
        read_labels(path, ["a"], [])
    path.write_text('{"goal": "a"}\n')
    with pytest.raises(DataError, match="line 1: none of file, path, session_id, id names"):
        read_labels(path, ["a"], [])


# --- counts


def test_events_are_counted_by_their_heads():
    ids = ids_of("KEY_HEAD EV_Meta DT_1 NAV MI_Click DT_9 REF_0 MI_Click DT_9 REF_0 IS_Scroll DT_8")
    numbers = count_features(ids, np.array([0, 500, 2000.0, 4000]))
    features = dict(zip(feature_names(), numbers, strict=True))
    assert event_counts(ids).sum() == 4
    assert features["[MI_Click]"] == 2
    assert features["share [MI_Click]"] == 0.5
    assert (features["[EV_Meta]"], features["[IS_Scroll]"], features["[DT_9]"]) == (1, 1, 2)
    assert (features["duration s"], features["events a second"]) == (4.0, 1.0)
    assert (features["interactions"], features["keyframes"]) == (3, 1)
    assert (features["gap quantile 0.5"], features["gap quantile 1"]) == (1.5, 2.0)
    pattern = event_pattern(ids)
    assert len(pattern) == 4
    assert pattern[1] == pattern[2] != pattern[3]


def test_counts_of_a_stretch_without_events_are_finite():
    assert np.isfinite(count_features(ids_of("KEY_CONT TAG_div"), np.zeros(0))).all()


# --- scores


def test_scores_by_hand():
    y, said = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 1])
    # F1: 2*2/(3+2), 2*2/(2+4), 0
    assert macro_f1(y, said, 4) == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert balanced_accuracy(y, said, 4) == pytest.approx((2 / 3 + 1 + 0) / 3)
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    assert auroc(np.array([0, 0, 1, 1]), np.stack([1 - scores, scores], axis=1)) == 0.75
    assert auroc(np.array([0, 1]), np.full((2, 2), 0.5)) == 0.5
    assert np.isnan(auroc(np.array([1, 1]), np.full((2, 2), 0.5)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30))
def test_weights_are_repetitions(pairs):
    y = np.array([label for label, _ in pairs])
    times = np.array([number for _, number in pairs])
    rng = np.random.default_rng(0)
    probabilities = rng.random((len(y), 3)).round(1)
    groups = np.array(["a"] * len(y))
    said = probabilities.argmax(axis=1)
    once = Predictions(y=y, probabilities=probabilities, said=said, groups=groups)
    weighted = scores_by_draw(once, times[None] * 1.0)
    again = Predictions(
        y=np.repeat(y, times),
        probabilities=np.repeat(probabilities, times, axis=0),
        said=np.repeat(said, times),
        groups=np.repeat(groups, times),
    )
    if times.sum():
        repeated = scores_of(again)
        for metric, value in weighted.items():
            np.testing.assert_allclose(value[0], repeated[metric])


def test_a_draw_takes_whole_groups():
    groups = np.array(["a", "a", "b", "c", "c", "c"])
    weights = bootstrap_weights(groups, num_draws=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5
    np.testing.assert_array_equal(weights, bootstrap_weights(groups, num_draws=50))


# --- classifiers


def made_up_task(seed=0, num=300, signal=2.0):
    rng = np.random.default_rng(seed)
    groups = np.array(SITES)[rng.integers(len(SITES), size=num)]
    y = rng.integers(2, size=num)
    x = rng.normal(size=(num, 6))
    x[:, 0] += signal * y
    return x, y, groups, np.isin(groups, SITES[:14])


@pytest.mark.parametrize(
    ("make", "num_shuffles"), [(partial(dense_linear, "x"), 4), (partial(boosting, "x"), 1)]
)
def test_what_is_there_is_learnt_and_shuffled_labels_are_at_chance(make, num_shuffles):
    x, y, groups, is_train = made_up_task()
    choice = choose_and_predict(make(x)[:2], y, groups, is_train)
    assert auroc(y[~is_train], choice.probabilities) > 0.85
    areas = []
    for seed in range(num_shuffles):
        shuffled = np.random.default_rng(seed).permutation(y)
        choice = choose_and_predict(make(x)[:1], shuffled, groups, is_train)
        areas.append(auroc(shuffled[~is_train], choice.probabilities))
    assert 0.38 < np.mean(areas) < 0.62


def test_the_mean_of_two_families_is_taken_where_it_is_better():
    x, y, groups, is_train = made_up_task(num=600, signal=0)
    rng = np.random.default_rng(5)
    linear, curved = rng.normal(size=(2, len(y)))
    # A class is told by a slope and by a distance from 0, half by each.
    y = (linear + np.abs(curved) * 2 - 1.6 + rng.normal(size=len(y)) * 0.5 > 0).astype(np.int64)
    slope = dense_linear("slope", np.c_[linear, x])[2:]
    distance = boosting("distance", np.c_[curved, x])[:1]
    choice = choose_and_predict(slope + distance, y, groups, is_train)
    alone = [choose_and_predict(each, y, groups, is_train) for each in (slope, distance)]
    assert choice.name.startswith("slope, C=0.1 and distance, 8 leaves")
    assert choice.inner_macro_f1 > max(each.inner_macro_f1 for each in alone)
    mean = np.mean([each.probabilities for each in alone], axis=0)
    np.testing.assert_allclose(choice.probabilities, mean)


def test_how_far_frequent_classes_are_favoured_is_chosen_in_training():
    rng = np.random.default_rng(3)
    groups = np.array(SITES)[np.arange(600) % 20]
    is_train = np.isin(groups, SITES[:14])
    y = (rng.random(600) < 0.1).astype(np.int64)
    x = rng.normal(size=(600, 3)) + y[:, None] * 1.5
    choice = choose_and_predict(dense_linear("x", x)[2:], y, groups, is_train)
    # Taken as equally frequent, too many would be said to be of the rare class.
    assert choice.name.endswith(("shares^0.5", "shares^1"))
    assert choice.said.sum() < choice.probabilities.argmax(axis=1).sum()


def test_a_group_on_both_sides_is_refused():
    x, y, groups, is_train = made_up_task(num=60)
    is_train[np.flatnonzero(is_train)[0]] = False
    with pytest.raises(ValueError, match=r"groups in training and among the held-out: \['site-"):
        choose_and_predict(dense_linear("x", x), y, groups, is_train)


def test_choices_see_nothing_of_the_held_out_units():
    x, y, groups, is_train = made_up_task(num=200)
    first = choose_and_predict(dense_linear("x", x), y, groups, is_train)
    changed = np.where(is_train, y, 1 - y)
    second = choose_and_predict(dense_linear("x", x), changed, groups, is_train)
    assert first.name == second.name
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_a_class_that_is_not_in_training_gets_no_probability():
    x, y, groups, is_train = made_up_task(num=100)
    y = np.where(is_train, y, 2)
    choice = choose_and_predict(dense_linear("x", x)[:1], y, groups, is_train)
    assert choice.probabilities.shape == (int((~is_train).sum()), 3)
    assert (choice.probabilities[:, 2] == 0).all()


# --- transforms and retrieval


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_are_fitted_on_the_seen_alone(name):
    rng = np.random.default_rng(1)
    x, groups = rng.normal(size=(60, 8)) + 5, np.array(["a", "b", "c"] * 20)
    is_seen = groups != "c"
    before = transformed(x, name, is_seen=is_seen, groups=groups)
    x[~is_seen] *= 100
    after = transformed(x, name, is_seen=is_seen, groups=groups)
    np.testing.assert_allclose(before[is_seen], after[is_seen])
    if name != "plain":
        np.testing.assert_allclose(before[is_seen].mean(axis=0), 0, atol=1e-9)


def test_whitened_numbers_have_unit_deviation_and_no_correlation():
    x = np.random.default_rng(1).normal(size=(200, 4)) @ np.diag([9, 1, 3, 0.1])
    white = transformed(x, "whitened", is_seen=np.ones(200, bool), groups=np.array(["a"] * 200))
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=1e-8)


def test_same_session_by_hand():
    # Windows 0 and 1 are of session 0, 2 of session 1, both of site a; 3 and 4 of session 2.
    similarity = np.array(
        [
            [9, 2, 3, 1, 0],
            [5, 9, 1, 0, 0],
            [1, 1, 9, 0, 0],
            [0, 0, 7, 9, 6],
            [0, 0, 0, 6, 9],
        ],
        dtype=np.float32,
    )
    sessions, groups = np.array([0, 0, 1, 2, 2]), np.array(["a", "a", "a", "b", "b"])
    found = same_session_scores(similarity, sessions, groups)
    np.testing.assert_array_equal(found["R@1, all"], [0, 1, np.nan, 0, 1])
    np.testing.assert_array_equal(found["R@10, all"], [1, 1, np.nan, 1, 1])
    # Alone on its site, session 2 would be found whatever the vectors are: no query.
    np.testing.assert_array_equal(found["R@1, own site"], [0, 1, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(found["chance R@1, all"], [0.25, 0.25, np.nan, 0.25, 0.25])


def test_same_label_on_other_sites_by_hand():
    # Query 0: of the others, 1 is its site; 2 has its label, 3 has not.
    similarity = np.array(
        [[9, 8, 5, 6], [8, 9, 1, 2], [5, 1, 9, 4], [6, 2, 4, 9]], dtype=np.float32
    )
    y, groups = np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "b"])
    found = same_label_scores(similarity, y, groups)
    np.testing.assert_allclose(found["mAP same label, other sites"], [0.5, 1, 1, 0.5])
    np.testing.assert_allclose(found["chance mAP same label, other sites"], 0.5)
    np.testing.assert_allclose(found["share of own site among 10 nearest"], 1 / 3)
    np.testing.assert_allclose(found["mAP own site, other labels"], [1, 1, 1, 0.5])


def test_patterns_are_compared_by_edits():
    np.testing.assert_allclose(
        pattern_similarity(["AB", "AB", "AXB", ""])[0], [1, 1, 2 / 3, 0], atol=1e-6
    )
