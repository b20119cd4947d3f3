"""A real web server on 127.0.0.1 that gives files, and trouble: cut connections, lies, errors, redirects."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Trouble:
    """What goes wrong with one request: an error status, or an end (or a stop) after so many bytes of the body."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_after: int | None = None


@dataclass
class Resource:
    """A file, and how it is served: after every 16 KiB there is a pause.

    Each request uses up one trouble; after the last one all is well.
    """

    content: bytes = b""
    etag: str | None = '"first"'
    ranges: bool = True
    announced_bytes: int | None = None
    redirect: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    pause_s: float = 0.0


@dataclass
class Seen:
    """One request that came in, and how much of the body went out."""

    path: str
    range: str | None
    sent_bytes: int = 0


class WebServer:
    """`connections` counts those that came in, even if no request did; as a proxy, it refuses with `connect_status`."""

    connections = 0
    connect_status = 502

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, Resource] = {}
        self.seen: list[Seen] = []
        self.stopped = threading.Event()

    def add(self, path: str, resource: Resource) -> str:
        """Serve `resource` at `path` and give its address."""
        self.files[path] = resource
        return self.url + path


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[WebServer]:
    """`certificate` is a PEM file with its key, for https."""
    httpd = _Server(("127.0.0.1", 0), _Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    scheme = "https" if certificate else "http"
    web = _Handler.webs[httpd.server_port] = WebServer(f"{scheme}://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.stopped.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, Any]:
        _Handler.webs[self.server_port].connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    webs: dict[int, WebServer] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        web = self.webs[self.server.server_address[1]]  # type: ignore[index]
        seen = Seen(self.path, self.headers["Range"])
        web.seen.append(seen)
        resource = web.files.get(self.path)
        if resource is None:
            self.send_error(404)
            return
        trouble = resource.troubles.pop(0) if resource.troubles else Trouble()
        if trouble.status is not None:
            self._head(trouble.status, {"Content-Length": "0", **trouble.headers})
        elif resource.redirect is not None:
            self._head(302, {"Location": resource.redirect, "Content-Length": "0", **resource.headers})
        else:
            self._send(resource, trouble, seen, web.stopped)

    def do_CONNECT(self) -> None:
        web = self.webs[self.server.server_address[1]]  # type: ignore[index]
        web.seen.append(Seen(self.path, None))
        self.send_error(web.connect_status)

    def _send(self, resource: Resource, trouble: Trouble, seen: Seen, stopped: threading.Event) -> None:
        size, start = len(resource.content), self._start(resource)
        if start >= size and start > 0:
            self._head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            return
        body = resource.content[start:]
        announced = len(body) if resource.announced_bytes is None else resource.announced_bytes
        headers = {"Content-Length": str(announced), **resource.headers}
        if resource.etag:
            headers["ETag"] = resource.etag
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._head(206 if start else 200, headers)
        ends = [n for n in (trouble.cut_after, trouble.stall_after) if n is not None]
        end = min([len(body), *ends])
        for at in range(0, end, 16384):
            piece = body[at : min(at + 16384, end)]
            try:
                self.wfile.write(piece)
            except OSError:  # the client is gone
                return
            seen.sent_bytes += len(piece)
            stopped.wait(resource.pause_s)
        if trouble.stall_after is not None:
            stopped.wait()

    def _start(self, resource: Resource) -> int:
        """Where the answer starts: at the asked byte, if the file is still the one that If-Range means."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        is_same = self.headers["If-Range"] in (None, resource.etag)
        return int(asked[1]) if asked and is_same and resource.ranges else 0

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
