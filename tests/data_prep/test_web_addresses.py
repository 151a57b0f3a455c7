"""Recordings at web addresses, of a server that fails now and then."""

import errno
import functools
import http.server
import io
import threading
from pathlib import Path

import pytest
from made_recordings import visit

from data_prep import remote
from data_prep.errors import AccessError, DataError
from data_prep.limits import DEFAULT_LIMITS
from data_prep.manifest import list_sources
from data_prep.readers import Rejected, Session
from data_prep.sessions import open_sessions

MISSING = 'needs the extra: pip install -e ".[test,remote-test]"'


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)


class FlakyHandler(http.server.SimpleHTTPRequestHandler):
    """Fails the first `failures[path]` requests for a path, in the way that `how` says."""

    failures: dict = {}  # noqa: RUF012 - set anew for each server
    how = "status"

    def do_GET(self):
        path = self.path.partition("?")[0]
        left = self.failures.get(path, 0)
        if left and self.command == "GET":
            self.failures[path] = left - 1
            if self.how == "status":
                self.send_error(503)
                return
            if self.how == "cut":
                content = Path(self.translate_path(self.path)).read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
                return
        for name, status in (("secret.json", 401), ("closed.json", 403)):
            if path.endswith(name):
                self.send_error(status)
                return
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def web(tmp_path):
    """A folder, its address, and the handler's class."""
    pytest.importorskip("aiohttp", reason=MISSING)
    folder = tmp_path / "web"
    folder.mkdir()
    handler = type("Handler", (FlakyHandler,), {"failures": {}, "how": "status"})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_web_address_is_one_recording_and_its_query_stays_out_of_its_name(web):
    folder, address, _ = web
    (folder / "a.json").write_text(visit(1))
    (source,) = list_sources([f"{address}/a.json?signature=s3cret"]).sources
    assert source.source_id == "a"
    assert source.num_bytes == len(visit(1))
    assert "s3cret" not in f"{source.path} {source.relative} {source.file_id}"
    (session,) = open_sessions(f"{address}/a.json?signature=s3cret")
    assert isinstance(session, Session)


def test_a_list_of_addresses_stands_for_what_it_lists(web):
    folder, address, _ = web
    for number in range(3):
        (folder / f"{number}.json").write_text(visit(number))
    (folder / "all.txt").write_text(f"# recordings\n{address}/0.json\n\n1.json\n2.json\n")
    found = list(open_sessions(f"{address}/all.txt"))
    assert [session.session_id for session in found] == ["0", "1", "2"]


@pytest.mark.parametrize("how", ["status", "cut"])
def test_what_fails_for_a_moment_is_tried_again_and_counted(web, how):
    folder, address, handler = web
    (folder / "a.json").write_text(visit(1))
    handler.how = how
    handler.failures["/a.json"] = 2
    size = len(visit(1))
    with remote.downloaded(f"{address}/a.json", size, DEFAULT_LIMITS) as (path, num_retries):
        assert path.read_text() == visit(1)
        assert num_retries >= 1
    assert not path.exists()


def test_what_goes_on_failing_stops_the_work_and_names_the_address(web):
    folder, address, handler = web
    (folder / "a.json").write_text(visit(1))
    handler.failures["/a.json"] = 1000
    waits = []
    with (
        pytest.raises(DataError, match=r"a\.json: failed 6 times.*Run the same command again"),
        remote.downloaded(f"{address}/a.json?key=s3cret", 0, DEFAULT_LIMITS, waits.append),
    ):
        pass
    assert len(waits) == remote.NUM_TRIES - 1
    assert waits[-1] > 4 * waits[0]


def test_a_web_address_that_asks_for_a_login_is_an_access_error(web):
    folder, address, _ = web
    (folder / "secret.json").write_text("[]")
    with pytest.raises(AccessError, match="no credentials for https://"):
        list(open_sessions(f"{address}/secret.json"))


def test_a_file_that_is_closed_or_gone_is_rejected_and_others_go_on(web):
    folder, address, _ = web
    (folder / "closed.json").write_text("[]")
    (folder / "a.json").write_text(visit(1))
    (folder / "all.urls").write_text(f"{address}/closed.json\n{address}/a.json\n")
    found = list(open_sessions(f"{address}/all.urls"))
    assert [type(session) for session in found] == [Rejected, Session]
    assert "access denied" in found[0].reason
    with pytest.raises(DataError, match="does not exist"):
        list_sources([f"{address}/nowhere.json"])


def test_a_full_disk_stops_the_work_with_the_remedy(web, monkeypatch):
    folder, address, _ = web
    (folder / "a.json").write_text(visit(1))

    class Full(io.BytesIO):
        name = "full"

        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(remote.tempfile, "NamedTemporaryFile", lambda **options: Full())
    with (
        pytest.raises(DataError, match="set TMPDIR"),
        remote.downloaded(f"{address}/a.json", 0, DEFAULT_LIMITS),
    ):
        pass
