import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.shards import SplitTable
from rrweb_bert.evaluate import ngrams
from rrweb_bert.evaluate.ngrams import TrigramPredictor, UnigramPredictor, count_ngrams
from rrweb_tokenizer.structural_vocab import CLS_ID, MASK_ID, SEP_ID

from .conftest import VOCAB, make_batch

A, B, C, D = 10, 11, 12, 13


class _Lists(SplitTable):
    """Sessions that are held as lists, in place of a corpus on the disk."""

    def __init__(self, lists):
        self._lists = [np.array(ids, np.uint16) for ids in lists]

    def __len__(self):
        return len(self._lists)

    def ids(self, session):
        return self._lists[session]


def test_the_unigrams_loss_is_the_entropy_worked_out_by_hand(write_corpus):
    # A comes 5 times, B 3 times; one is added to each of the 9 - 5 ids that can occur: 6, 4, 1, 1.
    table = write_corpus(train=[[5, 6, 5, 5, 6], [5, 6, 5]])["train"]
    unigram = UnigramPredictor(count_ngrams(table, 9))
    batch = make_batch([[CLS_ID, 5, 5, 6, 7, SEP_ID]], [[1, 2, 3, 4]])
    found = unigram.predict(batch)
    shares = np.array([6, 6, 4, 1]) / 12
    np.testing.assert_allclose(found.losses, -np.log(shares))
    assert found.best.tolist() == [5, 5, 5, 5]
    assert found.is_among_best.all()


def test_the_unigrams_loss_on_its_own_ids_comes_near_their_entropy():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(20))
    ids = 5 + rng.choice(20, size=200_000, p=shares)
    counted = ngrams.unigram(count_ngrams(_Lists([ids]), 25))[5:]
    entropy = -(shares * np.log(shares)).sum()
    assert -(shares * np.log(counted)).sum() == pytest.approx(entropy, abs=1e-3)


def test_what_stands_between_two_ids_is_worked_out_by_hand(write_corpus):
    counts = count_ngrams(write_corpus(train=[[A, B, C, A, B, C, A, D, C]])["train"], VOCAB)
    trigram = TrigramPredictor(counts)
    num_ids = VOCAB - 5
    p = dict.fromkeys(range(5, VOCAB), 1 / (9 + num_ids))
    p |= {A: 4 / (9 + num_ids), B: 3 / (9 + num_ids), C: 4 / (9 + num_ids), D: 2 / (9 + num_ids)}

    # A was followed by B twice and by D once: 3 times, by 2 different ids.
    after_a = {w: (2 * (w == B) + (w == D) + 2 * p[w]) / 5 for w in p}
    # B was followed by C both times, D by C once, C by A both times, A never by C.
    before_c = dict.fromkeys(p, p[C])
    before_c |= {A: 2 * p[C] / 5, B: (2 + p[C]) / 3, C: p[C] / 3, D: (1 + p[C]) / 2}
    chain = {w: after_a[w] * before_c[w] for w in p}
    chain = {w: share / sum(chain.values()) for w, share in chain.items()}
    between = {w: (2 * (w == B) + (w == D) + 2 * chain[w]) / 5 for w in p}

    shares = trigram.shares(A, MASK_ID, C)
    np.testing.assert_allclose(shares[5:], [between[w] for w in p])
    np.testing.assert_allclose(trigram.shares(A, MASK_ID, MASK_ID)[5:], [after_a[w] for w in p])
    np.testing.assert_allclose(trigram.shares(CLS_ID, MASK_ID, SEP_ID)[5:], list(p.values()))


def test_an_id_that_shows_is_kept_or_random_by_bayes_rule(write_corpus):
    counts = count_ngrams(write_corpus(train=[[A, B, C, A, B, C]])["train"], VOCAB)
    trigram = TrigramPredictor(counts)
    hidden, shown = trigram.shares(A, MASK_ID, C), trigram.shares(A, D, C)
    expected = hidden * 0.5 / (VOCAB - 5)
    expected[D] += 0.5 * hidden[D]
    np.testing.assert_allclose(shown, expected / expected.sum())


@given(
    st.lists(st.lists(st.integers(5, 15), min_size=1, max_size=30), min_size=1, max_size=5),
    st.tuples(*[st.integers(0, 19)] * 3),
)
def test_probabilities_are_positive_and_add_up_to_one(sessions, around):
    trigram = TrigramPredictor(count_ngrams(_Lists(sessions), 20))
    left, shown, right = around
    shares = trigram.shares(left, MASK_ID if shown < 5 else shown, right)
    assert shares.sum() == pytest.approx(1)
    assert (shares[5:] > 0).all()
    assert not shares[:5].any()


@given(st.lists(st.lists(st.integers(5, 9), min_size=1, max_size=12), min_size=1, max_size=4))
def test_counts_are_those_of_a_plain_loop(sessions):
    counts = count_ngrams(_Lists(sessions), 10)
    triples = [tuple(s[i : i + 3]) for s in sessions for i in range(len(s) - 2)]
    pairs = [tuple(s[i : i + 2]) for s in sessions for i in range(len(s) - 1)]
    for left in range(5, 10):
        ids, numbers = counts.followers_of(left)
        assert dict(zip(ids.tolist(), numbers.tolist(), strict=True)) == {
            second: pairs.count((left, second)) for first, second in pairs if first == left
        }
        ids, numbers = counts.predecessors_of(left)
        assert dict(zip(ids.tolist(), numbers.tolist(), strict=True)) == {
            first: pairs.count((first, left)) for first, second in pairs if second == left
        }
        for right in range(5, 10):
            ids, numbers = counts.between(left, right)
            assert dict(zip(ids.tolist(), numbers.tolist(), strict=True)) == {
                w: triples.count((a, w, b)) for a, w, b in triples if (a, b) == (left, right)
            }


def test_counting_in_many_small_steps_counts_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    sessions = [rng.integers(5, 30, size=50) for _ in range(20)]
    whole = count_ngrams(_Lists(sessions), 30)
    monkeypatch.setattr(ngrams, "_BUFFERED_KEYS", 7)
    in_steps = count_ngrams(_Lists(sessions), 30)
    for name in ("_pairs", "_pairs_by_second", "_triples"):
        np.testing.assert_array_equal(getattr(whole, name).keys, getattr(in_steps, name).keys)
        np.testing.assert_array_equal(getattr(whole, name).counts, getattr(in_steps, name).counts)


def test_no_more_sessions_are_counted_than_asked_for():
    sessions = [np.full(100, 5 + number) for number in range(10)]
    counts = count_ngrams(_Lists(sessions), 20, max_ids=250)
    assert counts.num_ids == 300
    assert counts.num_sessions == 3


def test_a_text_model_of_65536_ids_is_counted():
    counts = count_ngrams(_Lists([[65535, 65534, 65535, 65534]]), 1 << 16)
    assert counts.between(65535, 65535)[0].tolist() == [65534]
    assert counts.between(65535, 65535)[1].tolist() == [1]
