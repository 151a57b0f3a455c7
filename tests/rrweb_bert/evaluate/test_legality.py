import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrweb_bert.evaluate.legality import are_legal_alone, are_legal_together
from rrweb_tokenizer.grammar import illegal_successions
from rrweb_tokenizer.structural_vocab import CLS_ID, SEP_ID, STRUCTURAL_IDS

from .conftest import make_batch


def _ids(words):
    return [STRUCTURAL_IDS[f"[{word}]"] for word in words.split()]


# A click on a known button, then a scroll.
WINDOW = _ids("CLS KEY_MID EL_1 SDEPTH_0 MI_Click DT_9 REF_3 TAG_button X_6 Y_4 IS_Scroll DT_3 SEP")


def test_the_window_itself_is_legal():
    columns = list(range(1, 12))
    batch = make_batch([WINDOW], [columns])
    assert are_legal_alone(batch, batch.targets).all()
    assert are_legal_together(batch, batch.targets).all()


@pytest.mark.parametrize(
    ("column", "word", "is_legal"),
    [
        (4, "MI_DblClick", True),
        (4, "IS_Scroll", True),  # a scroll has a target, too
        (4, "IS_MouseMove", False),  # wrong two places further on: a move begins with no target
        (4, "DT_9", False),  # wrong with the id before it
        (5, "DT_30", True),
        (5, "REF_3", False),  # wrong on both sides
        (6, "REF_NEW", True),
        (6, "X_6", False),  # wrong behind a head and a time
        (8, "Y_4", False),
        (9, "Y_19", True),
        (9, "X_4", False),
    ],
)
def test_one_prediction_among_its_true_neighbours(column, word, is_legal):
    batch = make_batch([WINDOW], [[column]])
    best = np.array(_ids(word))
    assert are_legal_alone(batch, best).tolist() == [is_legal]
    assert are_legal_together(batch, best).tolist() == [is_legal]


def test_two_that_are_wrong_alone_may_agree():
    batch = make_batch([WINDOW], [[10, 11]])
    best = np.array(_ids("REF_3 TAG_a"))  # in place of a head and its time
    assert are_legal_alone(batch, best).tolist() == [False, False]
    assert are_legal_together(batch, best).tolist() == [True, True]


def test_two_that_are_legal_alone_may_not_agree():
    batch = make_batch([WINDOW], [[6, 7]])
    best = np.array(_ids("REF_NEW REF_5"))  # a new node needs a tag, a known one may go without
    assert are_legal_alone(batch, best).tolist() == [True, True]
    assert are_legal_together(batch, best).tolist() == [False, False]


@given(st.data())
def test_together_means_that_the_filled_window_breaks_no_rule_there(data):
    columns = sorted(data.draw(st.sets(st.integers(1, 11), min_size=1)))
    best = np.array([data.draw(st.integers(5, 530)) for _ in columns])
    filled = np.array(WINDOW)
    filled[columns] = best
    is_illegal = illegal_successions(filled)
    expected = []
    for column in columns:
        # The succession into it, out of it, and the one that looks past a time to it.
        near = is_illegal[column - 1 : column + 2]
        expected.append(not near.any())
    batch = make_batch([WINDOW], [columns])
    assert are_legal_together(batch, best).tolist() == expected


@given(st.data())
def test_alone_means_that_the_window_with_this_one_prediction_breaks_no_rule(data):
    column = data.draw(st.integers(1, 11))
    token_id = data.draw(st.integers(5, 530))
    filled = np.array(WINDOW)
    filled[column] = token_id
    batch = make_batch([WINDOW], [[column]])
    assert are_legal_alone(batch, np.array([token_id])).tolist() == [
        not illegal_successions(filled).any()
    ]


def test_windows_of_a_batch_do_not_touch():
    scroll = _ids("KEY_MID EL_1 SDEPTH_0 IS_Scroll DT_3 REF_DOC SY_DOWN_1 SDEPTH_1 MI_Click")
    other = [CLS_ID, *scroll, *_ids("DT_4"), SEP_ID, SEP_ID]
    batch = make_batch([WINDOW, other], [[11], [1]])
    best = np.array(_ids("DT_9 KEY_MID"))
    assert are_legal_alone(batch, best).all()
    assert are_legal_together(batch, best).all()
