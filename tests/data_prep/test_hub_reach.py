"""Where the Hub cannot be reached, a name on it is told at once, or loaded from the cache."""

import errno
import socket
import threading
from types import SimpleNamespace

import pytest
from fake_hub import running_hub
from huggingface_hub import constants, errors

from data_prep import hub_reach
from data_prep.errors import DataError
from data_prep.hub_reach import local_files_only

REPO = "someone/rrweb"


@pytest.fixture
def waits(monkeypatch, tmp_path):
    """The waits between two attempts, of which none is waited; nothing is in the cache."""
    waits = []
    monkeypatch.setattr(hub_reach.time, "sleep", waits.append)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub_reach.why_out_of_reach.cache_clear()
    yield waits
    hub_reach.why_out_of_reach.cache_clear()


@pytest.fixture
def nobody_listens(monkeypatch, waits):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    return waits


@pytest.fixture
def in_cache(tmp_path):
    """A file of the repository in the Hub's cache, as its client leaves it."""
    folder = tmp_path / "cache" / "models--someone--rrweb"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")


def failing(error, times, then):
    """A stand-in for the client's session whose first calls fail."""
    left = [error] * times

    def head(url, **_):
        if left:
            raise left.pop()
        return then

    return lambda: SimpleNamespace(head=head)


def connect_error(cause):
    error_class = next(
        kind for kind in _below(vars(errors)["HTTPError"]) if kind.__name__ == "ConnectError"
    )
    error = error_class(str(cause))
    error.__cause__ = cause
    return error


def _below(kind):
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def test_a_name_that_is_nowhere_is_told_after_three_attempts(nobody_listens):
    with pytest.raises(DataError, match="cannot be reached") as told:
        local_files_only(REPO, "config.json")
    assert constants.ENDPOINT in str(told.value)
    assert "Connection refused" in str(told.value)
    assert "does not hold its config.json" in str(told.value)
    assert nobody_listens == [1.0, 2.0]


def test_a_hub_that_is_out_of_reach_is_asked_once_a_process(nobody_listens):
    for name in (REPO, "someone/else"):
        with pytest.raises(DataError, match="cannot be reached"):
            local_files_only(name, "config.json")
    assert nobody_listens == [1.0, 2.0]


def test_what_is_in_the_cache_is_loaded_from_there(nobody_listens, in_cache):
    assert local_files_only(REPO, "config.json")
    with pytest.raises(DataError, match=r"does not hold its tokenizer_config\.json"):
        local_files_only(REPO, "tokenizer_config.json")


def test_a_hub_that_answers_is_left_to_its_client(monkeypatch, waits):
    with running_hub(monkeypatch):
        assert not local_files_only(REPO, "config.json")
    assert waits == []


@pytest.mark.parametrize("name", ["a/b/c", "bad name", ".", "--", "x" * 300])
def test_folders_and_what_is_no_name_are_not_asked_for(nobody_listens, name):
    assert not local_files_only(name, "config.json")
    assert nobody_listens == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_connection_that_comes_back_is_a_connection(monkeypatch, waits, times):
    lost = connect_error(socket.gaierror(socket.EAI_AGAIN, "Temporary failure"))
    monkeypatch.setattr(hub_reach, "get_session", failing(lost, times, None))
    assert not local_files_only(REPO, "config.json")
    assert waits == [1.0, 2.0][:times]


@pytest.mark.parametrize(
    "cause", [TimeoutError("timed out"), ConnectionResetError(104, "reset by peer"), None]
)
def test_a_slow_or_broken_connection_is_left_to_the_patience_of_the_client(
    monkeypatch, waits, cause
):
    monkeypatch.setattr(hub_reach, "get_session", failing(connect_error(cause), 9, None))
    assert not local_files_only(REPO, "config.json")
    assert waits == []


@pytest.mark.parametrize(
    ("took_s", "is_out_of_reach"), [(0.1, True), (3.1, True), (10.0, False), (20.2, False)]
)
@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED])
def test_the_last_of_several_addresses_does_not_speak_for_one_that_timed_out(
    monkeypatch, waits, code, took_s, is_out_of_reach
):
    """Of all addresses that were tried the client tells the last one's error alone."""
    clock = iter(float(n) * took_s for n in range(99))
    stand_in = SimpleNamespace(sleep=waits.append, monotonic=lambda: next(clock))
    monkeypatch.setattr(hub_reach, "time", stand_in)
    error = connect_error(OSError(code, "no way"))
    monkeypatch.setattr(hub_reach, "get_session", failing(error, 9, None))
    if is_out_of_reach:
        with pytest.raises(DataError, match="no way"):
            local_files_only(REPO, "config.json")
    else:
        assert not local_files_only(REPO, "config.json")
    assert waits == ([1.0, 2.0] if is_out_of_reach else [])


def test_an_address_that_times_out_beside_one_without_a_way_is_a_slow_hub(monkeypatch, waits):
    """The client itself, told of a host with two addresses."""
    monkeypatch.setattr(hub_reach, "_TIMEOUT_S", 0.05)
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    places = [("192.0.2.1", 80), ("192.0.2.2", 80)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    class Socket(socket.socket):
        def connect(self, place):
            if place == places[1]:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            threading.Event().wait(self.gettimeout())
            raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "socket", Socket)
    assert not local_files_only(REPO, "config.json")
    del found[0]
    hub_reach.why_out_of_reach.cache_clear()
    with pytest.raises(DataError, match="Network is unreachable"):
        local_files_only(REPO, "config.json")


def test_who_works_offline_is_not_asked_for_a_connection(monkeypatch, nobody_listens, in_cache):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert local_files_only(REPO, "config.json")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        local_files_only("someone/else", "config.json")
    assert nobody_listens == []
