"""A server on 127.0.0.1 that speaks the Hugging Face hub's protocol: repositories, commits, LFS, and logins.

What it keeps are real commits: each has all files of its revision, large ones by their hash, which are sent from
another host than the one that is asked (127.0.0.1 and localhost), as the hub does.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

TOKEN = "hf_testtokenthatnobodyhas"  # noqa: S105
LFS = (".safetensors", ".onnx", ".bin", ".tflite")


class Asked(NamedTuple):
    """One request, and the token that came with it."""

    method: str
    path: str
    host: str
    authorization: str | None


@dataclass
class Repository:
    """Branches and commits by name; each is all files of that revision: bytes, or the hash of a large one."""

    is_private: bool = False
    revisions: dict[str, dict[str, bytes | str]] = field(default_factory=lambda: {"main": {}})


class Hub:
    """What the server knows."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.cards: list[str] = []

    def put(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Commit files, as another user would; gives the commit."""
        kept: dict[str, bytes | str] = {}
        for name, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            if name.endswith(LFS):
                self.large[digest] = data
            kept[name] = digest if name.endswith(LFS) else data
        return self.commit(self.repositories.setdefault(repo, Repository()), branch, kept)

    def commit(self, repository: Repository, branch: str, files: dict[str, bytes | str]) -> str:
        whole = repository.revisions[branch] | files
        oid = hashlib.sha1(repr(sorted(whole.items())).encode(), usedforsecurity=False).hexdigest()
        repository.revisions[branch] = repository.revisions[oid] = whole
        return oid

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        found = self.repositories[repo].revisions[revision]
        return {name: self.large[data] if isinstance(data, str) else data for name, data in found.items()}


@contextmanager
def hub_serving() -> Iterator[Hub]:
    httpd = _Server(("127.0.0.1", 0), _Handler)
    hub = httpd.hub = Hub(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        path = self._note()
        if found := re.fullmatch(r"/large/([0-9a-f]{64})", path):
            self._answer(200, self.hub.large[found[1]])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(*found.groups())
        else:
            self._answer(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        path, data = self._note(), self._body()
        digest = path.rpartition("/")[2]
        if hashlib.sha256(data).hexdigest() != digest:
            self._answer(400)
            return
        self.hub.large[digest] = data
        self._answer(200)

    def do_POST(self) -> None:
        path, data = self._note(), self._body()
        if path == "/api/validate-yaml":
            self.hub.cards.append(json.loads(data)["content"])
            self._json({"errors": [], "warnings": []})
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, headers={"X-Error-Message": "Invalid username or password."})
        elif path == "/api/repos/create":
            self._create(json.loads(data))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(branch|preupload|commit)/([^/]+)", path):
            getattr(self, f"_{found[2]}")(self.hub.repositories[found[1]], found[3], data)
        elif path.endswith("/info/lfs/objects/batch"):
            self._batch(json.loads(data))
        else:
            self._answer(404)

    def _create(self, wanted: dict[str, Any]) -> None:
        repo = f"{wanted['organization']}/{wanted['name']}"
        if repo in self.hub.repositories:
            self._json({"error": "You already created this model repo", "url": f"{self.hub.url}/{repo}"}, 409)
            return
        self.hub.repositories[repo] = Repository(wanted.get("visibility") == "private" or bool(wanted.get("private")))
        self._json({"url": f"{self.hub.url}/{repo}"})

    def _branch(self, repository: Repository, branch: str, data: bytes) -> None:
        if branch in repository.revisions:
            self._json({"error": "Reference already exists"}, 409)
            return
        repository.revisions[branch] = dict(repository.revisions["main"])
        self._json({})

    def _preupload(self, repository: Repository, branch: str, data: bytes) -> None:
        files = json.loads(data)["files"]
        modes = {file["path"]: "lfs" if file["path"].endswith(LFS) else "regular" for file in files}
        self._json({"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]})

    def _batch(self, wanted: dict[str, Any]) -> None:
        objects = [
            {**file, "actions": {"upload": {"href": f"{self.hub.url}/upload/{file['oid']}"}}}
            for file in wanted["objects"]
            if file["oid"] not in self.hub.large
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository: Repository, branch: str, data: bytes) -> None:
        files: dict[str, bytes | str] = {}
        for line in map(json.loads, data.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = value["oid"]
        oid = self.hub.commit(repository, branch, files)
        repo = next(name for name, found in self.hub.repositories.items() if found is repository)
        self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{oid}", "commitOid": oid})

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        repository = self.hub.repositories.get(repo)
        is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        if repository is None or (repository.is_private and not is_known):
            self._answer(404 if is_known else 401, headers={"X-Error-Code": "RepoNotFound"})
            return
        data = repository.revisions.get(revision, {}).get(name)
        if data is None:
            self._answer(404, headers={"X-Error-Code": "EntryNotFound"})
        elif isinstance(data, bytes):
            self._answer(200, data, {"ETag": f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"'})
        else:
            there = f"http://localhost:{urlsplit(self.hub.url).port}/large/{data}"
            self._answer(302, headers={"Location": there, "X-Linked-Etag": f'"{data}"'})

    def _note(self) -> str:
        path = unquote(urlsplit(self.path).path)
        host = self.headers["Host"].partition(":")[0]
        self.hub.asked.append(Asked(self.command, path, host, self.headers["Authorization"]))
        return path

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _json(self, value: object, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"X-Repo-Commit": "0" * 40, "Content-Length": str(len(data))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
