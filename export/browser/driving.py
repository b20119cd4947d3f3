"""A page of an artifact's folder in a browser without a window, which does what it is asked, task by task."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, NamedTuple, Self

from ...core.errors import ReszooError
from ...core.missing import unavailable_error
from ..deployment.serve import Handler, Server
from .finding import find, unavailable

PATIENCE_S = 300.0  # of a machine that is busy, the slowest
POLL_S = 10.0  # the page asks again after so long without a task
LOOK_S = 0.2  # so often it is looked whether the browser is still alive
LAST_LINES = 3
OWN_FILES = ("driver.html", "driver.js", "tasks.js")
FLAGS = (
    "--headless",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--enable-unsafe-swiftshader",  # WebGL where there is no GPU
    "--mute-audio",
)
# Starts the browser so that it is killed when we are, however we end (Linux only: prctl's PR_SET_PDEATHSIG is 1).
START = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""


Resource = Callable[[], bytes]


class Answer(NamedTuple):
    """What the page gives: a value, and the bytes of arrays."""

    value: Any
    data: bytes


class _Server(Server):
    """The folder's files; and for whoever knows `token`, the page that drives, its tasks and its answers."""

    def __init__(self, folder: Path, own: Mapping[str, Resource]) -> None:
        self.token = secrets.token_urlsafe(12)
        self.own = own
        self.tasks: Queue[bytes] = Queue()
        self.answers: Queue[bytes] = Queue()
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))


class _Handler(Handler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        if (name := self._own()) == "task":
            self._give_task()
        elif name is not None and name in self.server.own:
            self._send(HTTPStatus.OK, self.server.own[name](), self.guess_type(name))
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802
        if self._own() != "answer":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.server.answers.put(self.rfile.read(int(self.headers["Content-Length"])))
        self._give_task()

    def _own(self) -> str | None:
        token, _, name = self.path.lstrip("/").partition("/")
        return name if token == self.server.token else None

    def _give_task(self) -> None:
        try:
            task = self.server.tasks.get(timeout=POLL_S)
        except Empty:
            self._send(HTTPStatus.NO_CONTENT)
        else:
            self._send(HTTPStatus.OK, task)

    def _send(self, status: HTTPStatus, body: bytes = b"", kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # of a browser that is gone
            self.end_headers()
            self.wfile.write(body)


class Page:
    """The page as a context manager; on leaving, the browser and all that it wrote are gone.

    `resources` are served beside the driver's own files, by their names. Raises UnavailableError where there is no
    browser.
    """

    def __init__(self, folder: Path, resources: Mapping[str, Resource] | None = None) -> None:
        program = find()
        if program is None:
            missing = unavailable("a browser")
            assert missing is not None  # noqa: S101 - there is none
            raise unavailable_error(missing)
        own = {name: Path(__file__).with_name(name).read_bytes for name in OWN_FILES}
        self.server = _Server(folder, own | dict(resources or {}))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        self.profile = tempfile.TemporaryDirectory(prefix="reszoo-", ignore_cleanup_errors=True)
        self.noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving
        address = f"http://127.0.0.1:{self.server.server_port}/{self.server.token}/driver.html"
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root has none
        command = [program, *FLAGS, *sandbox, f"--user-data-dir={self.profile.name}", address]
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", START, *command],
            stdin=subprocess.DEVNULL,
            stdout=self.noise,
            stderr=self.noise,
            start_new_session=True,
        )

    def ask(self, method: str, data: bytes = b"", patience_s: float = PATIENCE_S, **settings: Any) -> Answer:
        """Have a function of `tasks.js` called with these settings and bytes.

        Raises ReszooError with what the page says is wrong, and where it does not answer for `patience_s`.
        """
        self.send(json.dumps({"method": method, **settings}).encode() + b"\n" + data)
        answer = self.receive(time.monotonic() + patience_s)
        if answer is None:
            raise self._failed(f"it did not answer for {patience_s:.0f} s")
        line, _, rest = answer.partition(b"\n")
        value = json.loads(line)
        if isinstance(value, dict) and "error" in value:
            raise ReszooError(f"the browser says: {value['error']}", "Export it again, or try a newer browser.")
        return Answer(value, rest)

    def send(self, task: bytes) -> None:
        self.server.tasks.put(task)

    def receive(self, deadline: float) -> bytes | None:
        """The next answer; None if that takes until `deadline`. Raises ReszooError where the browser has ended."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                return self.server.answers.get(timeout=min(left, LOOK_S))
            except Empty:
                if self.process.poll() is not None:
                    raise self._failed(f"it ended with exit code {self.process.returncode}") from None
        return None

    def output(self) -> str:
        """What the browser has printed."""
        self.noise.seek(0)
        return self.noise.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        """To all processes of the browser."""
        os.killpg(self.process.pid, number)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()
        self.noise.close()
        self.profile.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failed(self, reason: str) -> ReszooError:
        lines = [line for line in self.output().splitlines() if line.strip()][-LAST_LINES:]
        said = f": {'; '.join(lines)}" if lines else ""
        return ReszooError(f"the browser cannot be used: {reason}{said}", "Try another one with RESZOO_BROWSER.")
