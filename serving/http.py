"""HTTP/1.1 on asyncio, parsed by llhttp (the package httptools): connections, their limits, and how they are closed.

A framework's overhead is as long as a small network takes, so there is none: a request is an object, its handler calls
`Connection.reply` once, now or later, and nothing else is made for it, no task and no future.
"""

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

import httptools
import msgspec

MAX_HEAD_BYTES = 64 << 10
MOST_BODIES = 8  # of the largest size that may be held at a time
LINGER_S = 2.0  # for which a refused client may read why, while the rest of what it sends is thrown away
SWEEP_S = 0.25
BACKLOG = 2048
JSON = b"application/json"
STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Refusal(Exception):  # noqa: N818 - no error of ours
    """What a client is told instead of an answer."""

    def __init__(self, status: int, reason: str, headers: bytes = b"") -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


def busy(reason: str, seconds: float = 1.0) -> Refusal:
    """Too much is asked at a time: when to try again."""
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, reason, b"retry-after: %d\r\n" % max(round(seconds + 0.5), 1))


class Request:
    """One request. `headers` are by their names in small letters."""

    __slots__ = ("headers", "keep_alive", "method", "parts", "size", "target")

    def __init__(self) -> None:
        self.method = self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.size = 0
        self.keep_alive = True

    @property
    def body(self) -> bytes:
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


class Site:
    """What all connections share: the handler, the limits, and how many requests there are.

    `count` is told the status of each request that no handler saw.
    """

    def __init__(
        self,
        handle: Callable[[Request, "Connection"], None],
        count: Callable[[int], None],
        *,
        max_body_bytes: int,
        connections: int,
        timeout_s: float,
        idle_s: float,
    ) -> None:
        self.handle, self.count = handle, count
        self.max_body_bytes, self.timeout_s, self.idle_s = max_body_bytes, timeout_s, idle_s
        self.most = connections
        self.connections: set[Connection] = set()
        self.held_bytes = 0
        self.is_draining = False
        self.loop = asyncio.get_running_loop()

    def sweep(self) -> None:
        """Close the connections of clients that are too slow; for every `SWEEP_S`."""
        for connection in list(self.connections):
            connection.sweep(self.loop.time())

    async def drain(self, grace_s: float) -> int:
        """Answer the requests in flight, close everything, and give how many requests could not be answered."""
        self.is_draining = True
        end = self.loop.time() + grace_s
        while self.connections and self.loop.time() < end:
            for connection in list(self.connections):
                if connection.is_idle:
                    connection.transport.close()
            await asyncio.sleep(0.01)
        lost = sum(not connection.is_lingering for connection in self.connections)
        for connection in list(self.connections):
            connection.transport.abort()
        return lost


class Connection(asyncio.Protocol):
    """One client's connection. Requests are answered one after the other, in their order."""

    transport: asyncio.Transport

    def __init__(self, site: Site) -> None:
        self.site = site
        self.parser = httptools.HttpRequestParser(self)
        self.incoming: Request | None = None  # is being received
        self.current: Request | None = None  # is being answered
        self.waiting: deque[Request] = deque()  # were sent before the answer to the one before
        self.since = site.loop.time()  # of what is waited for
        self.head_bytes = self.held_bytes = 0
        self.is_lingering = self.is_paused = self.is_at_end = self.is_gone = False

    @property
    def is_idle(self) -> bool:
        return self.current is None and self.incoming is None and not self.waiting and not self.is_lingering

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.site.connections.add(self)
        if len(self.site.connections) > self.site.most:
            self.refuse(busy("there are too many connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        self.site.connections.discard(self)
        self._release()

    def eof_received(self) -> bool:
        """A client that has sent all may still wait for its answer."""
        self.is_at_end = True
        return self.current is not None and not self.is_lingering

    def data_received(self, data: bytes) -> None:
        if self.is_lingering:
            return
        if self.is_idle:
            self.since = self.site.loop.time()
        self.head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.refuse(Refusal(HTTPStatus.BAD_REQUEST, "nothing but HTTP/1.1 is spoken here"))
        except httptools.HttpParserError as error:
            self.refuse(Refusal(HTTPStatus.BAD_REQUEST, f"this is no HTTP/1.1 request: {error}"))
        else:
            if self.incoming is not None and self.head_bytes > MAX_HEAD_BYTES:
                self.refuse(Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long"))
            elif self.waiting and not self.is_paused:
                self.is_paused = True
                self.transport.pause_reading()

    # what the parser calls

    def on_message_begin(self) -> None:
        self.incoming = Request()

    def on_url(self, url: bytes) -> None:
        if self.incoming:
            self.incoming.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.incoming:
            self.incoming.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.head_bytes = -sys.maxsize  # what follows is counted as the body
        request = self.incoming
        if request is None or self.is_lingering:
            return
        request.method = self.parser.get_method()
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.site.max_body_bytes:
            self._refuse_body()
        elif request.headers.get(b"expect", b"").lower() == b"100-continue" and self.current is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        request = self.incoming
        if request is None or self.is_lingering:
            return
        request.parts.append(body)
        request.size += len(body)
        self.held_bytes += len(body)
        self.site.held_bytes += len(body)
        if request.size > self.site.max_body_bytes:
            self._refuse_body()
        elif self.site.held_bytes > MOST_BODIES * self.site.max_body_bytes:
            self.refuse(busy("there are too many large requests"))

    def on_message_complete(self) -> None:
        self.head_bytes = 0
        request, self.incoming = self.incoming, None
        if request is None or self.is_lingering:
            return
        request.keep_alive = self.parser.should_keep_alive()
        self.waiting.append(request)
        if self.current is None:
            self._next()

    # answers

    def reply(self, status: int, body: bytes, kind: bytes = JSON, headers: bytes = b"") -> None:
        """Answer the request that is handled."""
        request, self.current = self.current, None
        if request is None or self.is_gone or self.is_lingering:
            return
        keeps = request.keep_alive and not self.site.is_draining and not (self.is_at_end and not self.waiting)
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b\r\n" % (
            STATUS[status],
            kind,
            len(body),
            headers,
            b"" if keeps else b"connection: close\r\n",
        )
        self.transport.write(head if request.method == b"HEAD" else head + body)
        self._release()
        self.since = self.site.loop.time()
        if not keeps:
            self.transport.close()
        elif self.waiting:
            self.site.loop.call_soon(self._next)
        elif self.is_paused:
            self.is_paused = False
            self.transport.resume_reading()

    def deny(self, refusal: Refusal) -> None:
        """Answer the request that is handled with an error."""
        self.reply(refusal.status, error_body(refusal.reason), headers=refusal.headers)

    def refuse(self, refusal: Refusal) -> None:
        """Answer what cannot be read on from, and close. What is still sent is thrown away for a while.

        Closed at once, the connection would be reset, and its client would not read the answer.
        """
        if self.is_lingering or self.transport.is_closing():
            return
        self.incoming = None
        self.waiting.clear()
        if self.current is not None:  # an earlier request of the same connection is answered, and nothing after it
            self.current.keep_alive = False
            return
        self.is_lingering, self.since = True, self.site.loop.time()
        self._release()
        body = error_body(refusal.reason)
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n"
        self.transport.write(head % (STATUS[refusal.status], JSON, len(body), refusal.headers) + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.site.count(refusal.status)

    def sweep(self, now: float) -> None:
        """Close it if it has waited for too long."""
        waited = now - self.since
        if self.is_lingering:
            if waited > LINGER_S:
                self.transport.abort()
        elif self.current is not None:
            return
        elif self.incoming is not None or self.head_bytes > 0:
            if waited > self.site.timeout_s:
                self.refuse(Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request came too slowly"))
        elif self.transport.get_write_buffer_size():
            if waited > self.site.timeout_s:
                self.transport.abort()
        elif waited > self.site.idle_s:
            self.transport.close()

    def _next(self) -> None:
        if self.is_gone or self.is_lingering or not self.waiting or self.current is not None:
            return
        self.current = self.waiting.popleft()
        try:
            self.site.handle(self.current, self)
        except Refusal as refusal:
            self.deny(refusal)
        except Exception:
            traceback.print_exc()
            self.deny(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "this is a defect of the server, which has noted it"))

    def _refuse_body(self) -> None:
        most = self.site.max_body_bytes
        self.refuse(Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is too long: {most:,} bytes are the most"))

    def _release(self) -> None:
        """Bodies that are waiting stay counted until the last of them is answered."""
        if not self.waiting or self.is_gone:
            self.site.held_bytes -= self.held_bytes
            self.held_bytes = 0


def error_body(reason: str) -> bytes:
    """As the Open Inference Protocol has it."""
    return msgspec.json.encode({"error": reason})
