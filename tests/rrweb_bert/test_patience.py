import time
from threading import Event

from rrweb_bert.patience import Patience


def test_it_acts_once_when_a_wait_is_too_long():
    acted = []
    is_over = Event()

    def act():
        acted.append(1)
        is_over.set()

    patience = Patience(0.05, act)
    with patience.waiting():
        assert is_over.wait(20)
    with patience.waiting():
        time.sleep(0.2)
    assert acted == [1]


def test_it_does_not_act_between_waits_nor_on_short_ones():
    acted = []
    patience = Patience(5.0, lambda: acted.append(1))
    for _ in range(100):
        with patience.waiting():
            pass
    patience.stop()
    patience._thread.join(20)
    assert not patience._thread.is_alive()
    assert acted == []
