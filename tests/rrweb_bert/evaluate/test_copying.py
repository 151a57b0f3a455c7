import numpy as np

from rrweb_bert.evaluate.copying import CopyPredictor
from rrweb_bert.evaluate.ngrams import count_ngrams
from rrweb_tokenizer.structural_vocab import CLS_ID, MASK_ID, SEP_ID

from .conftest import VOCAB, make_batch

A, B, C, D, E, F = range(10, 16)


def _predictor(write_corpus):
    # F is the most frequent id, then E, then A to D.
    return CopyPredictor(
        count_ngrams(write_corpus(train=[[F, F, F, E, E, A, B, C, D]])["train"], VOCAB)
    )


def _candidates(write_corpus, ids, columns):
    predictor = _predictor(write_corpus)
    return predictor.candidates(np.array(ids), np.array(columns)).tolist()


def test_what_followed_the_same_two_ids_comes_first_then_what_followed_the_one(write_corpus):
    window = [CLS_ID, A, B, C, D, B, E, A, B, MASK_ID, SEP_ID]
    # After A B stood C; after B stood E last, and C before that. F is the most frequent.
    assert _candidates(write_corpus, window, [9]) == [[C, E, F, A, B]]


def test_the_last_follower_counts_not_the_most_frequent(write_corpus):
    window = [CLS_ID, A, B, A, B, A, C, A, MASK_ID, SEP_ID]
    assert _candidates(write_corpus, window, [8])[0][:2] == [C, B]


def test_nothing_is_learnt_from_hidden_positions_or_across_them(write_corpus):
    window = [CLS_ID, A, MASK_ID, C, A, MASK_ID, SEP_ID]
    assert _candidates(write_corpus, window, [2, 5]) == [[F, E, A, B, C]] * 2


def test_a_position_to_be_predicted_does_not_tell_what_it_shows(write_corpus):
    batch = make_batch([[CLS_ID, A, D, A, D, SEP_ID]], [[2, 4]], shown={(0, 2): D, (0, 4): D})
    assert _predictor(write_corpus).predict(batch).best.tolist() == [F, F]


def test_what_comes_later_is_not_looked_at(write_corpus):
    before = _candidates(write_corpus, [CLS_ID, A, B, A, MASK_ID, C, D, SEP_ID], [4])
    after = _candidates(write_corpus, [CLS_ID, A, B, A, MASK_ID, A, E, SEP_ID], [4])
    assert before == after


def test_it_gives_no_losses_and_five_candidates_count(write_corpus):
    batch = make_batch([[CLS_ID, A, B, C, A, C, SEP_ID]], [[5]])
    found = _predictor(write_corpus).predict(batch)
    assert found.losses is None
    assert found.best.tolist() == [B]
    assert found.is_among_best.tolist() == [True]  # C is the fifth: B, F, E, A, C
