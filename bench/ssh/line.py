"""One ssh process to one device, and the frames that go through it.

All that is said to a device goes over this one connection: it is made, checked and lost as a whole.
"""

import json
import os
import select
import shlex
import subprocess
import tempfile
import threading
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, cast

from ...core.errors import ReszooError, UnavailableError
from ..device.boot import BOOT, OLDEST
from ..device.packing import packed
from .address import Address
from .reasons import unreachable

CONFIG = "RESZOO_SSH_CONFIG"  # a file that ssh reads in the place of ~/.ssh/config
FOLDER = "RESZOO_DEVICE_FOLDER"  # on the device, in the place of ~/.cache/reszoo-device
# Nobody is there who could answer a question. A line that is dead is noticed after 15 s, and nothing is forwarded.
OPTIONS = (
    "BatchMode=yes",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ConnectTimeout=15",
    "ClearAllForwardings=yes",
)
ALIVE_S = 10.0
ANSWER_S = 60.0
END_S = 30.0
BEGIN_S = 120.0  # ssh, Python and numpy of a small board
GREETINGS = 1 << 16  # bytes that a login may print before our program does


class LostError(ReszooError):
    """The line to the device is gone."""


class Line:
    """A context manager. Commands are answered in turn; what workers say meanwhile waits for who reads it."""

    def __init__(self, address: Address, modules: Sequence[str]) -> None:
        self.address, self.modules = address, modules
        self.unread = b""
        self.heard: dict[int, deque[bytes]] = defaultdict(deque)
        self.ended: dict[int, dict[str, Any]] = {}
        self.writing = threading.Lock()
        self.closing = threading.Event()
        self.noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving, as all else
        self.process = subprocess.Popen(
            self._command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise, start_new_session=True
        )
        self.sink, self.source = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        self.alive = threading.Thread(target=self._stay_alive, daemon=True)

    def begin(self) -> dict[str, Any]:
        """What the device is. Raises UnavailableError where it cannot be used."""
        deadline = time.monotonic() + BEGIN_S
        try:
            greeting = self._greeting(deadline)
        except TimeoutError:
            raise self._lost(f"{self.address.host} lets us in, but does not answer") from None
        if greeting.get("wanted"):
            self._write(packed().data)
        if "error" not in greeting:
            greeting = self._answer("begin", deadline)
        if "error" in greeting:
            raise self._refused(greeting)
        self.alive.start()
        return greeting

    def ask(self, do: str, body: bytes = b"", *, patience_s: float = ANSWER_S, **fields: Any) -> dict[str, Any]:
        """Raises ReszooError where the device says that it went wrong, and LostError."""
        self.tell(do, body, **fields)
        answer = self._answer(do, time.monotonic() + patience_s)
        if "error" in answer:
            raise ReszooError(
                f"{self.address.host}: {answer['error']}", "Try again; free some of its disk if that is full."
            )
        return answer

    def tell(self, do: str, body: bytes = b"", **fields: Any) -> None:
        """A command that is not answered."""
        self._write(json.dumps({"do": do, **fields, "size": len(body)}).encode() + b"\n" + body)

    def worker_line(self, worker: int, deadline: float) -> bytes | None:
        """The next line of a worker, without its end; b"" if it has ended, None if that takes until `deadline`."""
        while not self.heard[worker]:
            if worker in self.ended:
                return b""
            if self._frame(deadline) is None:
                return None
        return self.heard[worker].popleft()

    @property
    def is_lost(self) -> bool:
        return self.process.poll() is not None

    def close(self) -> None:
        """The device's end sees that ours is gone, and ends all that it has started."""
        self.closing.set()
        with self.writing, suppress(BrokenPipeError):
            self.sink.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.alive.ident:
            self.alive.join()
        self.source.close()
        self.noise.close()

    def said(self) -> str:
        self.noise.seek(0)
        return self.noise.read().decode(errors="replace").strip()

    def _command(self) -> list[str]:
        config = ["-F", path] if (path := os.environ.get(CONFIG)) else []
        port = ["-p", str(self.address.port)] if self.address.port else []
        options = [word for option in OPTIONS for word in ("-o", option)]
        program = [
            self.address.python,
            "-c",
            BOOT,
            os.environ.get(FOLDER, ""),
            packed().sha256,
            str(len(packed().data)),
        ]
        remote = shlex.join([*program, json.dumps(list(self.modules))])
        return ["ssh", *config, *port, *options, "-T", "--", self.address.host, f"exec {remote}"]

    def _greeting(self, deadline: float) -> dict[str, Any]:
        """The first line that is ours: a login may print others before."""
        skipped = 0
        while skipped < GREETINGS:
            line = self._line(deadline)
            with suppress(ValueError):
                fields = json.loads(line)
                if isinstance(fields, dict) and "reszoo" in fields:
                    return fields
            skipped += len(line) + 1
        raise UnavailableError(
            f"{self.address.host} answers, but not as a shell does: {line[:80]!r}",
            "`ssh HOST true` has to print nothing.",
        )

    def _refused(self, greeting: dict[str, Any]) -> UnavailableError:
        host, error = self.address.host, greeting["error"]
        if error == "python":
            oldest = ".".join(map(str, OLDEST))
            return UnavailableError(
                f"Python on {host} is {greeting['version']}, and has to be {oldest} or newer",
                f"Install one there, and name it: ssh://{host}/usr/bin/python3.11",
            )
        if error == "busy":
            return UnavailableError(
                f"{host} is busy: another reszoo measures on it since {greeting['since']}, by its clock",
                "Wait for it: two at once would disturb each other. After a line was lost it takes a minute at most.",
            )
        return UnavailableError(
            f"the worker cannot be stored on {host}: {greeting.get('reason', error)}",
            f"Free some of its disk, or name another folder there: {FOLDER}=/path.",
        )

    def _answer(self, do: str, deadline: float) -> dict[str, Any]:
        while (frame := self._frame(deadline)) is not None:
            if frame.get("do") == do:
                return frame
        raise self._lost(f"{self.address.host} did not answer")

    def _frame(self, deadline: float) -> dict[str, Any] | None:
        """The next frame; what it says of a worker is kept for who reads that. None if it takes until `deadline`."""
        try:
            frame: dict[str, Any] = json.loads(self._line(deadline))
            body = self._exactly(frame["size"], deadline)
        except TimeoutError:
            return None
        except (ValueError, KeyError):
            raise self._lost(f"{self.address.host} said something that is not the protocol") from None
        if "ended" in frame:
            self.ended[frame["worker"]] = frame
        elif "worker" in frame:
            self.heard[frame["worker"]].append(body.rstrip(b"\n"))
        return frame

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self.unread:
            self._read(deadline)
        line, _, self.unread = self.unread.partition(b"\n")
        return line

    def _exactly(self, size: int, deadline: float) -> bytes:
        parts, missing = [self.unread[:size]], size - len(self.unread)
        self.unread = self.unread[size:]
        while missing > 0:
            self._read(deadline)
            parts.append(self.unread[:missing])
            self.unread, missing = self.unread[missing:], missing - len(self.unread)
        return b"".join(parts)

    def _read(self, deadline: float) -> None:
        """Raises TimeoutError, and LostError where nothing can come any more."""
        if not select.select([self.source], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError
        read = os.read(self.source.fileno(), 1 << 20)
        if not read:
            raise self._lost("")
        self.unread += read

    def _write(self, data: bytes) -> None:
        try:
            with self.writing:
                self.sink.write(data)
                self.sink.flush()
        except (BrokenPipeError, ValueError):  # ValueError: it was closed
            raise self._lost("") from None

    def _lost(self, reason: str) -> ReszooError:
        """What ssh says when it ends is the reason, if it does. A line that is not in step is of no use any more."""
        if reason:
            self.process.kill()
        code = self.process.wait()
        said = self.said()
        if not self.alive.ident:  # it never was one
            return unreachable(self.address, code, said) if not reason else UnavailableError(reason)
        last = said.splitlines()[-1:] or [f"ssh ended with exit code {code}"]
        return LostError(reason or f"the line to {self.address.host} was lost: {last[0]}", "Measure it again.")

    def _stay_alive(self) -> None:
        while not self.closing.wait(ALIVE_S):
            with suppress(ReszooError):
                self._write(b'{"size": 0}\n')
