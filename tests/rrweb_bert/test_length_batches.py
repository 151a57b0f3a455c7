"""Windows fall into batches, each once."""

from hypothesis import given
from hypothesis import strategies as st

from rrweb_bert.length_batches import batches_by_length

LENGTHS = st.lists(st.integers(1, 30), max_size=40)
MOST = st.one_of(st.none(), st.integers(1, 100))


def test_batches_of_a_worked_example():
    lengths = [5, 7, 5, 6]
    assert list(batches_by_length(lengths, max_ids=14, pads=True)) == [[1, 3], [0, 2]]
    assert list(batches_by_length(lengths, max_ids=14, pads=False)) == [[1], [3], [0, 2]]
    assert list(batches_by_length(lengths, max_ids=None, pads=True)) == [[1, 3, 0, 2]]
    assert list(batches_by_length([], max_ids=14, pads=True)) == []


@given(LENGTHS, MOST, MOST, st.booleans())
def test_every_window_is_in_one_batch_that_keeps_to_its_limits(lengths, windows, ids, pads):
    batches = list(batches_by_length(lengths, max_windows=windows, max_ids=ids, pads=pads))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        own = [lengths[place] for place in batch]
        assert windows is None or len(batch) <= windows
        assert ids is None or len(batch) == 1 or len(batch) * max(own) <= ids
        assert pads or len(set(own)) == 1
    longest = [lengths[batch[0]] for batch in batches]
    assert longest == sorted(longest, reverse=True)
