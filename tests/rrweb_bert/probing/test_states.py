"""Hidden states of sessions and windows: the encoder's, and nothing of unseen groups."""

from dataclasses import replace

import numpy as np
import pytest

from rrweb_bert.probing.hidden_states import comparing_encoder, hidden_states
from rrweb_bert.probing.unit_states import NUM_EVENT_CLUSTERS, session_states, window_states
from rrweb_bert.probing.units import load_sessions
from rrweb_bert.session_ids import event_starts_of, time_mask
from rrweb_bert.window_passes import WindowPasses


@pytest.fixture
def seen_and_unseen(prepared):
    sessions = load_sessions(prepared / "corpus", window_ids=250)
    encoder = comparing_encoder(
        str(prepared / "model"), window_ids=250, device="cpu", precision="fp32"
    )
    return sessions, hidden_states(encoder, sessions.windows, batch_size=4), encoder


def test_states_are_those_of_the_encoder(seen_and_unseen):
    sessions, states, encoder = seen_and_unseen
    sums = encoder.window_sums(list(sessions.rows))
    np.testing.assert_allclose(states.sums, sums.sums, atol=1e-3)
    np.testing.assert_array_equal(states.counts, sums.counts)
    window = sessions.windows[7]
    (*_, last), _ = WindowPasses(
        model=encoder.model, device=encoder.device, precision="fp32", window_ids=250,
        layer_sets=((encoder.model.config.num_hidden_layers,),),
    ).hidden([window])  # fmt: skip
    heads = event_starts_of(window.ids)
    expected = last[0, 1:-1].numpy()
    np.testing.assert_allclose(
        states.events[states.event_windows == 7], expected[heads], atol=4e-3, rtol=2e-3
    )
    squares = (expected[window.counted[1]] ** 2).sum(axis=0)
    np.testing.assert_allclose(states.squares[7], squares, rtol=1e-4, atol=1e-4)
    is_time = time_mask(window.ids) & window.counted[1]
    assert (states.time_windows == 7).sum() == is_time.sum()


def test_every_event_is_in_a_cluster_and_sessions_add_their_windows(seen_and_unseen):
    sessions, states, _ = seen_and_unseen
    units = window_states(states, sessions)
    for bag, k in zip(units.bags, NUM_EVENT_CLUSTERS, strict=True):
        assert bag.shape == (len(sessions.windows), k)
        assert bag.sum() == len(states.events)
    whole = session_states(units, sessions.window_session)
    assert whole.paces.sum() == len(states.times)
    of_second = sessions.window_session == 1
    np.testing.assert_allclose(whole.sums[1], units.sums[of_second].sum(axis=0), rtol=1e-5)
    bag = whole.bag(64)
    assert bag.shape == (len(sessions.rows), 2 * (64 + 32))
    np.testing.assert_allclose(bag[:, 96 : 96 + 64].sum(axis=1), 1.0, rtol=1e-5)
    assert np.isfinite(whole.spread()).all()


def test_clusters_see_nothing_of_unseen_groups(seen_and_unseen):
    sessions, states, _ = seen_and_unseen
    before = window_states(states, sessions)
    is_unseen = ~sessions.is_seen[sessions.window_session]
    changed = states.events.copy()
    changed[is_unseen[states.event_windows]] += 5
    after = window_states(replace(states, events=changed), sessions)
    for old, new in zip(before.bags, after.bags, strict=True):
        np.testing.assert_array_equal(old[~is_unseen], new[~is_unseen])
        assert (old[is_unseen] != new[is_unseen]).any()
