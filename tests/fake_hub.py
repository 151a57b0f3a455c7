"""A Hugging Face Hub on loopback, of the standard library: as much as a push and a load need.

Files live in memory. `FakeHub` can drop connections in the middle of an upload, and keeps count of
what arrived, so that a test can see what was sent twice.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from huggingface_hub import constants

TOKEN = "hf_" + "r" * 34
OWNER = "someone"
_LARGE = (".safetensors", ".model", ".png", ".pt", ".pth")


class FakeHub:
    """A running hub; `url` is its HF_ENDPOINT.

    Attributes:
        files: repository -> revision -> path -> bytes.
        private: names of private repositories.
        commits: (repository, message) of each commit.
        num_puts: uploads of large files that were received whole.
        drop_puts, drop_commits: how many uploads, or commits, still to break off.
    """

    def __init__(self):
        self.files, self.private, self.blobs, self.commits = {}, set(), {}, []
        self.num_puts = self.drop_puts = self.drop_commits = 0
        self.lock = threading.Lock()
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def environment(self, cache_dir, token=TOKEN):
        """Variables with which a process talks to this hub and to no other."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HOME": str(cache_dir),
            "HF_TOKEN": token,
        }

    def take(self, number):
        """Whether one more of the `number` ("drop_puts", "drop_commits") is to be broken off."""
        with self.lock:
            left = getattr(self, number)
            setattr(self, number, max(0, left - 1))
            return left > 0


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=None):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def break_off(self):
        """Close the connection without an answer."""
        self.close_connection = True
        self.connection.close()

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    @property
    def is_known(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def refuse(self):
        self.answer(401, {"error": "Invalid username or password."})

    # --- to read

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(self.path.split("?")[0])
        if path == "/api/whoami-v2":
            if not self.is_known:
                self.refuse()
                return
            self.answer(200, {"name": OWNER, "type": "user", "auth": {"type": "access_token"}})
            return
        if match := re.fullmatch(
            r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+)/?.*)?", path
        ):
            name, what, revision = match[1], match[2], match[3] or "main"
            self.with_files(name, revision, self.tree if what == "tree" else self.info)
            return
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.with_files(match[1], match[2], lambda *a: self.resolve(*a, match[3]))
            return
        self.answer(404, {"error": f"no such place: {path}"})

    def with_files(self, name, revision, then):
        revisions = self.hub.files.get(name)
        if revisions is None or (name in self.hub.private and not self.is_known):
            self.answer(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        found = next((r for r in revisions if revision in (r, _commit_of(revisions[r]))), None)
        if found is None:
            self.answer(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
            return
        then(name, revisions[found])

    def info(self, name, files):
        siblings = [{"rfilename": path} for path in sorted(files)]
        private = name in self.hub.private
        fields = {"id": name, "sha": _commit_of(files), "siblings": siblings, "private": private}
        self.answer(200, fields | {"tags": []})

    def tree(self, name, files):
        rows = [
            {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
            for path, content in sorted(files.items())
        ]
        self.answer(200, rows)

    def resolve(self, name, files, path):
        commit = {"X-Repo-Commit": _commit_of(files)}
        if path not in files:
            self.answer(404, {"error": "no entry"}, commit | {"X-Error-Code": "EntryNotFound"})
            return
        etag = {"ETag": f'"{hashlib.sha256(files[path]).hexdigest()}"'}
        self.answer(200, files[path], commit | etag)

    # --- to write

    def do_POST(self):
        path, body = unquote(self.path.split("?")[0]), self.body()
        if path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif not self.is_known:
            self.refuse()
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/([^/]+)", path):
            files = self.hub.files[match[1]]
            status = 409 if match[2] in files else 201
            files.setdefault(match[2], dict(files["main"]))
            self.answer(status, {})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)", path):
            rows = json.loads(body)["files"]
            modes = [
                {
                    "path": row["path"],
                    "uploadMode": "lfs" if row["path"].endswith(_LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for row in rows
            ]
            self.answer(200, {"files": modes})
        elif path.endswith(".git/info/lfs/objects/batch"):
            objects = [self.action(row) for row in json.loads(body)["objects"]]
            self.answer(200, {"transfer": "basic", "objects": objects})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", path):
            self.commit(match[1], match[2], body)
        else:
            self.answer(404, {"error": f"no such place: {path}"})

    def create(self, request):
        owner = request.get("organization") or OWNER
        name = f"{owner}/{request['name']}"
        if owner != OWNER:
            self.answer(403, {"error": f"no right to create under {owner}"})
            return
        url = {"url": f"{self.hub.url}/{name}", "name": name}
        if name in self.hub.files:
            self.answer(409, url | {"error": "You already created this model repo"})
            return
        self.hub.files[name] = {"main": {}}
        if request.get("private") or request.get("visibility") == "private":
            self.hub.private.add(name)
        self.answer(200, url)

    def action(self, row):
        known = {"oid": row["oid"], "size": row["size"]}
        if row["oid"] in self.hub.blobs:
            return known
        return known | {"actions": {"upload": {"href": f"{self.hub.url}/blob/{row['oid']}"}}}

    def do_PUT(self):
        length = int(self.headers["Content-Length"])
        if self.hub.take("drop_puts"):
            self.rfile.read(length // 2)
            self.break_off()
            return
        content = self.rfile.read(length)
        oid = self.path.rsplit("/", 1)[1]
        if len(content) < length or hashlib.sha256(content).hexdigest() != oid:
            self.answer(400, {"error": "not what was announced"})
            return
        self.hub.blobs[oid] = content
        self.hub.num_puts += 1
        self.answer(200)

    def commit(self, name, revision, body):
        if self.hub.take("drop_commits"):
            self.break_off()
            return
        files = self.hub.files[name][revision]
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                self.hub.commits.append((name, value["summary"]))
            elif operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        oid = _commit_of(files)
        url = f"{self.hub.url}/{name}/commit/{oid}"
        self.answer(200, {"success": True, "commitOid": oid, "commitUrl": url})


def _git_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _commit_of(files):
    digest = hashlib.sha1(usedforsecurity=False)
    for path in sorted(files):
        digest.update(path.encode() + b"\0" + files[path] + b"\0")
    return digest.hexdigest()


@contextmanager
def running_hub(monkeypatch):
    """A fake hub that this process, too, takes for the Hub, with a token that it knows."""
    with FakeHub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # whatever the user's shell says
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
