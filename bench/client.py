"""The harness's end of the line to one worker process. The harness sleeps while the worker works."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self, TypeVar, cast

import msgspec

from ..core.measured import Scenario
from ..core.types import Artifact
from . import protocol
from .memory import ControlGroup

WORKER = "reszoo.bench.worker"
LAST_LINES = 5
PATIENCE_S = 300.0
R = TypeVar("R", bound=protocol.Reply)


def environment(scenario: Scenario) -> dict[str, str]:
    """A measuring process's: libraries read these at import, so they are set before it starts."""
    threads = str(scenario.threads)
    return os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


class WorkerError(Exception):
    """The worker gave no answer: the reason, and the last lines that it printed."""

    def __init__(self, worker: "Worker", reason: str, output: str) -> None:
        super().__init__(reason)
        self.worker = worker
        self.reason = reason
        self.output = output


class Worker:
    """A worker process as a context manager; on leaving, it is gone.

    `module` is what runs; `patience_s` is how long it may stay silent beyond the time that it was asked to take.
    """

    def __init__(
        self, artifact: Artifact, scenario: Scenario, *, module: str = WORKER, patience_s: float = PATIENCE_S
    ) -> None:
        self.artifact, self.scenario = artifact, scenario
        self.patience_s = patience_s
        self.noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on leaving, as all else
        self.group = ControlGroup.create()
        self.spawned_at = time.monotonic()
        self.process = subprocess.Popen(
            # -P: the user's folder, with a datasets/ or a statistics.py in it, is none of the worker's business
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.noise,
            env=environment(scenario),
        )
        if self.group and not self.group.add(self.process.pid):
            self.group.close()
            self.group = None
        self.requests, self.replies = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        self.unread = b""
        self.poll = select.poll()
        self.poll.register(self.replies, select.POLLIN)

    @property
    def pid(self) -> int:
        return self.process.pid

    def ask(
        self,
        request: protocol.Request,
        kind: type[R],
        seconds: float = 0.0,
        on_progress: Callable[[protocol.Progress], None] = lambda _: None,
    ) -> R:
        """Send a request that takes about `seconds`, and wait for its answer."""
        self.send(request)
        return self.receive(kind, seconds, on_progress)

    def send(self, request: protocol.Request) -> None:
        try:
            self.requests.write(protocol.encode(request))
            self.requests.flush()
        except BrokenPipeError:
            raise self._failed(self._ending()) from None

    def receive(
        self,
        kind: type[R],
        seconds: float = 0.0,
        on_progress: Callable[[protocol.Progress], None] = lambda _: None,
    ) -> R:
        """The next reply that is no progress, which has to be a `kind`."""
        while isinstance(reply := self._reply(seconds + self.patience_s), protocol.Progress):
            on_progress(reply)
        if isinstance(reply, protocol.Refusal):
            raise self._failed(reply.reason)
        if not isinstance(reply, kind):
            raise self._failed(f"the worker answered {type(reply).__name__}, not {kind.__name__}")
        return reply

    def pause(self) -> None:
        """Stop all its threads, so that none of them spins while another worker is measured."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cgroup_peak_bytes(self) -> int | None:
        return self.group.peak_bytes() if self.group else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self.replies.close()
        try:
            self.requests.close()
        except BrokenPipeError:
            self.process.stdin = None  # what could not be written any more does not matter any more
        self.noise.close()
        if self.group:
            self.group.close()

    def _reply(self, patience_s: float) -> protocol.Reply:
        line = self._line(time.monotonic() + patience_s)
        if line is None:
            raise self._failed(f"the worker did not answer for {patience_s:.0f} s")
        if not line:
            raise self._failed(self._ending())
        try:
            return protocol.decode_reply(line)
        except msgspec.DecodeError:
            raise self._failed(f"the worker wrote something that is not the protocol: {line[:80]!r}") from None

    def _line(self, deadline: float) -> bytes | None:
        """A line; b"" if the worker closed its output, None if it takes too long."""
        while b"\n" not in self.unread:
            if not self.poll.poll(max(1e3 * (deadline - time.monotonic()), 0)):
                return None
            read = os.read(self.replies.fileno(), 1 << 20)
            if not read:
                return b""
            self.unread += read
        line, _, self.unread = self.unread.partition(b"\n")
        return line

    def _ending(self) -> str:
        """How a worker that closed its output ended."""
        code = self.process.wait()
        if self.group and self.group.killed():
            return "the worker was killed because it ran out of memory"
        return f"the worker {how_it_ended(code)}"

    def _failed(self, reason: str) -> WorkerError:
        self.noise.seek(0)
        lines = self.noise.read().decode(errors="replace").strip().splitlines()
        return WorkerError(self, reason, "\n".join(lines[-LAST_LINES:]))


def how_it_ended(code: int) -> str:
    """A process, by its return code."""
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL: the kernel does that when memory runs out"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
