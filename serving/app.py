"""What a server answers: the Open Inference Protocol, pictures, metrics, and the page."""

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.types import Candidate
from ..datasets import images
from ..export.contract.runtime import Session
from ..export.feeding import feed
from ..export.predicting import prediction, seen_by
from . import page
from .batching import Batcher, Job
from .http import JSON, Connection, Refusal, Request, Site
from .inference import VERSION, Protocol
from .metrics import TYPE, Metrics
from .options import ServeOptions

TOP = 5
PICTURE = "the picture"
EXTENSIONS = ["binary_tensor_data"]
NO_SNIFFING = b"x-content-type-options: nosniff\r\n"
Route = Callable[[Request, Connection], None]


class Loaded(NamedTuple):
    """A model that is ready to run. `runtime` is the engine's name with its variant."""

    model: Candidate
    session: Session
    runtime: str
    threads: int


class Seen(NamedTuple):
    """A picture as the model takes it: a batch of one, and the picture's own (height, width)."""

    batch: NDArray[Any]
    size: tuple[int, int]
    resized_from: tuple[int, int] | None


class App:
    """One model behind HTTP. It is made in the event loop that serves it."""

    def __init__(self, loaded: Loaded, options: ServeOptions) -> None:
        self.model, self.options = loaded.model, options
        self.loop = asyncio.get_running_loop()
        self.metrics = Metrics()
        self.batcher = Batcher(
            loaded.model,
            loaded.session,
            max_batch=options.max_batch,
            max_delay_s=options.max_delay_ms / 1e3,
            queue=options.queue,
        )
        self.decoders = ThreadPoolExecutor(loaded.threads, thread_name_prefix="decoder")
        self.pictures = 0  # that are decoded or wait for it
        self.protocol = Protocol(loaded.model, loaded.model.source_ref, self.batcher.most)
        self.site = Site(
            self.handle,
            partial(self.metrics.count, "none"),
            max_body_bytes=options.max_body_bytes,
            connections=options.connections,
            timeout_s=options.timeout_s,
            idle_s=options.idle_s,
        )
        self.routes = self._routes(loaded)

    def close(self) -> None:
        self.batcher.close()
        self.decoders.shutdown()

    def _routes(self, loaded: Loaded) -> dict[bytes, dict[bytes, Route]]:
        """By path and method."""
        model = b"/v2/models/" + self.model.source_ref.encode()
        models = (model, b"%b/versions/%b" % (model, VERSION.encode()))
        server = {"name": "reszoo", "version": version("reszoo"), "extensions": EXTENSIONS}
        about = {
            name: getattr(self.model, name, None)
            for name in ("source_ref", "precision", "preprocess", "labels", "parity")
        }
        manifest = {"about": about | {"served": True}, "engine": loaded.runtime, "threads": loaded.threads}
        fixed = {"/v2": server, "/page/about.json": manifest}
        fixed |= {path.decode(): self.protocol.metadata() for path in models}
        texts = {path: (JSON, msgspec.json.encode(document)) for path, document in fixed.items()} | dict(page.files())
        gets: dict[bytes, Route] = {path.encode(): partial(self._fixed, *text) for path, text in texts.items()}
        gets |= dict.fromkeys((b"/v2/health/ready", *(b"%b/ready" % path for path in models)), self._ready)
        gets |= {b"/v2/health/live": partial(self._fixed, JSON, b""), b"/metrics": self._metrics}
        posts: dict[bytes, Route] = {**dict.fromkeys((b"%b/infer" % path for path in models), self._infer)}
        posts[b"/predict"] = self._predict
        return {path: {b"GET": route, b"HEAD": route} for path, route in gets.items()} | {
            path: {b"POST": route} for path, route in posts.items()
        }

    def handle(self, request: Request, connection: Connection) -> None:
        """Find the route. Raises Refusal."""
        path = request.target
        methods = self.routes.get(path) or self.routes.get(unquote_to_bytes(path.partition(b"?")[0]))
        try:
            if methods is None:
                raise Refusal(HTTPStatus.NOT_FOUND, f"there is nothing here; the model is {self.model.source_ref}")
            route = methods.get(request.method)
            if route is None:
                allowed = b", ".join(methods)
                raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"use {allowed.decode()}", b"allow: %b\r\n" % allowed)
            if request.headers.get(b"content-encoding", b"identity") != b"identity":
                raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without compression")
            route(request, connection)
        except Refusal as refusal:
            self.metrics.count(_name(path) if methods else "none", refusal.status)
            raise

    def _fixed(self, kind: bytes, content: bytes, request: Request, connection: Connection) -> None:
        connection.reply(HTTPStatus.OK, content, kind, NO_SNIFFING)
        self.metrics.count(_name(request.target), HTTPStatus.OK)

    def _ready(self, request: Request, connection: Connection) -> None:
        if self.site.is_draining:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the server is about to stop")
        self._fixed(JSON, b"", request, connection)

    def _metrics(self, request: Request, connection: Connection) -> None:
        self._fixed(TYPE, self.metrics.text(), request, connection)

    # inference

    def _infer(self, request: Request, connection: Connection) -> None:
        began = time.perf_counter()
        asked = self.protocol.read(request.body, request.headers.get(b"inference-header-content-length"))

        def done(job: Job, outcome: NDArray[np.float32] | Exception) -> None:
            try:
                body, kind, headers = self.protocol.answer(asked, _logits(outcome))
            except Refusal as refusal:
                self._deny("infer", refusal, connection)
                return
            connection.reply(HTTPStatus.OK, body, kind, headers)
            self.loop.call_soon(self.metrics.answered, "infer", time.perf_counter() - began, job)

        is_alone = len(self.site.connections) == 1
        self.batcher.put(Job(asked.batch, done, lambda: not connection.is_gone), is_alone=is_alone)

    # pictures

    def _predict(self, request: Request, connection: Connection) -> None:
        began = time.perf_counter()
        top = _top(request.target, len(self.model.labels))
        if self.pictures >= self.options.queue:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many pictures wait", b"retry-after: 1\r\n")
        self.pictures += 1
        future = self.loop.run_in_executor(self.decoders, self._see, request.body)

        def decoded(future: "asyncio.Future[Seen]") -> None:
            self.pictures -= 1
            try:
                seen = future.result()
                self.batcher.put(Job(seen.batch, partial(answer, seen), lambda: not connection.is_gone))
            except Refusal as refusal:
                self._deny("predict", refusal, connection)
            except Exception as error:
                self._deny("predict", _defect(error), connection)

        def answer(seen: Seen, job: Job, outcome: NDArray[np.float32] | Exception) -> None:
            now = time.perf_counter()
            try:
                found = prediction(_logits(outcome)[0], self.model, PICTURE, top, seen.resized_from)
            except Refusal as refusal:
                self._deny("predict", refusal, connection)
                return
            times = {"preparing_ms": 1e3 * (job.since - began), "running_ms": 1e3 * (now - job.since)}
            height, width = seen.size
            document = {"top": found.top, "height": height, "width": width, "resized_from": found.resized_from, **times}
            connection.reply(HTTPStatus.OK, msgspec.json.encode(document), JSON, NO_SNIFFING)
            self.loop.call_soon(self.metrics.answered, "predict", now - began, job)

        future.add_done_callback(decoded)

    def _see(self, content: bytes) -> Seen:
        """Decode and resize, by the one rule. Raises Refusal for what is no picture, or too large a one."""
        preprocess, spec = self.model.preprocess, self.model.input
        try:
            header = images.read_header(lambda: BytesIO(content), PICTURE)
            images.check_pixels(header, PICTURE, self.options.max_pixels)
            image = images.decode(content, PICTURE, preprocess.input[0])
            pixels, resized_from = seen_by(preprocess, image, PICTURE)
        except UsageError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, error.problem) from error
        return Seen(feed(pixels[None], spec, preprocess), (image.height, image.width), resized_from)

    def _deny(self, route: str, refusal: Refusal, connection: Connection) -> None:
        """Later than in `handle`, where nobody catches it."""
        connection.deny(refusal)
        self.metrics.count(route, refusal.status)


def _name(target: bytes) -> str:
    """The route, for metrics: there are few, whatever is asked for."""
    path = target.partition(b"?")[0]
    for route in ("infer", "predict", "metrics", "ready", "live"):
        if path.endswith(route.encode()):
            return route
    return "metadata" if path.startswith(b"/v2") else "page"


def _top(target: bytes, classes: int) -> int:
    """Of "/predict?top=3". Raises Refusal."""
    (asked,) = parse_qs(target.partition(b"?")[2].decode("latin-1")).get("top", [str(TOP)])[:1]
    if not (asked.isdecimal() and asked.isascii() and len(asked) < 7 and int(asked) > 0):
        raise Refusal(HTTPStatus.BAD_REQUEST, "`top` is the number of classes that are wanted, as in /predict?top=5")
    return min(int(asked), classes)


def _logits(outcome: NDArray[np.float32] | Exception) -> NDArray[np.float32]:
    if isinstance(outcome, Exception):
        raise _defect(outcome) from outcome
    return outcome


def _defect(error: Exception) -> Refusal:
    """What a client may know of it: messages of engines name files."""
    print(f"reszoo serve: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the model failed, which the server has noted")
