import json
import math

import numpy as np
import pytest

from rrweb_bert.evaluate.figures import MODEL, SplitSums, figures_of
from rrweb_bert.evaluate.intervals import Estimate, Resamples, estimate, ratio
from rrweb_bert.evaluate.predictors import Prediction
from rrweb_bert.evaluate.tallies import (
    HEADS,
    TOKEN_GROUPS,
    HeadConfusions,
    Quantity,
    Tally,
    kind_of_group,
)
from rrweb_bert.evaluation import KINDS, kind_table
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, VOCAB_SIZE, group_of

from .conftest import make_batch


def _ids(words):
    return [STRUCTURAL_IDS[f"[{word}]"] for word in words.split()]


WINDOW = _ids("CLS KEY_MID EL_1 SDEPTH_0 MI_Click DT_9 REF_3 TAG_button X_6 Y_4 IS_Scroll DT_3 SEP")


def _prediction(best, among, losses):
    return Prediction(
        best=np.array(best),
        is_among_best=np.array(among),
        losses=None if losses is None else np.array(losses, np.float64),
    )


def _sums(tallies, groups=("a", "a", "b")):
    return SplitSums(
        num_windows=1,
        tallies=tallies,
        confusions=HeadConfusions(),
        group_of=dict(enumerate(groups)),
    )


def test_every_group_is_of_the_kind_of_its_ids():
    kinds = kind_table().tolist()
    of_group = dict(zip(TOKEN_GROUPS, kind_of_group().tolist(), strict=True))
    assert [of_group[group_of(i)] for i in range(VOCAB_SIZE)] == kinds


def test_a_small_batch_is_added_up_as_worked_out_by_hand():
    # A click's head is right; of two places one is wrong and one is no place at all.
    batch = make_batch([WINDOW, WINDOW], [[4, 8], [8]], sessions=[0, 0, 1])
    best = _ids("MI_Click X_7 Y_4")
    tally = Tally()
    tally.add(batch, _prediction(best, [True, True, False], [0.5, 1.0, 4.0]))
    figures = figures_of(_sums({MODEL: tally}))
    overall = figures["predictors"][MODEL]["overall"]
    assert figures["num_masked"] == 3
    assert overall["loss"]["value"] == pytest.approx(5.5 / 3)
    assert overall["perplexity"]["value"] == pytest.approx(math.exp(5.5 / 3))
    assert overall["accuracy"]["value"] == pytest.approx(1 / 3)
    assert overall["top_5_accuracy"]["value"] == pytest.approx(2 / 3)
    assert overall["grammatical"]["value"] == pytest.approx(2 / 3)
    assert overall["grammatical_when_wrong"]["value"] == pytest.approx(1 / 2)
    by_kind = figures["predictors"][MODEL]["by_kind"]
    assert {kind: row["num_masked"] for kind, row in by_kind.items()} == {"head": 1, "place": 2}
    assert by_kind["place"]["loss"]["value"] == pytest.approx(2.5)
    by_group = figures["predictors"][MODEL]["by_group"]
    assert {g: row["num_masked"] for g, row in by_group.items()} == {"MouseInteractions": 1, "x": 2}


def test_sums_do_not_depend_on_the_batches():
    rng = np.random.default_rng(0)
    whole, in_parts = Tally(), Tally()
    windows = [WINDOW] * 4
    best, losses = rng.integers(5, 520, size=8), rng.random(8)
    prediction = _prediction(best, losses > 0.5, losses)
    whole.add(make_batch(windows, [[4, 8]] * 4, sessions=[0, 0, 1, 1, 0, 0, 2, 2]), prediction)
    for row, sessions in enumerate(([0, 0], [1, 1], [0, 0], [2, 2])):
        part = slice(2 * row, 2 * row + 2)
        in_parts.add(
            make_batch([WINDOW], [[4, 8]], sessions=sessions),
            _prediction(best[part], losses[part] > 0.5, losses[part]),
        )
    assert whole.sessions == in_parts.sessions == [0, 1, 2]
    np.testing.assert_allclose(whole.sums(), in_parts.sums())
    assert whole.sums()[..., Quantity.POSITIONS].sum() == 8


def test_a_predictor_without_probabilities_has_no_loss():
    tally, other = Tally(), Tally()
    batch = make_batch([WINDOW], [[4, 8]], sessions=[0, 1])
    tally.add(batch, _prediction(batch.targets, [True, True], [0.1, 0.1]))
    other.add(batch, _prediction(batch.targets, [True, True], None))
    figures = figures_of(_sums({MODEL: tally, "copy last": other}))
    assert "loss" not in figures["predictors"]["copy last"]["overall"]
    assert "perplexity" not in figures["predictors"]["copy last"]["overall"]
    assert "loss" not in figures["model_minus"]["copy last"]
    assert figures["model_minus"]["copy last"]["accuracy"]["value"] == 0
    json.dumps(figures, allow_nan=False)


def test_differences_are_drawn_together_and_so_are_narrow():
    # Sessions differ much, the model is better by the same everywhere.
    model, other = Tally(), Tally()
    rng = np.random.default_rng(0)
    windows = [WINDOW] * 40
    batch = make_batch(windows, [[4, 8]] * 40)
    losses = np.repeat(rng.exponential(2, size=40), 2)
    best = batch.targets
    model.add(batch, _prediction(best, [True] * 80, losses))
    other.add(batch, _prediction(best, [True] * 80, losses + 0.25))
    sums = SplitSums(
        num_windows=40,
        tallies={MODEL: model, "unigram": other},
        confusions=HeadConfusions(),
        group_of={n: str(n) for n in range(40)},
    )
    figures = figures_of(sums)
    assert figures["drawn_anew"] == "group"
    difference = figures["model_minus"]["unigram"]["loss"]
    assert difference["value"] == pytest.approx(-0.25)
    assert difference["high"] - difference["low"] < 1e-9
    loss = figures["predictors"][MODEL]["overall"]["loss"]
    assert loss["high"] - loss["low"] > 0.5


def test_sites_are_told_apart():
    tally = Tally()
    batch = make_batch([WINDOW], [[4, 5, 8]], sessions=[0, 1, 2])
    tally.add(batch, _prediction([*batch.targets[:2], 5], [True, True, False], [1.0, 2.0, 9.0]))
    sites = figures_of(_sums({MODEL: tally}))["by_site"]
    assert [(s["group"], s["num_sessions"], s["num_masked"]) for s in sites] == [
        ("a", 2, 2),
        ("b", 1, 1),
    ]
    assert [s["predictors"][MODEL]["loss"] for s in sites] == [1.5, 9.0]
    assert [s["predictors"][MODEL]["accuracy"] for s in sites] == [1.0, 0.0]


def test_confusions_count_heads_and_what_is_none():
    confusions = HeadConfusions()
    truth = np.array([*_ids("MI_Click MI_Click IS_Scroll X_4 MI_Click"), 700])
    said = np.array([*_ids("MI_Click IS_Scroll DT_3 MI_Click"), 12_000, 800])
    confusions.add(truth, said)
    click, scroll = HEADS.index("[MI_Click]"), HEADS.index("[IS_Scroll]")
    assert confusions.counts[click, click] == 1
    assert confusions.counts[click, scroll] == 1
    assert confusions.counts[click, -1] == 1
    assert confusions.counts[scroll, -1] == 1
    assert confusions.counts.sum() == 4


def test_the_interval_of_a_mean_is_that_of_theory():
    # 400 clusters of variance 1: the mean is within 1.96 / 20 in 95% of all cases.
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(3, 1, size=400), np.ones(400)], axis=1)
    sums = Resamples(400, num_resamples=4000).sums(values)
    found = estimate(ratio(sums[:, 0], sums[:, 1]), 400)
    assert found.value == pytest.approx(values[:, 0].mean())
    half = 1.96 * values[:, 0].std() / 20
    assert found.high - found.value == pytest.approx(half, rel=0.1)
    assert found.value - found.low == pytest.approx(half, rel=0.1)


def test_one_cluster_has_no_interval_and_nothing_has_no_figure():
    sums = Resamples(1).sums(np.array([[2.0, 4.0, 0.0]]))
    assert estimate(ratio(sums[:, 0], sums[:, 1]), 1) == Estimate(value=0.5)
    assert estimate(ratio(sums[:, 0], sums[:, 2]), 1) is None


def test_intervals_are_the_same_at_every_call():
    values = np.random.default_rng(0).random((30, 4))
    np.testing.assert_array_equal(Resamples(30).sums(values), Resamples(30).sums(values))


def test_every_kind_has_a_group():
    assert set(kind_of_group().tolist()) == set(range(len(KINDS)))
