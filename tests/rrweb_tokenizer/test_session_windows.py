from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rrweb_events import WordEncoder, click, meta, snapshot, typed
from synthetic import make_events

from rrweb_tokenizer import EncodedSession
from rrweb_tokenizer.serializer import serialize
from rrweb_tokenizer.session_windows import cut_windows, event_stops, window_bounds
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, group_of

KEY_CONT, KEY_MID, TEXT = STRUCTURAL_IDS["[KEY_CONT]"], STRUCTURAL_IDS["[KEY_MID]"], 600


@st.composite
def sessions(draw):
    """Events of any length in chapters of any length; keyframes of 3 ids, as the writer does it."""
    ids, keyframes, starts = [], [], []
    for number, length in enumerate(draw(st.lists(st.integers(1, 30), max_size=20))):
        if number == 0 or draw(st.booleans()):
            keyframes.append(len(ids))
            ids += [KEY_MID, TEXT, TEXT]
        starts.append(len(ids))
        for _ in range(length):
            if draw(st.integers(0, 9)) == 0:
                keyframes.append(len(ids))
                ids += [KEY_CONT, TEXT, TEXT]
            ids.append(700 + number)
    return EncodedSession(
        ids=np.array(ids, dtype=np.uint16),
        keyframes=np.array(keyframes, dtype=np.uint32),
        event_starts=np.array(starts, dtype=np.uint32),
        event_times_ms=np.arange(len(starts), dtype=np.float64) * 10,
        num_events=len(starts),
    )


@st.composite
def limits(draw):
    max_ids = draw(st.integers(1, 60))
    return max_ids, draw(st.integers(0, max_ids - 1))


def test_windows_start_at_keyframes_in_reach():
    keyframes = np.array([0, 400, 700])
    assert window_bounds(1000, keyframes, 500, 50) == [(0, 500), (400, 900), (700, 1000)]
    # The overlap is at least the stride: 400 is out of reach now.
    assert window_bounds(1000, keyframes, 500, 150)[:2] == [(0, 500), (350, 850)]


def test_without_a_keyframe_in_reach_windows_are_cut_plainly():
    assert window_bounds(10, np.array([0]), 4, 1) == [(0, 4), (3, 7), (6, 10)]


def test_what_fits_is_one_window():
    keyframes = np.array([0, 5])
    assert window_bounds(10, keyframes, 10, 9) == window_bounds(10, keyframes, 99) == [(0, 10)]
    assert window_bounds(0, np.array([], dtype=np.uint32), 10) == [(0, 0)]


@pytest.mark.parametrize(("max_ids", "stride"), [(0, 0), (-3, 0), (10, 10), (10, 11), (10, -1)])
def test_limits_without_a_step_forward_are_refused(max_ids, stride):
    with pytest.raises(ValueError, match=r"window|stride"):
        window_bounds(100, np.array([0]), max_ids, stride)


@given(session=sessions(), limit=limits())
def test_windows_cover_the_session_and_overlap_by_the_stride(session, limit):
    max_ids, stride = limit
    bounds = window_bounds(len(session.ids), session.keyframes, max_ids, stride)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(session.ids)
    assert all(stop - start <= max_ids for start, stop in bounds)
    for (start, stop), (next_start, next_stop) in pairwise(bounds):
        assert start < next_start
        assert stop < next_stop
        assert stop - next_start >= stride


@given(session=sessions(), limit=limits())
def test_each_window_starts_at_the_last_keyframe_in_reach(session, limit):
    max_ids, stride = limit
    bounds = window_bounds(len(session.ids), session.keyframes, max_ids, stride)
    for (start, _), (next_start, _) in pairwise(bounds):
        limit_id = start + max_ids - stride
        reachable = [k for k in session.keyframes.tolist() if start < k <= limit_id]
        assert next_start == max(reachable, default=limit_id)


@given(session=sessions(), limit=limits())
def test_spans_hold_exactly_the_ids_of_their_events(session, limit):
    for window in cut_windows(session, *limit):
        ids = session.ids[window.start : window.stop].tolist()
        assert window.event_spans.dtype == np.int64
        assert window.event_spans.shape == (len(window.event_times_ms), 3)
        covered = np.zeros(len(ids), dtype=bool)
        for event, start, stop in window.event_spans:
            assert 0 <= start < stop <= len(ids)
            assert set(ids[start:stop]) <= {700 + event, KEY_CONT, TEXT}
            covered[start:stop] = True
        assert all(covered[place] for place, token_id in enumerate(ids) if token_id >= 700)
        assert not any(covered[place] for place, token_id in enumerate(ids) if token_id == KEY_MID)
        events = window.event_spans[:, 0]
        assert (np.diff(events) == 1).all()
        assert (window.event_times_ms == events * 10).all()


@given(session=sessions())
def test_the_whole_session_is_one_window_without_a_limit(session):
    (window,) = cut_windows(session)
    assert (window.start, window.stop) == (0, len(session.ids))
    assert window.event_spans[:, 0].tolist() == list(range(len(session.event_starts)))
    assert window.event_spans[:, 1].tolist() == session.event_starts.tolist()
    assert window.event_spans[:, 2].tolist() == event_stops(session).tolist()


def test_a_written_session_is_cut_at_its_keyframes():
    session = serialize(typed(*make_events("shop", 1, num_actions=600)), WordEncoder())
    windows = cut_windows(session, 1024, 128)
    assert len(windows) > 3
    assert {window.start for window in windows} <= set(session.keyframes.tolist())
    heads = {"EventType", "IncrementalSource", "MouseInteractions"}
    for window in windows:
        ids = session.ids[window.start : window.stop]
        whole = window.event_spans[window.event_spans[:, 1] > 0]
        assert {group_of(int(ids[start])) for _, start, _ in whole} <= heads


def test_a_keyframe_between_events_belongs_to_neither_and_within_one_to_it():
    events = [meta(0), snapshot(1), *(click(10 * number, 4) for number in range(200))]
    session = serialize(typed(*events), WordEncoder())
    names = [STRUCTURAL_IDS["[KEY_MID]"], STRUCTURAL_IDS["[KEY_TAIL]"]]
    between = [k for k in session.keyframes.tolist() if session.ids[k] in names]
    assert between
    stops = event_stops(session)
    for keyframe in between:
        assert not ((session.event_starts <= keyframe) & (keyframe < stops)).any()
    assert set(between) <= set(stops.tolist())
