"""A real S3 server on loopback, of the extra `remote-test`."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

MISSING = 'needs the extra: pip install -e ".[test,remote-test]"'


@contextlib.contextmanager
def running_s3_server():
    """The address of a server in a process of its own; the test is skipped without the extra."""
    pytest.importorskip("moto.server", reason=MISSING)
    pytest.importorskip("s3fs", reason=MISSING)
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(address):
                    break
                time.sleep(0.05)
            yield address
        finally:
            server.terminate()


@contextlib.contextmanager
def emptied(address, monkeypatch):
    """The file system of the server, with nothing in it, for this process and those it starts."""
    import s3fs

    for name, setting in (
        ("AWS_ENDPOINT_URL", address),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, setting)
    request = urllib.request.Request(f"{address}/moto-api/reset", method="POST")  # noqa: S310
    with urllib.request.urlopen(request):  # noqa: S310
        pass
    s3fs.S3FileSystem.clear_instance_cache()
    yield s3fs.S3FileSystem()
    s3fs.S3FileSystem.clear_instance_cache()
