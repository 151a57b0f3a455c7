"""A real bash whose programs of ours run in this process: what takes long is to import torch.

For each program that is handed over, a small script stands first on the shell's PATH. It sends its
words, folder and environment here, and prints and returns what comes back; so redirections, pipes,
`&&`, `$(...)`, `if` and `&` are the shell's own.
"""

from __future__ import annotations

import json
import os
import queue
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_CLIENT = """\
#!{python} -SE
import json, os, socket, sys
words = [{name!r}, *sys.argv[1:]]
asked = {{"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.create_connection(("127.0.0.1", {port})) as server:
    server.sendall(json.dumps(asked).encode() + b"\\n")
    answer = json.loads(server.makefile("rb").read())
sys.stdout.write(answer["output"])
sys.exit(answer["status"])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A program that the shell starts."""

    words: list[str]
    folder: Path
    """Where it is started."""
    environment: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program printed, and its exit status."""

    status: int
    output: str


def run_bash(
    source: str,
    answer_to: Callable[[Asked], Answer],
    programs: Iterable[str],
    *,
    scratch: Path,
) -> Answer:
    """Run a piece of shell in the working directory, until its background jobs have ended, too.

    It stops at the first command that fails, as with `set -euo pipefail`.

    Args:
        source: what bash gets.
        answer_to: called in this thread for each program that is handed over, one at a time.
        programs: names of those that are.
        scratch: a folder for the scripts that stand for them.

    Raises:
        Exception: whatever `answer_to` raises; the shell is ended first.
    """
    requests: queue.Queue[_Request | None] = queue.Queue()
    scratch.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=scratch))  # a program may run a shell itself
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.requests = requests
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            for name in programs:
                (scratch / name).write_text(
                    _CLIENT.format(python=sys.executable, name=name, port=server.server_address[1])
                )
                (scratch / name).chmod(0o755)
            return _run(source, answer_to, requests, scratch)
        finally:
            server.shutdown()


def _run(
    source: str,
    answer_to: Callable[[Asked], Answer],
    requests: queue.Queue[_Request | None],
    scratch: Path,
) -> Answer:
    environment = {**os.environ, "PATH": f"{scratch}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", f"{source}\nwait"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    printed: list[str] = []

    def read() -> None:
        printed.append(process.communicate()[0])
        requests.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    problem: BaseException | None = None
    for request in iter(requests.get, None):
        answer = Answer(status=1, output="")
        if problem is None:
            try:
                answer = answer_to(request.asked)
            except BaseException as raised:
                problem = raised
                process.kill()
        request.answers.put(answer)
    reader.join()
    if problem is not None:
        raise problem
    return Answer(status=process.returncode, output="".join(printed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    asked: Asked
    answers: queue.SimpleQueue[Answer]


class _Server(socketserver.ThreadingTCPServer):
    requests: queue.Queue[_Request | None]
    daemon_threads = True


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        fields = json.loads(self.rfile.readline())
        asked = Asked(
            words=fields["words"],
            folder=Path(fields["folder"]),
            environment=fields["environment"],
        )
        request = _Request(asked=asked, answers=queue.SimpleQueue())
        self.server.requests.put(request)
        answer = request.answers.get()
        fields = {"status": answer.status, "output": answer.output}
        self.wfile.write(json.dumps(fields).encode())
