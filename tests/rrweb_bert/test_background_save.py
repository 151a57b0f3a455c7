import threading

import pytest
import torch

from rrweb_bert.background_save import BackgroundWorker, copy_to_cpu


def test_copies_share_no_memory_with_the_original():
    state = {"step": 3, "moments": [torch.zeros(4), (torch.ones(2), "name")]}
    copied = copy_to_cpu(state)
    state["moments"][0].fill_(7)
    state["moments"][1][0].fill_(7)
    assert copied["step"] == 3
    assert torch.equal(copied["moments"][0], torch.zeros(4))
    assert torch.equal(copied["moments"][1][0], torch.ones(2))
    assert copied["moments"][1][1] == "name"


def test_jobs_run_one_after_another_while_the_caller_goes_on():
    worker, go_on, done = BackgroundWorker(), threading.Event(), []
    worker.start(lambda: (go_on.wait(30), done.append(1))[0] and None)
    worker.start(lambda: done.append(2))
    worker.check()
    assert done == []
    go_on.set()
    worker.wait()
    assert done == [1, 2]


def fail():
    raise OSError("no such disk")


def test_a_failure_is_raised_once_where_it_is_asked_for():
    worker, done = BackgroundWorker(), []
    worker.start(fail)
    worker.start(lambda: done.append(2))
    with pytest.raises(OSError, match="no such disk"):
        worker.wait()
    assert done == [2]
    worker.wait()


def test_check_raises_the_failure_of_a_job_that_has_ended():
    worker, ended = BackgroundWorker(), threading.Event()
    worker.start(fail)
    worker.start(ended.set)
    assert ended.wait(30)
    with pytest.raises(OSError, match="no such disk"):
        worker.check()
