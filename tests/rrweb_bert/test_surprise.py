"""Surprise: what is hidden together, what it costs, what is rare, and which moments are told."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import synthetic
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rrweb_events import change, click, element, meta, snapshot, text
from transformers import set_seed

from data_prep.errors import DataError
from rrweb_bert.evaluation import KINDS
from rrweb_bert.modeling_rrweb_bert import IGNORE_INDEX, RRWebBertForMaskedLM, model_config
from rrweb_bert.surprise.judge import load_judge
from rrweb_bert.surprise.masked_copies import masked_copies, scored_events
from rrweb_bert.surprise.moments import (
    Moment,
    SessionSurprise,
    find_moments,
    session_score,
    session_surprise,
)
from rrweb_bert.surprise.norms import NORMS_FILE, Norms, SessionScores, fit_norms, weights_hash
from rrweb_bert.surprise.scoring import EventScores, Scorer, ScoringOptions
from rrweb_bert.surprise.usual import norms_of_sessions, score_of, usual_scores
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import MASK_ID, STRUCTURAL_IDS

CPU = torch.device("cpu")
CLICK, BLUR = STRUCTURAL_IDS["[MI_Click]"], STRUCTURAL_IDS["[MI_Blur]"]


@pytest.fixture(scope="module")
def tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def sessions(tokenizer):
    return [
        tokenizer.encode_session(synthetic.make_events(synthetic.SITES[i], i, num_actions=n))
        for i, n in enumerate((3, 40, 90))
    ]


@pytest.fixture(scope="module")
def small_model():
    set_seed(5)
    return RRWebBertForMaskedLM(model_config("tiny", window_tokens=256)).eval()


class KnownModel:
    """Gives each hidden id a loss that is known: a nat, and for clicks' heads three."""

    def __init__(self):
        self.num_ids = 0
        self.num_hidden = 0

    def masked_losses(self, input_ids, labels, attention_mask=None):
        is_hidden = labels != IGNORE_INDEX
        assert (input_ids[is_hidden] == MASK_ID).all()
        assert (input_ids[~is_hidden] != MASK_ID).all()
        targets = labels[is_hidden]
        self.num_ids += input_ids.numel()
        self.num_hidden += len(targets)
        return torch.where(targets == CLICK, 3.0, 1.0), targets


def copies_of(session, **options):
    chosen = {"window_ids": 510, "stride": 0, "num_copies": 4, "max_event_ids": 24} | options
    return list(masked_copies(session, **chosen))


def scores_of(heads, nats):
    by_kind = np.zeros((len(nats), len(KINDS)))
    by_kind[:, 0] = nats
    return EventScores(
        events=np.arange(len(nats)),
        heads=np.array(heads, dtype=np.int64),
        nats=by_kind,
        counts=(by_kind > 0).astype(np.int64),
    )


def test_surprise_of_an_event_is_the_sum_over_its_own_ids(tokenizer):
    page = snapshot(1000, element(9, "button", text(10, "Buy")))
    session = tokenizer.encode_session([meta(900), page, click(2000, 9), click(2500, 9)])
    scores = Scorer(model=KnownModel(), device=CPU).score(session)
    lengths = np.diff(np.append(session.event_starts, len(session.ids)))[scores.events]
    assert [session.ids[session.event_starts[e]] for e in scores.events] == scores.heads.tolist()
    assert scores.heads.tolist() == [STRUCTURAL_IDS["[EV_Meta]"], CLICK, CLICK]
    assert scores.counts.sum(axis=1).tolist() == np.minimum(lengths, 24).tolist()
    # A nat for each id, and two more for the head of a click.
    extra = np.array([0, 2, 2])
    assert scores.nats.sum(axis=1).tolist() == (np.minimum(lengths, 24) + extra).tolist()
    # The second click is only a head, of that kind; the first one introduces the button.
    assert scores.nats[-1, KINDS.index("head")] == 3.0


@pytest.mark.parametrize("stride", [0, 100])
@pytest.mark.parametrize("num_copies", [1, 3, 1000])
def test_every_scored_event_is_hidden_exactly_once_and_whole(sessions, num_copies, stride):
    for session in sessions:
        copies = copies_of(session, num_copies=num_copies, stride=stride, max_event_ids=10_000)
        hidden = np.concatenate([copy.events for copy in copies])
        events, counts = np.unique(hidden, return_counts=True)
        assert events.tolist() == scored_events(session).tolist()
        stops = np.append(session.event_starts[1:], len(session.ids))
        for event, count in zip(events.tolist(), counts.tolist(), strict=True):
            ids = session.ids[session.event_starts[event] : stops[event]]
            targets = np.concatenate([c.targets[c.events == event] for c in copies])
            # Behind an event a keyframe may follow, which is not its own.
            assert targets.tolist() == ids[:count].tolist()


def test_no_more_passes_than_asked_and_none_for_windows_without_actions(sessions):
    for session in sessions:
        copies = copies_of(session, num_copies=4)
        num_windows = len({copy.ids.tobytes() for copy in copies})
        assert num_windows == len(copies)
        windows = math.ceil(len(session.ids) / 510) + len(session.keyframes)
        assert len(copies) <= 4 * windows


def test_ids_that_are_not_hidden_stay_as_they_are(sessions):
    for copy in copies_of(sessions[1]):
        restored = copy.ids.copy()
        assert (restored[copy.places] == MASK_ID).all()
        restored[copy.places] = copy.targets
        assert MASK_ID not in restored
        assert restored.tobytes() in {
            sessions[1].ids[s : s + len(restored)].astype(np.int64).tobytes()
            for s in sessions[1].keyframes.tolist()
        }


def test_scores_do_not_depend_on_how_copies_fall_into_batches(sessions, small_model):
    options = ScoringOptions(window_ids=200)
    alone, together = (
        Scorer(model=small_model, device=CPU, options=options, batch_ids=n).score(sessions[1])
        for n in (1, 5000)
    )
    np.testing.assert_allclose(alone.nats, together.nats, atol=1e-3)
    assert alone.counts.tolist() == together.counts.tolist()


def test_a_session_without_actions_has_no_scores_and_no_moments(tokenizer):
    session = tokenizer.encode_session([snapshot(1000, element(9, "p", text(10, "Hello")))])
    scores = Scorer(model=KnownModel(), device=CPU).score(session)
    norms = fit_norms([scores], ScoringOptions())
    judged = session_surprise("empty", session, scores, norms, tokenizer, max_moments=5)
    assert (len(scores.events), judged.moments, judged.score) == (0, (), 0.0)


def test_a_model_that_gives_no_numbers_is_refused(sessions):
    class Broken(KnownModel):
        def masked_losses(self, input_ids, labels, attention_mask=None):
            losses, targets = super().masked_losses(input_ids, labels)
            return losses * float("nan"), targets

    with pytest.raises(ValueError, match="no numbers"):
        Scorer(model=Broken(), device=CPU).score(sessions[0])


def test_events_are_compared_with_their_own_kind():
    # 100 clicks of 1..100 nats, and 100 blurs of a hundredth of that.
    nats = np.arange(1.0, 101.0)
    reference = scores_of([CLICK] * 100 + [BLUR] * 100, np.concatenate([nats, nats / 100]))
    norms = fit_norms([reference], ScoringOptions())
    rarity = norms.rarity(scores_of([CLICK, BLUR, CLICK], [1.0, 0.99, 90.0]))
    assert rarity[0] == pytest.approx(1.0, abs=0.02)
    assert rarity[1] == pytest.approx(0.01, abs=0.011)
    assert rarity[2] == pytest.approx(0.1, abs=0.02)


def test_kinds_that_the_reference_hardly_has_are_compared_with_all_events():
    reference = scores_of([CLICK] * 100 + [BLUR] * 5, np.arange(105.0))
    norms = fit_norms([reference], ScoringOptions())
    assert set(norms.kinds) == {"any", "[MI_Click]"}
    assert norms.rarity(scores_of([BLUR], [52.0]))[0] == pytest.approx(0.5, abs=0.02)


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.lists(st.floats(0, 1e7), min_size=2)
)
def test_rarity_is_a_share_and_falls_with_surprise(reference, asked):
    norms = fit_norms([scores_of([CLICK] * len(reference), reference)], ScoringOptions())
    nats = np.sort(asked)
    rarity = norms.rarity(scores_of([CLICK] * len(nats), nats))
    assert ((rarity > 0) & (rarity <= 1)).all()
    assert (np.diff(rarity) <= 1e-12).all()


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1e5), max_size=40), st.integers(1, 10))
def test_moments_are_apart_and_count_every_event_near_them(times, max_moments):
    times_ms = np.sort(np.array(times))
    rarity = np.random.default_rng(len(times)).random(len(times))
    found = find_moments(times_ms, rarity, max_moments)
    chosen = times_ms[[place for place, _ in found]]
    assert len(found) <= max_moments
    assert all(abs(a - b) > 2000 for i, a in enumerate(chosen) for b in chosen[:i])
    assert sum(number for _, number in found) <= len(times)
    if len(found) < max_moments:
        assert sum(number for _, number in found) == len(times)


def test_the_rarest_event_takes_its_neighbours_with_it():
    found = find_moments(np.array([0.0, 500.0, 9000.0]), np.array([0.1, 0.01, 0.5]), 5)
    assert found == [(1, 2), (2, 1)]


def test_a_session_is_scored_by_its_three_rarest_moments():
    assert session_score([1.0, 9.0, 3.0, 6.0]) == 6.0
    assert session_score([6.0]) == 2.0


def test_moments_tell_time_line_and_reason(tokenizer):
    page = snapshot(1000, element(9, "button", text(10, "Buy")))
    events = [meta(900), page, click(3000, 9), change(9000, 2, type=6, id=9)]
    session = tokenizer.encode_session(events)
    scores = Scorer(model=KnownModel(), device=CPU).score(session)
    norms = fit_norms([scores_of([CLICK] * 40, np.zeros(40))], ScoringOptions())
    judged = session_surprise("shop", session, scores, norms, tokenizer, max_moments=3)
    moment = next(m for m in judged.moments if m.head == "[MI_Click]")
    assert moment.elapsed_ms == 2100.0
    assert moment.time_ms == 3000.0
    assert moment.line.startswith('clicks button "Buy"')
    assert moment.reason.endswith("% of its kind (clicks)")
    assert json.loads(json.dumps(moment.as_json()))["clock"] == "0:02.1"


@pytest.mark.parametrize(("share", "stands_out"), [(1 / 49, False), (1 / 50, True), (0.5, False)])
def test_one_in_fifty_of_its_kind_stands_out(share, stands_out):
    moment = Moment(
        event=0, head="[IS_Input]", time_ms=0.0, elapsed_ms=0.0, rarity=share, nats=1.0, line="",
        num_events=1,
    )  # fmt: skip
    assert moment.stands_out == stands_out
    kind = "(types, deletes, replaces, clears, ticks, unticks, chooses)"
    assert moment.reason.endswith(f"of its kind {kind}")


def scored_visits(num, nats):
    """Sessions of three clicks, ten seconds apart; the last is the more surprising, the later."""
    times_ms = np.array([0.0, 10_000.0, 20_000.0])
    return [(times_ms, scores_of([CLICK] * 3, [0.1, 0.2, nats * n])) for n in range(num)]


def judged_session(num_scored, score):
    return SessionSurprise(
        name="a", score=score, moments=(), num_scored=num_scored, duration_ms=0.0
    )


def test_norms_know_which_scores_are_usual():
    norms = norms_of_sessions(scored_visits(101, 1.0), ScoringOptions(), about="made-up visits")
    scores = [score_of(times_ms, scores, norms) for times_ms, scores in scored_visits(101, 1.0)]
    usual = usual_scores(norms)
    assert 49 <= sum(usual.low <= score <= usual.high for score in scores) <= 53
    told = f"Usual scores: {usual.low:.1f} to {usual.high:.1f}, the middle half of 101 sessions"
    assert str(usual) == f"{told} (made-up visits)"


def norms_by_length():
    """Of 90 sessions: as many bits as ten times the digits of their number of events."""
    norms = fit_norms([scores_of([CLICK], [1.0])], ScoringOptions())
    num_events = np.repeat([10, 100, 1000], 30)
    scores = np.repeat([10.0, 20.0, 30.0], 30) + np.tile(np.arange(30) / 100, 3)
    return replace(norms, session_scores=SessionScores(num_events=num_events, scores=scores))


@pytest.mark.parametrize(
    ("num_scored", "score", "usual_is", "told"),
    [
        (9, 5.0, "10.1 to 10.2", "none scores lower"),
        (120, 20.145, "20.1 to 20.2", "50% score lower"),
        (5000, 99.0, "30.1 to 30.2", "all score lower"),
        (5000, 30.285, "30.1 to 30.2", "97% score lower"),
    ],
)
def test_a_score_is_told_beside_those_of_sessions_of_its_length(num_scored, score, usual_is, told):
    usual = usual_scores(norms_by_length(), judged_session(num_scored, score))
    compared = "the middle half of the 30 nearest in length of 90 sessions"
    assert str(usual) == f"Usual scores: {usual_is}, {compared}; {told}"
    assert json.loads(json.dumps(usual.as_json()))["num_compared"] == 30


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 60)), min_size=1, max_size=120),
    st.integers(0, 10**6),
    st.floats(0, 60),
    st.floats(0, 60),
)
def test_a_higher_score_is_above_as_many_sessions_or_more(sessions, num_scored, first, second):
    measured = SessionScores(
        num_events=np.array([n for n, _ in sessions]), scores=np.array([s for _, s in sessions])
    )
    norms = replace(fit_norms([], ScoringOptions()), session_scores=measured)
    usual = [
        usual_scores(norms, judged_session(num_scored, score)) for score in sorted((first, second))
    ]
    assert 0.0 <= usual[0].share_below <= usual[1].share_below <= 1.0
    assert usual[0].low <= usual[0].high
    assert min(30, len(sessions)) <= usual[0].num_compared <= len(sessions)


def test_scores_of_sessions_come_back_with_the_norms(tmp_path):
    norms = norms_of_sessions(scored_visits(9, 2.0), ScoringOptions(), about="made-up visits")
    norms.save(tmp_path / NORMS_FILE)
    loaded = Norms.load(tmp_path / NORMS_FILE)
    assert loaded.session_scores.num_events.tolist() == [3] * 9
    assert str(usual_scores(loaded)) == str(usual_scores(norms))


def test_norms_from_before_there_were_scores_of_sessions_are_read(tmp_path):
    path = tmp_path / NORMS_FILE
    fit_norms([scores_of([CLICK] * 50, np.linspace(0, 9, 50))], ScoringOptions()).save(path)
    assert not {"session_scores", "about"} & set(json.loads(path.read_text()))
    assert usual_scores(Norms.load(path)) is None
    assert usual_scores(None) is None


def test_the_score_of_a_session_is_that_which_the_norms_are_of(tokenizer, sessions):
    norms = fit_norms([scores_of([CLICK] * 40, np.linspace(0, 30, 40))], ScoringOptions())
    for session in sessions:
        scores = Scorer(model=KnownModel(), device=CPU).score(session)
        judged = session_surprise("a", session, scores, norms, tokenizer, max_moments=1)
        assert judged.score == score_of(session.event_times_ms[scores.events], scores, norms)


def test_norms_come_back_from_their_file_as_they_were(tmp_path):
    reference = scores_of([CLICK] * 50, np.linspace(0, 9, 50))
    norms = fit_norms([reference], ScoringOptions(num_copies=7), weights_sha256="ab")
    norms.save(tmp_path / NORMS_FILE)
    loaded = Norms.load(tmp_path / NORMS_FILE)
    assert (loaded.options, loaded.num_sessions, loaded.weights_sha256) == (norms.options, 1, "ab")
    asked = scores_of([CLICK, BLUR], [5.0, 2.0])
    np.testing.assert_allclose(loaded.rarity(asked), norms.rarity(asked), atol=1e-3)


def test_events_are_hidden_as_they_were_for_the_norms(tmp_path):
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=1024)).save_pretrained(tmp_path)
    options = ScoringOptions(window_ids=700, num_copies=5)
    reference = [scores_of([CLICK] * 50, np.linspace(0, 9, 50))]
    norms = fit_norms(reference, options, weights_sha256=weights_hash(tmp_path))
    norms.save(tmp_path / NORMS_FILE)
    assert load_judge(tmp_path, device="cpu").scorer.options == options


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.update(format=2),
        lambda c: c["kinds"].pop("any"),
        lambda c: c["kinds"].update({"[NO_TOKEN]": c["kinds"]["any"]}),
        lambda c: c["kinds"]["any"]["quantiles"].reverse(),
        lambda c: c["kinds"]["any"]["quantiles"].pop(),
        lambda c: c["kinds"]["any"].update(quantiles=None),
        lambda c: c["kinds"]["any"].update(num_events=-1),
        lambda c: c["options"].update(num_copies=0),
        lambda c: c["options"].update(other=1),
        lambda c: c.update(kinds=[]),
        lambda c: c.update(session_scores=[1.0]),
        lambda c: c.update(session_scores={"num_events": [], "scores": []}),
        lambda c: c.update(session_scores={"num_events": [1], "scores": [1.0, 2.0]}),
        lambda c: c.update(session_scores={"num_events": [-1], "scores": [1.0]}),
        lambda c: c.update(session_scores={"num_events": [1], "scores": [float("inf")]}),
    ],
)
def test_damaged_norms_are_refused_by_name(tmp_path, damage):
    path = tmp_path / NORMS_FILE
    fit_norms([scores_of([CLICK] * 50, np.linspace(0, 9, 50))], ScoringOptions()).save(path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="surprise-norms"):
        Norms.load(path)


@pytest.mark.parametrize(
    "options", [{"window_ids": 0}, {"num_copies": 0}, {"max_event_ids": 0}, {"stride": 510}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ScoringOptions(**options)
